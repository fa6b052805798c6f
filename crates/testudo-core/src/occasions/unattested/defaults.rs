//! What a client without evidence of its own gets where neither its request nor the rule says: grants, and its life.

use crate::admission::create::Lifetimes;
use crate::admission::placed::Placed;
use crate::identity::CredentialKind;
use crate::metadata::narrowing;
use crate::metadata::requested::Requested;
use crate::rejection::Rejection;
use testudo_protocol::Seconds;

/// How long a client that somebody vouched for lives unused, where the rule does not say.
const IDLE_LIFETIME: Seconds = Seconds(30 * 86_400);

/// How long it lives in any case, where the rule does not say.
const LIFETIME: Seconds = Seconds(90 * 86_400);

/// The scope value that lets its holder register clients. No client gets it by being registered.
pub const SCOPE_REGISTER: &str = "client.register";

/// As the rule says; where a sponsor's rule says nothing, for a while: its own client comes back by itself, this
/// one has to be registered again by somebody who still wants it.
pub(super) fn lifetimes(placed: &Placed<'_>) -> Lifetimes {
    let by_rule = Lifetimes::by(placed.found.rule);
    Lifetimes {
        idle: by_rule.idle.or(Some(IDLE_LIFETIME)),
        at_most: by_rule.at_most.or(Some(LIFETIME)),
    }
}

/// The rule's, cut to what is asked for. [RFC6749 §4.4] A client that proves nothing does not act for itself.
pub(super) fn grant_types(placed: &Placed<'_>, requested: &Requested) -> Result<Vec<String>, Rejection> {
    let mut ceiling = placed.found.rule.grant_types.clone();
    if placed.identity.kind == CredentialKind::Public {
        ceiling.retain(|grant| grant != testudo_protocol::oauth::GRANT_CLIENT_CREDENTIALS);
    }
    if requested.grant_types.is_none() {
        // Whoever says neither which grants nor where to redirect to has nothing to redirect.
        let without_redirects = narrowing::without_redirects(ceiling.clone());
        if requested.redirect_uris.is_none() && !without_redirects.is_empty() {
            return Ok(without_redirects);
        }
        let is_open = placed.identity.sponsor.is_none();
        if is_open && narrowing::redirects(&ceiling) {
            // [RFC7591 §2] The default of a client that says nothing.
            return Ok(vec![narrowing::CODE_GRANT.to_owned()]);
        }
    }
    Ok(narrowing::grant_types(ceiling, requested.grant_types.as_ref())?)
}

//! Defaults of a client without evidence of its own: grants and lifetimes where neither its request nor the rule
//! states them.

use crate::admission::create::Lifetimes;
use crate::admission::governed::GovernedIdentity;
use crate::identity::CredentialKind;
use crate::metadata::narrowing;
use crate::metadata::requested::Requested;
use crate::rejection::Rejection;
use testudo_protocol::Seconds;

/// Idle lifetime of a client with a sponsor, where the rule states none.
const IDLE_LIFETIME: Seconds = Seconds(30 * 86_400);

/// Its absolute lifetime, where the rule states none.
const LIFETIME: Seconds = Seconds(90 * 86_400);

/// The scope value that lets its holder register clients. No client gets it by being registered.
pub const SCOPE_REGISTER: &str = "client.register";

/// The lifetimes of the rule. Where the rule of a sponsor states none, the defaults: unlike an attested client, this
/// one is not made again by its next token request, so an abandoned one must end.
pub(super) fn lifetimes(governed: &GovernedIdentity<'_>) -> Lifetimes {
    let by_rule = Lifetimes::by(governed.found.rule);
    Lifetimes {
        idle: by_rule.idle.or(Some(IDLE_LIFETIME)),
        at_most: by_rule.at_most.or(Some(LIFETIME)),
    }
}

/// The rule's, cut to what is asked for. [RFC6749 §4.4] A public client cannot use `client_credentials`.
pub(super) fn grant_types(
    governed: &GovernedIdentity<'_>,
    requested: &Requested,
) -> Result<Vec<String>, Rejection> {
    let mut ceiling = governed.found.rule.grant_types.clone();
    if governed.identity.kind == CredentialKind::Public {
        ceiling.retain(|grant| grant != testudo_protocol::oauth::GRANT_CLIENT_CREDENTIALS);
    }
    if requested.grant_types.is_none() {
        // Without `grant_types` and `redirect_uris` in the request, the grants that need a redirect are left out.
        let without_redirects = narrowing::without_redirects(ceiling.clone());
        if requested.redirect_uris.is_none() && !without_redirects.is_empty() {
            return Ok(without_redirects);
        }
        let is_open = governed.identity.sponsor.is_none();
        if is_open && narrowing::redirects(&ceiling) {
            // [RFC7591 §2] The default where the request has no `grant_types`.
            return Ok(vec![narrowing::CODE_GRANT.to_owned()]);
        }
    }
    Ok(narrowing::grant_types(ceiling, requested.grant_types.as_ref())?)
}

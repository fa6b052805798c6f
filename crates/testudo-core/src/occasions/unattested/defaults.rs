//! Defaults for clients without evidence: grants and lifetimes that neither the request nor the rule states.

use crate::admission::create::Lifetimes;
use crate::admission::governed::GovernedIdentity;
use crate::identity::CredentialKind;
use crate::metadata::narrowing;
use crate::metadata::requested::RequestedMetadata;
use crate::rejection::Rejection;
use testudo_protocol::Seconds;

/// Idle lifetime of a client with a sponsor, if the rule states none.
const IDLE_LIFETIME: Seconds = Seconds(30 * 86_400);

/// Absolute lifetime of a client with a sponsor, if the rule states none.
const LIFETIME: Seconds = Seconds(90 * 86_400);

/// The lifetimes of the rule. If the rule of a sponsor states none, the defaults apply: unlike an attested client, an
/// unused client of a sponsor is not created again by its next token request, and must end at some time.
pub(super) fn lifetimes(governed: &GovernedIdentity<'_>) -> Lifetimes {
    let by_rule = Lifetimes::by(governed.found.rule);
    Lifetimes {
        idle: by_rule.idle.or(Some(IDLE_LIFETIME)),
        at_most: by_rule.at_most.or(Some(LIFETIME)),
    }
}

/// The grants of the rule that the limits of the sponsor leave, reduced to the requested ones. [RFC6749 §4.4] A public client cannot use
/// `client_credentials`.
pub(super) fn grant_types(
    governed: &GovernedIdentity<'_>,
    requested: &RequestedMetadata,
) -> Result<Vec<String>, Rejection> {
    let limits = governed.identity.sponsor_limits();
    let mut ceiling = limits.grant_types(governed.found.rule.grant_types.clone());
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

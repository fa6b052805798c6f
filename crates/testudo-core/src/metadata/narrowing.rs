//! Limits of a client: the configured limits, reduced to what the client asked for. A request can only reduce them.

use super::requested::RequestedMetadata;
use crate::rejection::MetadataReason;
use testudo_protocol::oauth::ScopeSet;

/// The response type of grants with a redirect.
pub(crate) const CODE: &str = "code";
pub(crate) const CODE_GRANT: &str = "authorization_code";
const REFRESH_GRANT: &str = "refresh_token";

/// [RFC7591 §2] Grants that OAuth 2.1 removed are refused. Other grants that are not allowed are left out, and at least
/// one must remain.
pub(crate) fn grant_types(
    mut ceiling: Vec<String>,
    asked: Option<&Vec<String>>,
) -> Result<Vec<String>, MetadataReason> {
    if let Some(asked) = asked {
        if asked
            .iter()
            .any(|grant| grant == "implicit" || grant == "password")
        {
            return Err(MetadataReason::GrantTypeEnded);
        }
        ceiling.retain(|grant| asked.contains(grant));
    }
    if !redirects(&ceiling) {
        ceiling = without_redirects(ceiling);
    }
    if ceiling.is_empty() {
        return Err(MetadataReason::NoGrantTypeRemains);
    }
    Ok(ceiling)
}

/// The grants without a redirect. `refresh_token` is left out too, because only grants with a redirect give refresh
/// tokens.
pub(crate) fn without_redirects(mut grant_types: Vec<String>) -> Vec<String> {
    grant_types.retain(|grant| grant != CODE_GRANT && grant != REFRESH_GRANT);
    grant_types
}

/// True if one of the grants redirects a browser to the client.
pub(crate) fn redirects(grant_types: &[String]) -> bool {
    grant_types.iter().any(|grant| grant == CODE_GRANT)
}

/// [RFC7591 §2.1] Must be consistent with the grants; if absent, it is derived from them.
pub(crate) fn response_types(
    grant_types: &[String],
    requested: &RequestedMetadata,
) -> Result<Vec<String>, MetadataReason> {
    let derived: Vec<String> = if redirects(grant_types) {
        vec![CODE.to_owned()]
    } else {
        Vec::new()
    };
    match &requested.response_types {
        Some(asked) if *asked != derived => Err(MetadataReason::ResponseTypesMismatch),
        Some(_) | None => Ok(derived),
    }
}

/// Reduces the requested scope to what is allowed. If the client requested a scope, at least one value must remain.
pub(crate) fn scope(ceiling: ScopeSet, asked: Option<&ScopeSet>) -> Result<ScopeSet, MetadataReason> {
    let Some(asked) = asked else {
        return Ok(ceiling);
    };
    let narrowed = ceiling.intersection(asked);
    if narrowed.is_empty() {
        return Err(MetadataReason::NoScopeRemains);
    }
    Ok(narrowed)
}

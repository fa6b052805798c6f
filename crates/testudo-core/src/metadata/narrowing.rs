//! Limits: what a client may have is what is configured, lowered by what it asked for. A request can only narrow.

use super::requested::Requested;
use crate::rejection::MetadataReason;
use testudo_protocol::oauth::ScopeSet;

pub(crate) const CODE_GRANT: &str = "authorization_code";
const REFRESH_GRANT: &str = "refresh_token";

/// [RFC7591 §2] Dead grants are refused, others outside the ceiling cut; something must remain.
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

/// Those grants that need no browser. Nothing yields a refresh token but a grant that redirects.
pub(crate) fn without_redirects(mut grant_types: Vec<String>) -> Vec<String> {
    grant_types.retain(|grant| grant != CODE_GRANT && grant != REFRESH_GRANT);
    grant_types
}

/// True where one of the grants sends a browser back to the client.
pub(crate) fn redirects(grant_types: &[String]) -> bool {
    grant_types.iter().any(|grant| grant == CODE_GRANT)
}

/// [RFC7591 §2.1] Consistent with the grants, or refused; derived where absent.
pub(crate) fn response_types(
    grant_types: &[String],
    requested: &Requested,
) -> Result<Vec<String>, MetadataReason> {
    let derived: Vec<String> = if redirects(grant_types) {
        vec!["code".to_owned()]
    } else {
        Vec::new()
    };
    match &requested.response_types {
        Some(asked) if *asked != derived => Err(MetadataReason::ResponseTypesMismatch),
        Some(_) | None => Ok(derived),
    }
}

/// Cut to the ceiling; where something was asked for, something must remain.
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

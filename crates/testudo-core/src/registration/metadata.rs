//! Where a client's metadata comes from, member by member. [`registration-design.md` §6]
//!
//! Limits are the intersection of what is configured, attested and requested; labels go configured, then
//! attested. Only claims that the authority is trusted to state get here at all
//! ([`AttestedIdentity::attested_claims`]); a claim outside that list has no effect.

use super::client_id::{fill, pieces};
use super::rules::Match;
use crate::identity::AttestedIdentity;
use crate::records::ClientMetadata;
use crate::rejection::Rejection;
use serde_json::Value;
use testudo_protocol::limits::IDENTIFIER_BYTES_MAX;
use testudo_protocol::oauth::ScopeSet;

/// Claims that a trust domain's `attested_metadata` may list.
pub const ATTESTABLE: [&str; 6] = [
    "client_name",
    "client_uri",
    "logo_uri",
    "redirect_uris",
    "scope",
    "grant_types",
];

/// The metadata of `identity`'s client under the rule that governs it.
pub fn resolve(identity: &AttestedIdentity, found: &Match<'_>) -> Result<ClientMetadata, Rejection> {
    let rule = found.rule;
    let label = |configured: &Option<String>, claim: &'static str| match configured {
        // Configured beats attested.
        Some(template) => Ok(pieces(template).ok().map(|pieces| fill(&pieces, &found.captures))),
        None => attested_text(identity, claim),
    };
    Ok(ClientMetadata {
        client_name: label(&rule.client_name, "client_name")?,
        client_uri: label(&rule.client_uri, "client_uri")?,
        logo_uri: label(&rule.logo_uri, "logo_uri")?,
        redirect_uris: redirect_uris(identity, found)?,
        scope: attested_scope(identity)?.map(|scope| scope.to_string()),
        grant_types: attested_list(identity, "grant_types")?,
        ..ClientMetadata::default()
    })
}

/// The attested ceiling on scope, where there is one. It lowers the rule's, never raises it.
pub fn attested_scope(identity: &AttestedIdentity) -> Result<Option<ScopeSet>, Rejection> {
    let malformed = |_| Rejection::AttestedClaimMalformed { claim: "scope" };
    attested_text(identity, "scope")?
        .map(|text| ScopeSet::parse(&text).map_err(malformed))
        .transpose()
}

/// Attested grant types, where the authority states them.
pub fn attested_grant_types(identity: &AttestedIdentity) -> Result<Option<Vec<String>>, Rejection> {
    attested_list(identity, "grant_types")
}

/// Those of the rule, derived; where the rule has none, those that the authority attests.
///
/// A template that an identity cannot fill (a service named `x.y` in a host) yields no redirect URI: the
/// redirecting flows refuse what is not registered, and a client that never redirects misses nothing.
pub(super) fn redirect_uris(
    identity: &AttestedIdentity,
    found: &Match<'_>,
) -> Result<Vec<String>, Rejection> {
    if found.rule.redirect_uris.is_empty() {
        return Ok(attested_list(identity, "redirect_uris")?.unwrap_or_default());
    }
    Ok(found
        .rule
        .redirect_uris
        .iter()
        .filter_map(|template| template.derive(&found.captures).ok())
        .collect())
}

pub(super) fn attested_text(
    identity: &AttestedIdentity,
    claim: &'static str,
) -> Result<Option<String>, Rejection> {
    match identity.attested_claims.get(claim) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= IDENTIFIER_BYTES_MAX => Ok(Some(text.clone())),
        Some(_) => Err(Rejection::AttestedClaimMalformed { claim }),
    }
}

pub(super) fn attested_list(
    identity: &AttestedIdentity,
    claim: &'static str,
) -> Result<Option<Vec<String>>, Rejection> {
    let malformed = Rejection::AttestedClaimMalformed { claim };
    let Some(value) = identity.attested_claims.get(claim) else {
        return Ok(None);
    };
    let items = value
        .as_array()
        .filter(|items| items.len() <= 32)
        .ok_or_else(|| malformed.clone())?;
    let text = |item: &Value| {
        item.as_str()
            .filter(|text| text.len() <= IDENTIFIER_BYTES_MAX)
            .map(str::to_owned)
    };
    items
        .iter()
        .map(text)
        .collect::<Option<Vec<_>>>()
        .map(Some)
        .ok_or(malformed)
}

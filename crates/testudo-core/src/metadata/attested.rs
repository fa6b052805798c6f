//! Client metadata that an attester states: limits, which it can only reduce, and labels.
//!
//! Only claims that the configuration allows the authority to state are read
//! ([`Proof::attested_claims`](crate::identity::Proof::attested_claims)); other claims have no effect.

use super::narrowing::{CODE, CODE_GRANT};
use super::requested::RequestedMetadata;
use crate::identity::AttestedIdentity;
use crate::rejection::{AdmissionReason, MetadataReason, Rejection};
use serde_json::Value;
use testudo_protocol::limits::IDENTIFIER_BYTES_MAX;
use testudo_protocol::oauth::{ScopeSet, redirect_uri};

/// Reads the metadata that the authority states, by the same rules as that of a client. A malformed claim is refused
/// and not ignored, so that the operator of the attester notices it.
pub(crate) fn attested(identity: &AttestedIdentity) -> Result<RequestedMetadata, Rejection> {
    if identity.proof.attested_claims.is_empty() {
        return Ok(RequestedMetadata::default());
    }
    let claims = identity.proof.attested_claims.clone().into_iter().collect();
    let attested = RequestedMetadata::of(&claims).map_err(AdmissionReason::AttestedClaimMalformed)?;
    let uris = attested.redirect_uris.as_deref().unwrap_or_default();
    if let Some(fault) = uris.iter().find_map(|uri| redirect_uri::form(uri).err()) {
        let reason = MetadataReason::RedirectUri(fault);
        return Err(AdmissionReason::AttestedClaimMalformed(reason).into());
    }
    Ok(attested)
}

/// The attested limit of the scope, if there is one. It can only reduce the scope of the rule.
pub fn attested_scope(identity: &AttestedIdentity) -> Result<Option<ScopeSet>, Rejection> {
    let malformed = malformed(MetadataReason::ScopeMalformed);
    match identity.proof.attested_claims.get("scope") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= IDENTIFIER_BYTES_MAX => {
            ScopeSet::parse(text).map(Some).map_err(|_| malformed)
        }
        Some(_) => Err(malformed),
    }
}

/// True if the authority states no grant types, or this one among them. Without the response type `code`, no grant with
/// a redirect is left.
pub fn attester_allows_grant(identity: &AttestedIdentity, grant: &str) -> Result<bool, Rejection> {
    let lists = |member: &'static str| attested_list(identity, member);
    let is_listed = lists("grant_types")?.is_none_or(|types| types.contains(&grant));
    let is_left = lists("response_types")?.is_none_or(|types| types.contains(&CODE) || grant != CODE_GRANT);
    Ok(is_listed && is_left)
}

/// What the authority demands of the client's tokens and requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AttestedDemands {
    /// Tokens must be bound to the key of a DPoP proof.
    pub(crate) dpop_bound_access_tokens: bool,
    /// Tokens must be bound to the client's certificate.
    pub(crate) must_bind_tokens: bool,
}

/// The attested demands on tokens.
pub(crate) fn attested_demands(identity: &AttestedIdentity) -> Result<AttestedDemands, Rejection> {
    if identity.proof.attested_claims.is_empty() {
        return Ok(AttestedDemands::default());
    }
    let flag = |member: &'static str| match identity.proof.attested_claims.get(member) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(malformed(MetadataReason::NotABoolean { member })),
    };
    Ok(AttestedDemands {
        dpop_bound_access_tokens: flag("dpop_bound_access_tokens")?,
        must_bind_tokens: flag("tls_client_certificate_bound_access_tokens")?,
    })
}

fn attested_list<'i>(
    identity: &'i AttestedIdentity,
    member: &'static str,
) -> Result<Option<Vec<&'i str>>, Rejection> {
    let refused = || malformed(MetadataReason::NotAListOfStrings { member });
    let stated = identity.proof.attested_claims.get(member);
    let Some(value) = stated.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let items = value
        .as_array()
        .filter(|items| items.len() <= 32)
        .ok_or_else(refused)?;
    let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
    texts.map(Some).ok_or_else(refused)
}

fn malformed(reason: MetadataReason) -> Rejection {
    AdmissionReason::AttestedClaimMalformed(reason).into()
}

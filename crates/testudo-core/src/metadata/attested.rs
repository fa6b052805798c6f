//! Client metadata that an attester states: limits, which it can only reduce, and labels.
//!
//! Only claims that the configuration allows the authority to state are read
//! ([`Proof::attested_claims`](crate::identity::Proof::attested_claims)); other claims have no effect.

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
    let malformed = Rejection::from(AdmissionReason::AttestedClaimMalformed(
        MetadataReason::ScopeMalformed,
    ));
    match identity.proof.attested_claims.get("scope") {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= IDENTIFIER_BYTES_MAX => {
            ScopeSet::parse(text).map(Some).map_err(|_| malformed)
        }
        Some(_) => Err(malformed),
    }
}

/// The attested grant types, if the authority states them.
pub fn attested_grant_types(identity: &AttestedIdentity) -> Result<Option<Vec<String>>, Rejection> {
    let malformed = Rejection::from(AdmissionReason::AttestedClaimMalformed(
        MetadataReason::NotAListOfStrings {
            member: "grant_types",
        },
    ));
    let Some(value) = identity.proof.attested_claims.get("grant_types") else {
        return Ok(None);
    };
    let items = value
        .as_array()
        .filter(|items| items.len() <= 32)
        .ok_or_else(|| malformed.clone())?;
    let texts: Option<Vec<String>> = items
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect();
    texts.map(Some).ok_or(malformed)
}

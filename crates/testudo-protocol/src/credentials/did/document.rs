//! DID documents: the keys of one verification relationship. [DID-CORE §5]
//!
//! A document is read as plain JSON. Only keys that a relationship lists have a meaning, and only those that the DID
//! itself controls. [DID-CORE §5.3]

use super::{Did, DidError};
use crate::jose::{Jwk, KeySet, PublicKey};
use crate::json;
use crate::limits::{DID_DOCUMENT_BYTES_MAX, DID_DOCUMENT_KEYS_MAX};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relationship {
    /// To sign credentials: `assertionMethod`. [DID-CORE §5.3.2]
    Assertion,
    /// To prove that the holder presents a credential: `authentication`. [DID-CORE §5.3.1]
    Authentication,
}

impl Relationship {
    fn member(self) -> &'static str {
        match self {
            Relationship::Assertion => "assertionMethod",
            Relationship::Authentication => "authentication",
        }
    }
}

/// The keys that the document of `did` lists for this relationship, each with its absolute `id` as `kid`. A key that
/// cannot be used is left out; a private key refuses the whole document.
pub fn keys(did: &Did, document: &[u8], relationship: Relationship) -> Result<KeySet, DidError> {
    let problem = |text: &str| DidError::Document(text.to_owned());
    if document.len() > DID_DOCUMENT_BYTES_MAX {
        return Err(problem("it is larger than 64 KiB"));
    }
    let document: Map<String, Value> =
        json::from_slice(document).map_err(|error| DidError::Document(error.to_string()))?;
    if document.get("id").and_then(Value::as_str) != Some(did.as_str()) {
        return Err(DidError::OtherId);
    }
    let listed = methods(&document, "verificationMethod")?;
    let related = methods(&document, relationship.member())?;
    if listed.len() + related.len() > DID_DOCUMENT_KEYS_MAX {
        return Err(problem("it has more than 50 verification methods"));
    }
    let embedded = ["assertionMethod", "authentication", "keyAgreement"];
    let embedded = embedded
        .iter()
        .filter_map(|name| methods(&document, name).ok())
        .flatten();
    for method in listed.iter().copied().chain(embedded) {
        let jwk = method.get("publicKeyJwk");
        if jwk.is_some_and(Jwk::names_private_material) {
            return Err(problem("it contains a private key"));
        }
    }
    let absolute = |id: &str| match id.starts_with('#') {
        true => format!("{did}{id}"),
        false => id.to_owned(),
    };
    let id_of = |method: &Value| method.get("id").and_then(Value::as_str).map(absolute);
    let mut ids = HashSet::new();
    let mut listed_ids = listed.iter().filter_map(|method| id_of(method));
    if !listed_ids.all(|id| ids.insert(id)) {
        return Err(problem("two verification methods have the same id"));
    }
    let mut keys = KeySet::default();
    for entry in related {
        // A reference, or a method that counts for this relationship only. [DID-CORE §5.2.2]
        let method = match entry.as_str() {
            Some(reference) => {
                let wanted = absolute(reference);
                listed
                    .iter()
                    .copied()
                    .find(|method| id_of(method).as_ref() == Some(&wanted))
            }
            None => Some(entry),
        };
        if let Some(key) = method.and_then(|method| key(did, method, id_of(method)?)) {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// The entries of a member that is an array; none where the member is missing.
fn methods<'d>(document: &'d Map<String, Value>, member: &str) -> Result<Vec<&'d Value>, DidError> {
    match document.get(member) {
        None => Ok(Vec::new()),
        Some(Value::Array(entries)) => Ok(entries.iter().collect()),
        Some(_) => Err(DidError::Document(format!("{member} must be an array"))),
    }
}

/// The key of a verification method that this DID controls, in exactly one supported form. [DID-CORE §5.2]
fn key(did: &Did, method: &Value, id: String) -> Option<PublicKey> {
    let text = |name: &str| method.get(name).and_then(Value::as_str);
    let (owner, fragment) = super::split_key_id(&id)?;
    if owner != did.as_str() || fragment.is_empty() || text("controller") != Some(did.as_str()) {
        return None;
    }
    let materials = [
        "publicKeyJwk",
        "publicKeyMultibase",
        "publicKeyBase58",
        "publicKeyPem",
    ];
    let materials = materials.iter().filter(|name| method.get(name).is_some()).count();
    let jwk = match (materials, text("type")?) {
        (1, "JsonWebKey" | "JsonWebKey2020") => method.get("publicKeyJwk")?.clone(),
        (1, "Multikey" | "Ed25519VerificationKey2020") => {
            super::key::jwk(text("publicKeyMultibase")?).ok()?
        }
        _ => return None,
    };
    super::with_kid(jwk, &id)
}

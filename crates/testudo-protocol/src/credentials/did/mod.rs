//! Decentralized identifiers of the methods `web`, `key` and `jwk`. [DID-CORE §3]
//!
//! Two spellings of one key are two identities: a DID is compared as text, and where a method would accept several
//! spellings, all but one are refused.

pub mod document;
mod error;
mod jwk;
mod key;
mod web;

pub use error::DidError;

use crate::jose::{Jwk, PublicKey};
use crate::limits::DID_BYTES_MAX;
use serde_json::Value;
use std::fmt;

/// A DID of a supported method, without path, query and fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Did(Box<str>);

impl Did {
    /// Parses a DID, with the part whose form its method defines: the key of `did:key` and `did:jwk`, the host of
    /// `did:web`. [DID-CORE §3.1]
    pub fn parse(text: &str) -> Result<Did, DidError> {
        if text.len() > DID_BYTES_MAX {
            return Err(DidError::TooLong);
        }
        let rest = text.strip_prefix("did:").ok_or(DidError::NotADid)?;
        let (method, specific) = rest.split_once(':').ok_or(DidError::NotADid)?;
        if !method
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            || method.is_empty()
        {
            return Err(DidError::NotADid);
        }
        if !is_specific_id(specific) {
            return Err(DidError::NotADid);
        }
        match method {
            "key" => key::jwk(specific).map(|_| ())?,
            "jwk" => jwk::jwk(specific).map(|_| ())?,
            "web" => web::url(specific).map(|_| ())?,
            _ => return Err(DidError::UnknownMethod),
        }
        Ok(Did(text.into()))
    }

    /// The DID, byte for byte.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn method(&self) -> (&str, &str) {
        let rest = self.0.strip_prefix("did:").unwrap_or_default();
        rest.split_once(':').unwrap_or_default()
    }

    /// The key of a `did:key` or `did:jwk`, with the key id that a credential must name; `None` for `did:web`, whose keys
    /// are in its document.
    pub fn own_key(&self) -> Option<OwnKey> {
        let (method, specific) = self.method();
        let (jwk, fragment) = match method {
            "key" => (key::jwk(specific).ok()?, specific),
            "jwk" => (jwk::jwk(specific).ok()?, "0"),
            _ => return None,
        };
        let kid = format!("{self}#{fragment}");
        Some(OwnKey { kid, jwk })
    }

    /// Where the document of a `did:web` is; `None` for other methods. [DID-WEB]
    pub fn document_url(&self) -> Option<String> {
        match self.method() {
            ("web", specific) => web::url(specific).ok(),
            _ => None,
        }
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key that a DID contains.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnKey {
    /// The only `kid` with which it may be named.
    pub kid: String,
    jwk: Value,
}

impl OwnKey {
    /// The key as a JWK, without the `kid` that names it.
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// The public key, with [`OwnKey::kid`] as its `kid`.
    pub fn public_key(&self) -> Option<PublicKey> {
        with_kid(self.jwk.clone(), &self.kid)
    }
}

/// The public key in a JWK, with this `kid` in the place of its own.
fn with_kid(mut jwk: Value, kid: &str) -> Option<PublicKey> {
    jwk.as_object_mut()?.insert("kid".to_owned(), Value::from(kid));
    PublicKey::from_client_jwk(&serde_json::from_value::<Jwk>(jwk).ok()?).ok()
}

/// Segments of letters, digits, `.`, `-`, `_` and percent-encoded bytes; the last one is not empty. [DID-CORE §3.1]
fn is_specific_id(text: &str) -> bool {
    !text.is_empty() && !text.ends_with(':') && text.split(':').all(is_segment)
}

fn is_segment(segment: &str) -> bool {
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        let is_good = match byte {
            b'%' => [rest.next(), rest.next()]
                .iter()
                .all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit())),
            b'.' | b'-' | b'_' => true,
            other => other.is_ascii_alphanumeric(),
        };
        if !is_good {
            return false;
        }
    }
    true
}

/// The DID and the fragment of a `kid`: a DID URL without path and query. [DID-CORE §3.2]
pub fn split_key_id(kid: &str) -> Option<(&str, &str)> {
    let (did, fragment) = kid.split_once('#')?;
    let is_plain = did.starts_with("did:") && !did.contains(['/', '?']) && !fragment.is_empty();
    (is_plain && !fragment.contains('#')).then_some((did, fragment))
}

#[cfg(test)]
mod tests;

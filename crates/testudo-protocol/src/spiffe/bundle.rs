//! SPIFFE bundle documents: a JWK Set with the keys that sign the SVIDs of a trust domain. [SPIFFE-BUNDLE §4]
//!
//! The document does not contain the name of its trust domain: the code that fetches it knows the name and keeps both
//! together [SPIFFE-BUNDLE §3].

use super::x509::X509Authorities;
use crate::jose::{Jwk, KeySet, PublicKey};
use crate::json::{self, JsonError};
use crate::limits::{BUNDLE_BYTES_MAX, BUNDLE_KEYS_MAX};
use crate::time::Seconds;
use base64::Engine as _;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// `spiffe_sequence`: grows with every change of a bundle. [SPIFFE-BUNDLE §4.1.1]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

/// A bundle that passed the checks. Keys of different uses are kept apart. [SPIFFE-BUNDLE §4.2.2]
#[derive(Debug)]
pub struct Bundle {
    /// `spiffe_sequence`, if the document has it.
    pub sequence: Option<Sequence>,
    /// `spiffe_refresh_hint`, limited to 60 s to 24 h.
    pub refresh_hint: Option<Seconds>,
    /// Keys that sign JWT-SVIDs. Empty means: no JWT-SVID of this domain is valid. [JWT-SVID §6.2]
    pub jwt_keys: KeySet,
    /// Keys that sign WIT-SVIDs. Empty means: no WIT-SVID of this domain is valid. [WIT-SVID §6.1]
    pub wit_keys: KeySet,
    /// Certificates that sign X.509-SVIDs. Empty means: no X.509-SVID of this domain is valid.
    pub x509_authorities: X509Authorities,
    /// JWKs that were ignored, with the reason, for `doctor` and logs.
    pub ignored: Vec<String>,
    /// How many of them have no `use`, or one of another protocol: an OpenID Connect key set has no others.
    pub of_other_protocols: usize,
}

/// Of a `use` that is not known, as much as a reader needs to know which it is.
const USE_SHOWN_MAX: usize = 20;

/// Why a whole document is refused. The bundle that was loaded before stays in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleError {
    /// More than 1 MiB.
    TooLarge,
    /// PEM: certificates or a key, and no document.
    Pem,
    /// Not a JSON object of the right form, or `keys` is missing.
    Malformed(JsonError),
    /// More than 1,000 keys.
    TooManyKeys,
    /// A JWK contains private or symmetric key material.
    PrivateKey,
    /// Two different keys with the use `jwt-svid` or `wit-svid` have the same `kid`.
    DuplicateKeyId(String),
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BundleError::TooLarge => write!(f, "the bundle is larger than {BUNDLE_BYTES_MAX} bytes"),
            BundleError::Pem => f.write_str(
                "the bundle is PEM and not a SPIFFE bundle document: expected JSON with the member `keys`, as \
                 `spire-server bundle show -format spiffe` prints it",
            ),
            BundleError::Malformed(fault) => write!(
                f,
                "the bundle is not a SPIFFE bundle document ({fault}): expected JSON with the member `keys`, as \
                 `spire-server bundle show -format spiffe` prints it"
            ),
            BundleError::TooManyKeys => write!(f, "the bundle has more than {BUNDLE_KEYS_MAX} keys"),
            BundleError::PrivateKey => f.write_str("the bundle contains private key material"),
            BundleError::DuplicateKeyId(kid) => {
                write!(f, "two different keys of the bundle have the kid {kid:?}")
            }
        }
    }
}

#[derive(Deserialize)]
struct Document {
    // [SPIFFE-BUNDLE §4.1.3] `keys` must exist; it may be empty.
    keys: Vec<serde_json::Value>,
    #[serde(default)]
    spiffe_sequence: Option<u64>,
    #[serde(default)]
    spiffe_refresh_hint: Option<i64>,
}

impl Bundle {
    /// Parses a bundle document.
    pub fn parse(bytes: &[u8]) -> Result<Bundle, BundleError> {
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLarge);
        }
        if bytes.trim_ascii_start().starts_with(b"-----BEGIN ") {
            return Err(BundleError::Pem);
        }
        let document: Document = json::from_slice(bytes).map_err(BundleError::Malformed)?;
        if document.keys.len() > BUNDLE_KEYS_MAX {
            return Err(BundleError::TooManyKeys);
        }
        let mut bundle = Bundle {
            sequence: document.spiffe_sequence.map(Sequence),
            // A hint of 0 must not cause a fetch without pause, and a very long hint must not stop the refresh.
            refresh_hint: document
                .spiffe_refresh_hint
                .map(|hint| Seconds(hint.clamp(60, 86_400))),
            jwt_keys: KeySet::default(),
            wit_keys: KeySet::default(),
            x509_authorities: X509Authorities::default(),
            ignored: Vec::new(),
            of_other_protocols: 0,
        };
        let mut known = Listed::default();
        for (position, value) in document.keys.into_iter().enumerate() {
            if let Err(skipped) = bundle.take(value, &mut known) {
                match skipped {
                    Skipped::Key(reason) => bundle.ignored.push(format!("key {position}: {reason}")),
                    Skipped::Document(fault) => return Err(fault),
                }
            }
        }
        Ok(bundle)
    }

    /// True if `keys` of the document is empty, which means that no SVID of the trust domain is valid. [JWT-SVID §6.2]
    pub fn is_empty_document(&self) -> bool {
        self.jwt_keys.is_empty()
            && self.wit_keys.is_empty()
            && self.x509_authorities.is_empty()
            && self.ignored.is_empty()
    }

    /// [SPIFFE-BUNDLE §4.2] A JWK with an unknown or missing `use` or an unknown `kty` is ignored; the other keys are
    /// used.
    fn take(&mut self, value: serde_json::Value, known: &mut Listed) -> Result<(), Skipped> {
        // A private key in a published document is a leak, for any `use`.
        if Jwk::names_private_material(&value) {
            return Err(Skipped::Document(BundleError::PrivateKey));
        }
        // Keys with another `use` are ignored: the same file may contain an OIDC key set, with the same keys and the
        // same ids.
        let usage = match value.get("use").and_then(serde_json::Value::as_str) {
            Some("jwt-svid") => KeyUse::Jwt,
            Some("wit-svid") => KeyUse::Wit,
            Some("x509-svid") => KeyUse::X509,
            other => {
                self.of_other_protocols += 1;
                let has = other.map_or("no use".to_owned(), |other| {
                    let shown: String = other.chars().take(USE_SHOWN_MAX).collect();
                    format!("the use {shown:?}")
                });
                return Err(
                    format!("{has}: keys of a SPIFFE bundle have jwt-svid, wit-svid or x509-svid").into(),
                );
            }
        };
        let jwk: Jwk = serde_json::from_value(value).map_err(|error| error.to_string())?;
        match usage {
            KeyUse::X509 => {
                let der = certificate(&jwk)?;
                if known.certificates.insert(der.clone()) {
                    self.x509_authorities
                        .push(&der)
                        .map_err(|fault| fault.to_string())?;
                }
            }
            KeyUse::Jwt => {
                // [JWT-SVID §6.1] `kid` is required.
                let kid = jwk.kid.as_deref().ok_or("a jwt-svid key has no kid")?;
                let key = PublicKey::from_jwk(&jwk).map_err(|fault| fault.to_string())?;
                known.agrees(kid, &jwk)?;
                if !self.jwt_keys.has_kid(kid) {
                    self.jwt_keys.push(key);
                }
            }
            KeyUse::Wit => {
                // [WIT-SVID §6.1] `kid` is unique over the keys of both uses.
                let kid = jwk.kid.as_deref().ok_or("a wit-svid key has no kid")?;
                let key = PublicKey::from_jwk(&jwk).map_err(|fault| fault.to_string())?;
                known.agrees(kid, &jwk)?;
                if !self.wit_keys.has_kid(kid) {
                    self.wit_keys.push(key);
                }
            }
        }
        Ok(())
    }
}

/// The values of `use` that SPIFFE defines. [SPIFFE-BUNDLE §4.2.2]
#[derive(Clone, Copy)]
enum KeyUse {
    Jwt,
    Wit,
    X509,
}

/// What is refused: one JWK, or the whole document.
enum Skipped {
    Key(String),
    Document(BundleError),
}

impl From<String> for Skipped {
    fn from(reason: String) -> Skipped {
        Skipped::Key(reason)
    }
}

impl From<&str> for Skipped {
    fn from(reason: &str) -> Skipped {
        Skipped::Key(reason.to_owned())
    }
}

/// The keys of the document that were read so far.
#[derive(Default)]
struct Listed {
    by_kid: HashMap<String, Material>,
    certificates: HashSet<Vec<u8>>,
}

impl Listed {
    /// The same key may be listed again under its `kid`, in either use. A different key with the same `kid` is refused:
    /// it would be undefined which of the two verifies a signature.
    fn agrees(&mut self, kid: &str, jwk: &Jwk) -> Result<(), Skipped> {
        let material = Material::of(jwk);
        match self.by_kid.get(kid) {
            Some(known) if *known == material => Ok(()),
            Some(_) => Err(Skipped::Document(BundleError::DuplicateKeyId(kid.to_owned()))),
            None => {
                self.by_kid.insert(kid.to_owned(), material);
                Ok(())
            }
        }
    }
}

/// The decoded members that identify a key: two encodings of one number are the same key.
#[derive(PartialEq, Eq)]
struct Material {
    names: [Option<String>; 2],
    numbers: [Vec<u8>; 4],
}

impl Material {
    fn of(jwk: &Jwk) -> Material {
        let number = |member: &Option<String>| {
            let bytes = member
                .as_deref()
                .and_then(|text| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok())
                .unwrap_or_default();
            bytes.into_iter().skip_while(|byte| *byte == 0).collect()
        };
        Material {
            names: [jwk.kty.clone(), jwk.crv.clone()],
            numbers: [&jwk.x, &jwk.y, &jwk.n, &jwk.e].map(number),
        }
    }
}

/// [X509-SVID §6.2] The first `x5c` value is the certificate; further ones are ignored.
fn certificate(jwk: &Jwk) -> Result<Vec<u8>, String> {
    let first = jwk
        .x5c
        .as_ref()
        .and_then(|list| list.first())
        .ok_or("an x509-svid key has no x5c")?;
    base64::engine::general_purpose::STANDARD
        .decode(first)
        .map_err(|_| "x5c is not base64 DER".into())
}

#[cfg(test)]
mod tests;

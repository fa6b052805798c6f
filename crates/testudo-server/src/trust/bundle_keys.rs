//! The keys of an authority, each with what an administrator compares with its publisher.

use super::accepted_keys::thumbprint;
use super::anchor::{Anchor, locked};
use serde::Serialize;
use testudo_core::doors::AuthorityKeys;
use testudo_core::records::Rfc3339;
use testudo_protocol::jose::Algorithm;

/// A key of an authority, as `testudo trust show` prints it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct KeyStatus {
    /// `jwt-svid`, `wit-svid` or `x509-svid` of a bundle, `sig` of a JWK Set, `x5c` of an authority that certifies an issuer
    /// of credentials.
    pub r#use: &'static str,
    /// Its key id; a certificate has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The algorithms that it can verify.
    pub algorithms: Vec<&'static str>,
    /// Of a key that signs tokens the JWK thumbprint (RFC 7638) in base64url, of a certificate its SHA-256 in hexadecimal.
    pub thumbprint: String,
    /// When this server first saw the key in a bundle of this authority, in RFC 3339. A key that left and came back has
    /// its first time.
    #[schemars(with = "Option<Rfc3339>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
}

impl Anchor {
    /// The keys in memory.
    pub(super) fn keys(&self) -> Vec<KeyStatus> {
        let held = self.kept.held();
        let first_seen = locked(&self.first_seen);
        let mut keys = held.map(|held| keys(&held.value.keys)).unwrap_or_default();
        for key in &mut keys {
            key.first_seen = first_seen.of(&key.thumbprint).map(|time| time.to_string());
        }
        keys
    }
}

fn keys(keys: &AuthorityKeys) -> Vec<KeyStatus> {
    let key = |r#use, kid: Option<&str>, algorithms: Vec<Algorithm>, thumbprint| KeyStatus {
        r#use,
        kid: kid.map(str::to_owned),
        algorithms: algorithms.iter().map(|algorithm| algorithm.name()).collect(),
        thumbprint,
        first_seen: None,
    };
    let signing_keys = keys.signing_keys().map(|(r#use, known)| {
        key(
            r#use,
            known.kid(),
            known.algorithms().collect(),
            thumbprint(known),
        )
    });
    let certificates = keys.x509_authorities().map(|known| {
        let thumbprint = hex::encode(known.thumbprint());
        key("x509-svid", None, known.algorithms().to_vec(), thumbprint)
    });
    let issuer_authorities = keys.issuer_authorities().map(|known| {
        let thumbprint = hex::encode(known.thumbprint);
        key("x5c", None, known.algorithms.clone(), thumbprint)
    });
    signing_keys
        .chain(certificates)
        .chain(issuer_authorities)
        .collect()
}

//! The X.509 authorities of a bundle or of an issuer of credentials, with their validity. Outside of its validity, an X.509 authority is not used.

use super::anchor::Anchor;
use serde::Serialize;
use testudo_core::doors::AuthorityKeys;
use testudo_protocol::Timestamp;

/// An X.509 authority, as `testudo trust show` prints it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct AuthorityStatus {
    /// SHA-256 of the certificate, in hexadecimal.
    pub thumbprint: String,
    /// First second of its validity.
    pub valid_from: String,
    /// Last second of its validity.
    pub valid_until: String,
    /// `valid`, `ended` or `not yet valid`. Certificates are verified with valid ones only.
    pub state: &'static str,
}

/// The X.509 authorities among the keys, with their state at `now`. A key set has none.
pub(crate) fn authorities(keys: &AuthorityKeys, now: Timestamp) -> Vec<AuthorityStatus> {
    let of_bundle = keys
        .x509_authorities()
        .map(|known| (known.thumbprint(), known.valid_from(), known.valid_until()));
    let of_issuer = keys.issuer_authorities().map(|known| {
        let validity = known.validity;
        (known.thumbprint, validity.not_before, validity.not_after)
    });
    of_bundle
        .chain(of_issuer)
        .map(|(thumbprint, from, until)| AuthorityStatus {
            thumbprint: hex::encode(thumbprint),
            valid_from: from.to_string(),
            valid_until: until.to_string(),
            state: match from <= now && now <= until {
                true => "valid",
                false if now < from => "not yet valid",
                false => "ended",
            },
        })
        .collect()
}

impl Anchor {
    /// The X.509 authorities of the bundle in memory.
    pub fn x509_authorities(&self, now: Timestamp) -> Vec<AuthorityStatus> {
        self.kept
            .held()
            .map(|held| authorities(&held.value.keys, now))
            .unwrap_or_default()
    }
}

//! The X.509 authorities of a bundle, with their validity. Outside of its validity, an X.509 authority is not used.

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

/// The X.509 authorities of a bundle, with their state at `now`. A key set has none.
pub(crate) fn authorities(keys: &AuthorityKeys, now: Timestamp) -> Vec<AuthorityStatus> {
    keys.x509_authorities()
        .map(|authority| AuthorityStatus {
            thumbprint: hex::encode(authority.thumbprint()),
            valid_from: authority.valid_from().to_string(),
            valid_until: authority.valid_until().to_string(),
            state: match authority.is_valid(now) {
                true => "valid",
                false if now < authority.valid_from() => "not yet valid",
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

//! The client that a record of a person is for, and what the client must prove to use it.

use super::client_key;
use serde::{Deserialize, Serialize};
use testudo_protocol::oauth::authorization::KeyThumbprint;

/// The client that a code, a grant or a consent is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedClient {
    /// Key of the client's authority.
    pub authority: String,
    /// The client's subject within that authority.
    pub subject: String,
    /// Its `client_id`.
    pub client_id: String,
    /// The generation of the client's record. Absent: the client had none, and must register when it redeems the code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub generation: Option<u32>,
}

impl GrantedClient {
    /// The key of the record of the client.
    pub fn key(&self) -> Vec<u8> {
        client_key(&self.authority, &self.subject)
    }

    /// True if the key is that of the record of this client.
    pub fn has_key(&self, key: &[u8]) -> bool {
        let (authority, subject) = (self.authority.as_bytes(), self.subject.as_bytes());
        let rest = key
            .strip_prefix(authority)
            .and_then(|rest| rest.strip_prefix(&[0]));
        rest == Some(subject)
    }
}

/// What a client must prove, besides its identity, to redeem a code or a refresh token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundTo {
    /// The key of a DPoP proof. [RFC9449 §5] [RFC9449 §10]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dpop_key: Option<KeyThumbprint>,
    /// The certificate with this SHA-256. [RFC8705 §7.1]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certificate: Option<KeyThumbprint>,
    /// The attested key of the instance. [ABCA §10.3]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instance_key: Option<KeyThumbprint>,
}

impl BoundTo {
    /// True if a key or a certificate must be proven.
    pub fn binds(&self) -> bool {
        *self != BoundTo::default()
    }
}

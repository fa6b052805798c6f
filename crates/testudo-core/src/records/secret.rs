//! Secrets of the server. They are encrypted under the key-encryption key before they become records.

use super::Kind;
use super::record::{Announced, Held, Record};
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;

/// A stored signing key. `wrapped` is PKCS #8, encrypted with AES-256-GCM, in base64; see the `keys` module of the
/// server. The other fields are used only if the encrypted list of keys has the same values.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSigningKey {
    /// The key's id, which tokens name as `kid`.
    pub kid: String,
    /// The JOSE name of its algorithm, such as `ES256`.
    pub algorithm: String,
    /// When it was created, in seconds since the epoch.
    pub created: Timestamp,
    /// When it begins to sign. It is published from its creation on, so that resource servers have it before the first
    /// token that it signs.
    pub active_from: Timestamp,
    /// The private key, encrypted under the key-encryption key.
    pub wrapped: String,
}

impl Record for StoredSigningKey {
    const KIND: Kind = Kind::SigningKey;
    const ANNOUNCED: Announced = Announced::Always(Held::Keys);
    fn key(&self) -> Vec<u8> {
        self.kid.as_bytes().to_vec()
    }
}

/// The withdrawal of a signing key: a key with this id is neither published nor accepted, nor used to sign, even if its
/// row exists again after a backup was restored. The record is kept permanently: withdrawals are rare and the record is
/// small.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawnKey {
    /// The key's id, which tokens name as `kid`.
    pub kid: String,
    /// When it was withdrawn, in seconds since the epoch.
    pub at: Timestamp,
    /// The reason that the administrator gave.
    pub reason: Option<String>,
}

impl Record for WithdrawnKey {
    const KIND: Kind = Kind::WithdrawnKey;
    const ANNOUNCED: Announced = Announced::Always(Held::Keys);
    fn key(&self) -> Vec<u8> {
        self.kid.as_bytes().to_vec()
    }
}

/// A secret that all nodes share, such as the key of opaque client ids.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSecret {
    /// What the secret is used for; the key of the record.
    pub purpose: String,
    /// The secret, encrypted under the key-encryption key.
    pub wrapped: String,
}

impl Record for ServerSecret {
    const KIND: Kind = Kind::ServerSecret;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.purpose.as_bytes().to_vec()
    }
}

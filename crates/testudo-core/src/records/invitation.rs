//! An invitation to create an account, or to recover one.

use super::Kind;
use super::record::{Announced, Record};
use crate::people::{PersonId, SecretDigest};
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;

/// An invitation. It is deleted, at the version that was read, in the batch that writes the account, so it is used once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// SHA-256 of the secret in the link; the key of the record.
    pub digest: SecretDigest,
    /// The name that the account will have, or has.
    pub name: String,
    /// The groups that a new account gets.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub groups: Vec<String>,
    /// The account to recover; absent for a new account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub person: Option<PersonId>,
    /// The administrator who invited the person.
    pub by: String,
    /// When it ends.
    pub expires: Timestamp,
}

impl Record for Invitation {
    const KIND: Kind = Kind::Invitation;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.digest.key().to_vec()
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires)
    }
}

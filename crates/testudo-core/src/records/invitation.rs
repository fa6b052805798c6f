//! An invitation to create an account, or to recover one.

use super::Kind;
use super::record::{Announced, Record};
use crate::people::{PersonId, SecretDigest};
use serde::{Deserialize, Serialize};
use testudo_protocol::{Seconds, Timestamp, base64url};

/// An invitation. It is deleted, at the version that was read, in the batch that writes the account, so it is used once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// SHA-256 of the secret in the link; the key of the record.
    pub digest: SecretDigest,
    /// The name that a new account will have; of an account that is recovered, its name or else its `sub`.
    pub name: String,
    /// The groups that a new account gets.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub groups: Vec<String>,
    /// The account to recover, or the id that the new account will have: a person who begins twice makes passkeys for one
    /// account.
    pub person: PersonId,
    /// True if the account exists and is recovered: its sessions, passkeys and accounts at providers end.
    pub is_recovery: bool,
    /// `sessions_from` of the account if it was locked when the person was invited: this lock ends with the recovery. A later
    /// lock does not, because an administrator may have locked the account for this very link.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unlocks: Option<Timestamp>,
    /// The administrator who invited the person.
    pub by: String,
    /// When it ends.
    pub expires: Timestamp,
}

impl Invitation {
    /// How long an invitation can be used.
    pub const LIFETIME: Seconds = Seconds(86_400);

    /// The digest under which the invitation with this token is found. `None` if the text is no token, so that nothing is
    /// read from the store for it.
    pub fn digest_of(token: &str) -> Option<SecretDigest> {
        let bytes: Option<[u8; 32]> = base64url::parse(token);
        bytes.map(|_| SecretDigest::of(token))
    }

    /// A new token, which only the link contains, and its digest.
    pub fn make_token(random: &[u8; 32]) -> (String, SecretDigest) {
        let token = base64url::text(random);
        let digest = SecretDigest::of(&token);
        (token, digest)
    }
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

/// Which invitation for a new account has a name. Of two administrators who invite the same name at the same moment, at two
/// nodes, neither reads the invitation of the other one: both write this record, so one of them is decided again, and ends
/// the invitation of the other one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitedName {
    /// The name; the key of the record.
    pub name: String,
    /// The invitation.
    pub digest: SecretDigest,
    /// When the invitation ends.
    pub expires: Timestamp,
}

impl Record for InvitedName {
    const KIND: Kind = Kind::InvitedName;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.name.as_bytes().to_vec()
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires)
    }
}

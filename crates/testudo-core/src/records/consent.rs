//! What a person consented to for a client, so that the same is not asked again.

use super::Kind;
use super::granted_client::GrantedClient;
use super::record::{Announced, Record};
use crate::people::{PersonId, SecretDigest};
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::ScopeSet;

/// The last consent of a person for a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The person.
    pub person: PersonId,
    /// The client.
    pub client: GrantedClient,
    /// The scope values that the page listed.
    #[serde(skip_serializing_if = "ScopeSet::is_empty", default)]
    pub scope: ScopeSet,
    /// Digest of what the page showed. If anything of it changes, the person is asked again.
    pub shown: SecretDigest,
    /// When the person consented.
    pub given: Timestamp,
    /// When the authorization ends; absent if it has no end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<Timestamp>,
}

impl Consent {
    /// The key of the consent of this person for the client with this key. The consents of a person have consecutive keys.
    pub fn key_of(person: PersonId, client_key: &[u8]) -> Vec<u8> {
        [person.key().as_slice(), client_key].concat()
    }
}

impl Record for Consent {
    const KIND: Kind = Kind::Consent;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        Consent::key_of(self.person, &self.client.key())
    }
    fn expires(&self) -> Option<Timestamp> {
        self.until
    }
}

//! Steps 5 and 6 of admission: the stored client of an identity, and the checks that it must pass first.

use super::client_name::ClientName;
use super::governed::GovernedIdentity;
use crate::records::{Client, ClientState, Loaded, Needs, Removed, Versioned};
use crate::rejection::{AdmissionReason, Rejection};
use testudo_protocol::Timestamp;

/// The stored records of a client.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoredClient<'s> {
    /// The client.
    pub client: Option<&'s Versioned<Client>>,
    /// The history of a removed client with the same key.
    pub removed: Option<&'s Versioned<Removed>>,
}

impl<'s> StoredClient<'s> {
    /// The records to load: the client, or if there is none, the history of a removed client.
    pub(crate) fn needs<'n>(governed: &'n GovernedIdentity<'_>) -> Needs<'n> {
        StoredClient::needed(&governed.client_key)
    }

    /// The same records, by the key of the client.
    pub(crate) fn needed(client_key: &[u8]) -> Needs<'_> {
        Needs::one::<Client>(client_key).or_else::<Removed>()
    }

    /// The records that were found.
    pub(crate) fn of(governed: &GovernedIdentity<'_>, loaded: &'s Loaded<'_>) -> StoredClient<'s> {
        StoredClient {
            client: loaded.find(&governed.client_key),
            removed: loaded.find(&governed.client_key),
        }
    }

    /// The generation that a client has which is created now.
    pub(crate) fn next_generation(&self) -> u32 {
        let earlier = match (self.client, self.removed) {
            (Some(expired), _) => Some(expired.record.generation),
            (None, Some(removed)) => Some(removed.record.client.generation),
            (None, None) => None,
        };
        earlier.map_or(1, |generation| generation.saturating_add(1))
    }

    /// The client, unless its absolute lifetime has ended: then it counts as unknown.
    pub(crate) fn alive(&self, now: Timestamp) -> Option<&'s Versioned<Client>> {
        self.client.filter(|client| !client.record.is_expired(now))
    }
}

/// Step 5. [RFC7521 §4.2] `client_id` is optional; if sent, it must be the id of the client that the credential proves.
pub(crate) fn client_id_agrees(
    sent: Option<&str>,
    expected: &str,
    name: &ClientName,
) -> Result<(), Rejection> {
    let Some(sent) = sent.filter(|sent| !name.is_named(sent, expected)) else {
        return Ok(());
    };
    Err(Rejection::Admission(AdmissionReason::ClientIdMismatch {
        sent: sent.to_owned(),
        expected: expected.to_owned(),
    }))
}

/// Step 6.
pub(crate) fn is_not_frozen(client: &Client) -> Result<(), Rejection> {
    match client.state {
        ClientState::Active => Ok(()),
        ClientState::Frozen => Err(AdmissionReason::ClientFrozen {
            client_id: client.client_id.clone(),
        }
        .into()),
    }
}

//! Steps 5 and 6 of admission: what is known of the client that an identity is, and what it must pass first.

use crate::records::{Client, ClientState, Removed, Versioned};
use crate::rejection::{AdmissionReason, Rejection};

/// What the store knows of a client.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'k> {
    /// The client.
    pub client: Option<&'k Versioned<Client>>,
    /// Its earlier life.
    pub removed: Option<&'k Versioned<Removed>>,
}

/// Step 5. [RFC7521 §4.2] Optional; if sent, it names the client that the evidence proves.
pub(crate) fn client_id_agrees(sent: Option<&str>, expected: &str) -> Result<(), Rejection> {
    if sent.is_none_or(|sent| sent == expected) {
        return Ok(());
    }
    Err(Rejection::Admission(AdmissionReason::ClientIdMismatch {
        expected: expected.to_owned(),
    }))
}

/// Step 6.
pub(crate) fn is_not_frozen(client: &Client) -> Result<(), Rejection> {
    match client.state {
        ClientState::Active => Ok(()),
        ClientState::Frozen => Err(AdmissionReason::ClientFrozen.into()),
    }
}

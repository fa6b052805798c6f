//! The keys of a client that registered with keys of its own.

use crate::identity::Sponsor;
use crate::metadata::keys::key_set;
use crate::records::Client;
use std::sync::Arc;
use testudo_protocol::jose::{Algorithm, KeySet};

/// The keys of a client that registered, and what else its record says about its assertions.
#[derive(Debug)]
pub struct ClientKeys {
    /// Its public keys.
    pub keys: Arc<KeySet>,
    /// The one algorithm it named, if it did.
    pub only: Option<Algorithm>,
    /// The sponsor that registered it.
    pub sponsor: Option<Box<Sponsor>>,
}

impl ClientKeys {
    /// Those of a record; nothing for a client that has none in it.
    pub fn of(client: &Client) -> Option<ClientKeys> {
        let keys = key_set(client.metadata.jwks.as_ref()?).ok()?;
        ClientKeys::found(client, Arc::new(keys))
    }

    /// Keys that were found where the record says they are.
    pub fn found(client: &Client, keys: Arc<KeySet>) -> Option<ClientKeys> {
        let named = client.registration.as_ref()?.signing_algorithm.as_deref();
        let only = named.and_then(Algorithm::parse);
        if named.is_some() && only.is_none() {
            return None;
        }
        Some(ClientKeys {
            keys,
            only,
            sponsor: client.sponsor.clone(),
        })
    }
}

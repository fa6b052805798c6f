//! The keys of a client that registered its own keys.

use crate::identity::Sponsor;
use crate::metadata::keys::{certificates, key_set};
use crate::records::Client;
use std::sync::Arc;
use testudo_protocol::jose::{Algorithm, KeySet};

/// The keys of a registered client, and the values of its record that limit its assertions.
#[derive(Debug)]
pub struct ClientKeys {
    /// Its public keys.
    pub keys: Arc<KeySet>,
    /// SHA-256 of its certificates. [RFC8705 §2.2]
    pub certificates: Vec<[u8; 32]>,
    /// The only algorithm that is accepted, if the client registered one.
    pub only: Option<Algorithm>,
    /// The sponsor that registered it.
    pub sponsor: Option<Box<Sponsor>>,
}

impl ClientKeys {
    /// The keys in the record of the client; `None` if the record has none.
    pub fn of(client: &Client) -> Option<ClientKeys> {
        let keys = key_set(client.metadata.jwks.as_ref()?).ok()?;
        ClientKeys::found(client, Arc::new(keys))
    }

    /// Keys that were fetched from the `jwks_uri` of the record.
    pub fn found(client: &Client, keys: Arc<KeySet>) -> Option<ClientKeys> {
        let named = client.registration.as_ref()?.signing_algorithm.as_deref();
        let only = named.and_then(Algorithm::parse);
        if named.is_some() && only.is_none() {
            return None;
        }
        Some(ClientKeys {
            keys,
            certificates: client
                .metadata
                .jwks
                .as_ref()
                .map(certificates)
                .unwrap_or_default(),
            only,
            sponsor: client.sponsor.clone(),
        })
    }
}

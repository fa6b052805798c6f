//! The keys of a client that registered its own keys.

use crate::identity::{Authority, Sponsor};
use crate::metadata::keys::{certificates, key_set};
use crate::records::{Client, ClientCredential};
use std::sync::Arc;
use testudo_protocol::jose::{Algorithm, JoseError, Jws, KeySet};

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
    /// What is kept of the verifiable credential of the sponsor.
    pub sponsor_credential: Option<Box<ClientCredential>>,
    /// The authority of the client: an issuer, if it registered with a verifiable credential.
    pub authority: Authority,
    /// What is kept of that credential.
    pub credential: Option<Box<ClientCredential>>,
}

impl ClientKeys {
    /// The keys in the record of the client; `None` if the record has none.
    pub fn of(client: &Client) -> Option<ClientKeys> {
        let keys = key_set(client.metadata.jwks.as_ref()?).ok()?;
        ClientKeys::found(client, Arc::new(keys))
    }

    /// Verifies an assertion of the client. The key of a holder often has no `kid`, and is then the only one, whatever
    /// `kid` the client writes.
    pub(crate) fn verify(&self, jws: &Jws) -> Result<(), JoseError> {
        let mut keys = self.keys.iter();
        match (keys.next(), keys.next()) {
            (Some(only), None) if self.credential.is_some() && only.kid().is_none() => jws.verify_with(only),
            _ => jws.verify(&self.keys),
        }
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
            authority: Authority::of_key(&client.authority)?,
            credential: client.credential.clone(),
            sponsor: client.sponsor.clone(),
            sponsor_credential: client.sponsor_credential.clone(),
        })
    }
}

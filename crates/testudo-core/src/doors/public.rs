//! A public client: it has no credential, and names itself with `client_id`. [RFC6749 §2.1]
//!
//! Nothing proves who sends its requests, so they are accepted only of clients that the configuration or their own
//! registration says are public. What a person grants to such a client is protected by PKCE, by the redirect URI, and by
//! the consent page ([RFC8252 §8]), which are decided elsewhere.

use super::shared::facts::{Facts, Lookup, Terms};
use super::shared::presented::Presented;
use crate::identity::{AttestedIdentity, Authority, CredentialKind};
use crate::policy::ClientMethod;
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;

/// The name of a client that sent no credential.
pub struct PublicClient {
    unverified_client_id: String,
}

impl PublicClient {
    /// Takes the name.
    pub fn recognise(presented: &Presented) -> Result<PublicClient, Rejection> {
        Ok(PublicClient {
            unverified_client_id: presented.client_id()?.to_owned(),
        })
    }

    /// Configured clients are in the policy, so only registered clients are looked up.
    pub fn lookups(&self) -> Lookup<'_> {
        Lookup::Public {
            unverified_client_id: &self.unverified_client_id,
        }
    }

    /// Checks that the client is a public one. A client that has a credential must send it, and is refused like a client
    /// that does not exist.
    pub fn verify(
        self,
        facts: &Facts,
        terms: Terms<'_>,
        trace: &mut Trace,
    ) -> Result<AttestedIdentity, Rejection> {
        let client_id = &*self.unverified_client_id;
        let configured = terms.policy.clients.get(client_id);
        let (authority, sponsor) = match (configured.map(|client| &client.method), facts) {
            (Some(ClientMethod::Public), _) => (Authority::configuration(), None),
            (None, Facts::Public(sponsor)) => (Authority::registration(), sponsor.clone()),
            (Some(_), _) | (None, _) => return Err(CredentialReason::NoCredential.into()),
        };
        trace.passed("public client", || client_id.to_owned());
        Ok(AttestedIdentity {
            authority,
            ..AttestedIdentity::named_here(client_id, CredentialKind::Public, sponsor)
        })
    }
}

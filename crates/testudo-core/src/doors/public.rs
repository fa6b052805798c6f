//! A public client: it has no credential, and names itself with `client_id`. [RFC6749 §2.1]
//!
//! Nothing proves who sends its requests, so they are accepted only of clients that the configuration or their own
//! registration says are public. What a person grants to such a client is protected by PKCE, by the redirect URI, and by
//! the consent page ([RFC8252 §8]), which are decided elsewhere.
//!
//! A certificate of the connection does not prove who the client is: any program can create one. The tokens of a client
//! that asks for it are bound to it. [RFC8705 §4]

use super::shared::client_chain::with_certificate;
use super::shared::facts::{Facts, Lookup, Terms};
use super::shared::presented::Presented;
use crate::identity::{AttestedIdentity, Authority, CredentialKind};
use crate::policy::ClientMethod;
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;
use testudo_protocol::client_certificate::ClientChain;

/// The name of a client that sent no credential.
pub struct PublicClient {
    unverified_client_id: String,
    /// The certificate of the connection, if the client presented one. The handshake proved that it has the private key.
    /// The error states which limit it exceeds.
    certificate: Option<Result<ClientChain, String>>,
}

impl PublicClient {
    /// Takes the name, and checks the limits of the certificates.
    pub fn recognise(presented: &Presented) -> Result<PublicClient, Rejection> {
        let (client_id, chain) = presented.named_client()?;
        Ok(PublicClient {
            unverified_client_id: client_id.to_owned(),
            certificate: chain.map(|chain| ClientChain::new(chain).map_err(|why| why.to_string())),
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
            (None, Facts::Public(client)) => (Authority::registration(), client.sponsor.clone()),
            (Some(_), _) | (None, _) => return Err(CredentialReason::NoCredential.into()),
        };
        trace.passed("public client", || client_id.to_owned());
        let identity = AttestedIdentity {
            authority,
            ..AttestedIdentity::named_here(client_id, CredentialKind::Public, sponsor)
        };
        Ok(match &self.certificate {
            Some(chain) => {
                with_certificate(identity, chain.as_ref().map_err(String::clone), terms.now, trace)
            }
            None => identity,
        })
    }
}

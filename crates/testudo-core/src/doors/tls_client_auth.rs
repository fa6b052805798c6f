//! A certificate that an authority issued which is configured for the client. [RFC8705 §2.1]
//!
//! The TLS handshake proved that the client has the private key of the leaf. Only the authorities of the client that
//! `client_id` names validate the chain, and the leaf must have the one name that is configured for it: neither the trust
//! store of the system nor the authorities of another client are used.

use super::shared::client_chain::PresentedChain;
use super::shared::facts::{Facts, Lookup, Terms};
use super::shared::presented::Presented;
use crate::identity::{AttestedIdentity, Authority, CredentialKind};
use crate::policy::ClientMethod;
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;

/// A chain within its limits; nothing in it is verified yet.
pub struct TlsClientAuth(PresentedChain);

impl TlsClientAuth {
    /// Checks the limits of the certificates.
    pub fn recognise(presented: &Presented) -> Result<TlsClientAuth, Rejection> {
        PresentedChain::recognise(presented).map(TlsClientAuth)
    }

    /// Nothing is found for this door: the authorities are in the policy, since only configured clients have them.
    pub fn lookups(&self) -> Lookup<'_> {
        self.0.lookups()
    }

    /// True if verifying the chain costs no more signatures than verifying a token.
    pub fn is_short(&self) -> bool {
        self.0.chain.is_short()
    }

    /// Validates the path to an authority of the client, and compares the name.
    pub fn verify(
        self,
        _facts: &Facts,
        terms: Terms<'_>,
        trace: &mut Trace,
    ) -> Result<AttestedIdentity, Rejection> {
        let shown = self.0;
        let configured = terms.policy.clients.get(shown.unverified_client_id.as_str());
        let Some(ClientMethod::TlsClientAuth(authorities, name)) = configured.map(|client| &client.method)
        else {
            return Err(CredentialReason::UnknownClient.into());
        };
        trace.passed("client configured", || shown.unverified_client_id.clone());
        let expires = shown
            .chain
            .verify(authorities, name, terms.now)
            .map_err(CredentialReason::ClientCertificate)?;
        trace.passed("path and name", || format!("valid until {expires}"));
        let proof = shown.proof(expires);
        let kind = CredentialKind::TlsClientAuth;
        Ok(AttestedIdentity::proven(
            Authority::configuration(),
            shown.unverified_client_id,
            kind,
            proof,
        ))
    }
}

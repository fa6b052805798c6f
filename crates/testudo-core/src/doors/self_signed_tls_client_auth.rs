//! A certificate that is in the key set of the client. [RFC8705 §2.2]
//!
//! The TLS handshake proved that the client has the private key of the certificate. It is compared with those of the
//! client, byte by byte; who issued it does not matter, and no chain is validated.

use super::shared::client_chain::{PresentedChain, with_certificate};
use super::shared::facts::{Facts, Lookup, Terms};
use super::shared::presented::Presented;
use crate::identity::{AttestedIdentity, Authority, CredentialKind, Proof};
use crate::policy::ClientMethod;
use crate::records::ClientCredential;
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;
use testudo_protocol::client_certificate::ClientCertificateError;

/// A certificate that is not compared yet.
pub struct SelfSignedTlsClientAuth {
    unverified_client_id: String,
    /// The error means that it is beyond the limits. A client that turns out to need no certificate is not refused for it.
    shown: Result<PresentedChain, Rejection>,
}

impl SelfSignedTlsClientAuth {
    /// Checks the limits of the certificates.
    pub fn recognise(presented: &Presented) -> Result<SelfSignedTlsClientAuth, Rejection> {
        let (client_id, _) = presented.client_chain()?;
        Ok(SelfSignedTlsClientAuth {
            unverified_client_id: client_id.to_owned(),
            shown: PresentedChain::recognise(presented),
        })
    }

    /// The certificates of configured clients are in the policy, so only those of registered clients are looked up.
    pub fn lookups(&self) -> Lookup<'_> {
        Lookup::Certificates {
            unverified_client_id: &self.unverified_client_id,
        }
    }

    /// Compares the certificate with those of the client.
    pub fn verify(
        self,
        facts: &Facts,
        terms: Terms<'_>,
        trace: &mut Trace,
    ) -> Result<AttestedIdentity, Rejection> {
        let configured = terms.policy.clients.get(&*self.unverified_client_id);
        // [RFC8705 §4] The client registered as one without a credential: its certificate may only bind its tokens.
        if let (None, Facts::Public(client)) = (configured, facts) {
            let kind = CredentialKind::Public;
            let named =
                AttestedIdentity::named_here(&self.unverified_client_id, kind, client.sponsor.clone());
            let shown = self.shown.as_ref();
            let chain = shown.map(|shown| &shown.chain).map_err(Rejection::to_string);
            return Ok(with_certificate(named, chain, terms.now, trace));
        }
        let shown = self.shown?;
        let (known, registered) = match (configured.map(|client| &client.method), facts) {
            (Some(ClientMethod::SelfSigned(known)), _) => (known, None),
            (None, Facts::Client(client)) => (&client.certificates, Some(client)),
            (Some(_), _) | (None, _) => return Err(CredentialReason::UnknownClient.into()),
        };
        if !known.contains(&shown.chain.thumbprint()) {
            let reason = ClientCertificateError::OtherCertificate;
            return Err(CredentialReason::ClientCertificate(reason).into());
        }
        let expires = shown
            .chain
            .valid_until(terms.now)
            .map_err(CredentialReason::ClientCertificate)?;
        trace.passed("certificate of the client", || format!("valid until {expires}"));
        // What the issuer of a verifiable credential stated at the registration limits the tokens of the client.
        let stated = registered.and_then(|client| client.credential.as_deref());
        let proof = Proof {
            attested_claims: stated.map(|stated| stated.limits.clone()).unwrap_or_default(),
            claims: stated.and_then(ClientCredential::named_claims),
            ..shown.proof(expires)
        };
        let kind = CredentialKind::SelfSignedTlsClientAuth;
        let authority = registered.map_or_else(Authority::configuration, |client| client.authority.clone());
        Ok(AttestedIdentity {
            sponsor: registered.and_then(|client| client.sponsor.clone()),
            ..AttestedIdentity::proven(authority, shown.unverified_client_id, kind, proof)
        })
    }
}

//! SPIFFE X.509-SVID over mutual TLS. [SPIFFE-AUTH §3.2] [RFC8705 §2] [X509-SVID]
//!
//! The TLS handshake proved that the client has the private key of the leaf. The chain is verified here, up to an
//! authority of the trust domain that the leaf names. The trust store of the system is not used.

use super::shared::claims::{X509_SVID_LIFETIME_MAX, check_lifetime};
use super::shared::facts::{Facts, Lookup, Terms, policy_and_keys};
use super::shared::presented::Presented;
use crate::identity::{AttestedIdentity, Authority, CredentialKind, Proof};
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;
use testudo_protocol::spiffe::{self, SpiffeId};

/// A chain whose leaf meets the rules of an X.509-SVID; its signatures are not verified yet.
pub struct X509Svid {
    svid: spiffe::X509Svid,
    unverified_subject: SpiffeId,
    unverified_authority: Authority,
    digest: [u8; 32],
}

impl X509Svid {
    /// Checks the rules of the leaf, and finds the trust domain whose authorities verify the chain.
    pub fn recognise(presented: &Presented) -> Result<X509Svid, Rejection> {
        let svid = spiffe::X509Svid::parse(presented.chain()?).map_err(CredentialReason::Certificate)?;
        let unverified_subject = svid.unverified_spiffe_id().clone();
        Ok(X509Svid {
            svid,
            unverified_authority: Authority::from(&unverified_subject),
            unverified_subject,
            digest: presented.digest,
        })
    }

    /// The bundle of the trust domain that the leaf names. [X509-SVID §5.1]
    pub fn lookups(&self) -> Lookup<'_> {
        Lookup::Authority {
            unverified_authority: &self.unverified_authority,
            unverified_kid: None,
        }
    }

    /// True if verifying the chain costs no more signatures than verifying a token.
    pub fn is_short(&self) -> bool {
        self.svid.is_short()
    }

    /// SHA-256 of the chain.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Validates the path to an authority of that trust domain.
    pub fn verify(
        self,
        facts: &Facts,
        terms: Terms<'_>,
        trace: &mut Trace,
    ) -> Result<AttestedIdentity, Rejection> {
        let (domain, keys) = policy_and_keys(&self.unverified_authority, facts, terms.policy, trace)?;
        let bundle = keys.bundle_of(CredentialKind::X509Svid, &self.unverified_authority)?;
        let expires = self
            .svid
            .verify(&bundle.x509_authorities, terms.now)
            .map_err(CredentialReason::Certificate)?;
        let allowed = domain.lifetime_max.unwrap_or(X509_SVID_LIFETIME_MAX);
        check_lifetime(&self.unverified_authority, expires, None, allowed, terms.now)?;
        trace.passed("path", || format!("valid until {expires}"));
        let proof = Proof {
            digest: Some(self.digest),
            certificate_thumbprint: Some(self.svid.thumbprint()),
            ..Proof::until(expires)
        };
        let subject = self.unverified_subject;
        Ok(AttestedIdentity::proven(
            self.unverified_authority,
            subject.as_str(),
            CredentialKind::X509Svid,
            proof,
        ))
    }
}

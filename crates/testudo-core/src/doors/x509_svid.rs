//! SPIFFE X.509-SVID over mutual TLS. [SPIFFE-AUTH §3.2] [RFC8705 §2] [X509-SVID]
//!
//! The handshake proved that the client has the leaf's key; the chain is verified here, up to an
//! authority of the trust domain that the leaf names and of no other. The system's trust store is not used.

use super::shared::claims::{X509_SVID_LIFETIME_MAX, judge_lifetime};
use super::shared::facts::{Facts, Lookup, Terms, vouching};
use super::shared::presented::Presented;
use crate::identity::{AttestedIdentity, Authority, CredentialKind, Proof};
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;
use testudo_protocol::spiffe::{self, SpiffeId};

/// A chain whose leaf keeps the rules of an X.509-SVID.
pub struct X509Svid {
    svid: spiffe::X509Svid,
    unverified_subject: SpiffeId,
    unverified_authority: Authority,
    digest: [u8; 32],
}

impl X509Svid {
    /// Holds the leaf to its rules, and learns whose authorities must judge the chain.
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

    /// True where it has no more signatures to verify than a token may cost.
    pub fn is_short(&self) -> bool {
        self.svid.is_short()
    }

    /// SHA-256 of the chain.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The path to an authority of that trust domain.
    pub fn verify(
        self,
        facts: &Facts,
        terms: Terms<'_>,
        trace: &mut Trace,
    ) -> Result<AttestedIdentity, Rejection> {
        let (domain, bundle) = vouching(&self.unverified_authority, facts, terms.policy, trace)?;
        let expires = self
            .svid
            .verify(&bundle.x509_authorities, terms.now)
            .map_err(CredentialReason::Certificate)?;
        let allowed = domain.lifetime_max.unwrap_or(X509_SVID_LIFETIME_MAX);
        judge_lifetime(expires, None, allowed, terms.now)?;
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

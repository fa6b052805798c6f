//! Doors: one file per kind of credential, from its arrival to an [`AttestedIdentity`].
//!
//! Every door file has the same four items in the same order: the struct, `recognise`, `lookups`, `verify`. What the
//! doors have in common is in `shared/`; a request names its door (`shared/presented.rs`), and the dispatch is here.

pub mod jwt_svid;
pub mod private_key_jwt;
mod shared;
pub mod x509_svid;

#[cfg(test)]
mod tests;

pub use shared::authority_keys::AuthorityKeys;
pub use shared::claims::{CLOCK_LEEWAY, JWT_SVID_LIFETIME_MAX, MARK_MARGIN, X509_SVID_LIFETIME_MAX};
pub use shared::client_assertion::ClientAssertion;
pub use shared::client_keys::ClientKeys;
pub use shared::facts::{Facts, Lookup, Purpose, Terms};
pub use shared::presented::{Evidence, PeerCertificates, Presented, RequestHeaders};

use crate::identity::{AttestedIdentity, CredentialKind};
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;
use jwt_svid::JwtSvid;
use private_key_jwt::PrivateKeyJwt;
use x509_svid::X509Svid;

/// A credential that could be read. Nothing in it is proven.
pub enum Credential {
    /// SPIFFE JWT-SVID.
    JwtSvid(JwtSvid),
    /// A client's own assertion.
    PrivateKeyJwt(PrivateKeyJwt),
    /// SPIFFE X.509-SVID.
    X509Svid(X509Svid),
}

/// Reads a credential at the door that the request names.
pub fn recognise(presented: &Presented) -> Result<Credential, Rejection> {
    match (&presented.evidence, presented.kind) {
        (Evidence::Assertion(assertion), CredentialKind::JwtSvid) => {
            JwtSvid::recognise(assertion, presented.digest).map(Credential::JwtSvid)
        }
        (Evidence::Assertion(assertion), CredentialKind::PrivateKeyJwt) => {
            PrivateKeyJwt::recognise(assertion, presented.digest).map(Credential::PrivateKeyJwt)
        }
        (Evidence::Certificates(certificates), CredentialKind::X509Svid) => {
            X509Svid::recognise(certificates).map(Credential::X509Svid)
        }
        // No request can name these.
        (
            Evidence::Assertion(_) | Evidence::Certificates(_),
            CredentialKind::JwtSvid
            | CredentialKind::PrivateKeyJwt
            | CredentialKind::X509Svid
            | CredentialKind::WitSvid
            | CredentialKind::Public,
        ) => Err(CredentialReason::UnsupportedMechanism.into()),
    }
}

impl Credential {
    /// What must be known to judge it.
    pub fn lookups(&self) -> Lookup<'_> {
        match self {
            Credential::JwtSvid(door) => door.lookups(),
            Credential::PrivateKeyJwt(door) => door.lookups(),
            Credential::X509Svid(door) => door.lookups(),
        }
    }

    /// Judges it.
    pub fn verify(
        self,
        facts: &Facts,
        terms: Terms<'_>,
        trace: &mut Trace,
    ) -> Result<AttestedIdentity, Rejection> {
        match self {
            Credential::JwtSvid(door) => door.verify(facts, terms, trace),
            Credential::PrivateKeyJwt(door) => door.verify(facts, terms, trace),
            Credential::X509Svid(door) => door.verify(facts, terms, trace),
        }
    }
}

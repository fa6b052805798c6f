//! The certificates that name an issuer of verifiable credentials. [RFC7515 §4.1.6] [SD-JWT-VC §2.5]

use std::fmt;
use testudo_protocol::Timestamp;
use testudo_protocol::client_certificate::{ClientAuthorities, ExpectedName};
use testudo_protocol::credentials::CredentialError;
use testudo_protocol::credentials::x5c::{CertifiedKey, key_of_chain};
use testudo_protocol::jose::{Jws, KeySet};

/// The certificate authorities of an issuer of credentials, and the name that its certificate has: every other certificate
/// of the same authorities has a valid path too. [SD-JWT-VC §2.5]
pub struct IssuerCertificates {
    authorities: ClientAuthorities,
    name: ExpectedName,
    /// A certificate has no key set.
    no_keys: KeySet,
}

impl fmt::Debug for IssuerCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {:?}", self.authorities, self.name)
    }
}

impl IssuerCertificates {
    pub(super) fn read(pem: &[u8], name: &ExpectedName) -> Result<IssuerCertificates, String> {
        Ok(IssuerCertificates {
            authorities: ClientAuthorities::from_pem(pem)?,
            name: name.clone(),
            no_keys: KeySet::default(),
        })
    }

    /// The key of the chain in the header of a credential.
    pub(super) fn key_of(&self, jws: &Jws, now: Timestamp) -> Result<CertifiedKey, CredentialError> {
        key_of_chain(jws, &self.authorities, &self.name, now)
    }

    /// The name that the certificate of the issuer has.
    pub(super) fn name(&self) -> &ExpectedName {
        &self.name
    }

    /// The authorities.
    pub fn authorities(&self) -> &ClientAuthorities {
        &self.authorities
    }

    pub(super) fn no_keys(&self) -> &KeySet {
        &self.no_keys
    }
}

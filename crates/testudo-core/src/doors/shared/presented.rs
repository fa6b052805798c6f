//! How a request names the mechanism by which a client authenticates, and what it shows. [RFC6749 §2.3]
//!
//! The mechanism is never guessed, and two at once are refused.

use crate::identity::CredentialKind;
use crate::rejection::{CredentialReason, Rejection, RequestReason};
use std::fmt;
use std::sync::Arc;
use testudo_protocol::jose;
use testudo_protocol::oauth::Form;

/// Evidence as it arrived, by the mechanism that the request names.
pub struct Presented {
    /// The kind of credential that the request claims to present.
    pub kind: CredentialKind,
    /// The credential. Never logged.
    pub evidence: Evidence,
    /// SHA-256 of the credential: what a remembered verdict is filed under.
    pub digest: [u8; 32],
}

/// The forms in which credentials arrive.
pub enum Evidence {
    /// In the body, `client_assertion`.
    Assertion(String),
    /// In the TLS handshake.
    Certificates(Arc<PeerCertificates>),
}

/// A client's certificates, leaf first, of whom the handshake proved that it has the leaf's key.
#[derive(PartialEq, Eq)]
pub struct PeerCertificates {
    /// DER.
    pub chain: Vec<Vec<u8>>,
    /// SHA-256 of the chain: what a remembered verdict is filed under.
    pub digest: [u8; 32],
}

impl PeerCertificates {
    /// Takes a chain as it came.
    pub fn new(chain: Vec<Vec<u8>>) -> PeerCertificates {
        let mut bytes = Vec::with_capacity(chain.iter().map(|der| der.len() + 8).sum());
        for der in &chain {
            bytes.extend_from_slice(&(der.len() as u64).to_be_bytes());
            bytes.extend_from_slice(der);
        }
        PeerCertificates {
            chain,
            digest: jose::sha256(&bytes),
        }
    }
}

impl fmt::Debug for PeerCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerCertificates({})", self.chain.len())
    }
}

/// What the HTTP layer saw besides the form.
#[derive(Debug, Clone, Default)]
pub struct RequestHeaders {
    /// An `Authorization` header was sent.
    pub has_authorization: bool,
    /// An `OAuth-Client-Attestation` header was sent.
    pub has_client_attestation: bool,
    /// The client's certificates, from its own handshake or from a trusted proxy.
    pub certificates: Option<Arc<PeerCertificates>>,
}

impl Presented {
    /// Finds the one mechanism of a request. [RFC6749 §2.3]
    pub fn find(form: &mut Form, headers: RequestHeaders) -> Result<Presented, Rejection> {
        let has_assertion = form.has("client_assertion") || form.has("client_assertion_type");
        let mechanisms = [
            has_assertion,
            headers.has_authorization,
            headers.has_client_attestation,
            form.has("client_secret"),
            headers.certificates.is_some(),
        ];
        match mechanisms.iter().filter(|is_used| **is_used).count() {
            0 => return Err(CredentialReason::NoCredential.into()),
            1 if headers.certificates.is_some() => {
                // [RFC8705 §2] The certificate says who it is, `client_id` who is meant.
                return match (form.has("client_id"), headers.certificates) {
                    (true, Some(certificates)) => Ok(Presented::certificates(certificates)),
                    _ => Err(RequestReason::ClientIdMissing.into()),
                };
            }
            1 if !has_assertion => return Err(CredentialReason::UnsupportedMechanism.into()),
            1 => {}
            // [RFC6749 §2.3] One method per request.
            _ => return Err(RequestReason::TwoMechanisms.into()),
        }
        let kind = match form.get("client_assertion_type") {
            Some(named) => CredentialKind::of_assertion_type(named),
            None => return Err(CredentialReason::MissingAssertion.into()),
        };
        let kind = kind.ok_or(CredentialReason::UnknownAssertionType)?;
        let assertion = form
            .take("client_assertion")
            .ok_or(CredentialReason::MissingAssertion)?;
        Ok(Presented::new(kind, assertion))
    }

    /// What was sent in `client_assertion`.
    pub(crate) fn assertion(&self) -> Result<&str, Rejection> {
        match &self.evidence {
            Evidence::Assertion(assertion) => Ok(assertion),
            Evidence::Certificates(_) => Err(CredentialReason::UnsupportedMechanism.into()),
        }
    }

    /// The certificates of the handshake, leaf first.
    pub(crate) fn chain(&self) -> Result<&[Vec<u8>], Rejection> {
        match &self.evidence {
            Evidence::Certificates(certificates) => Ok(&certificates.chain),
            Evidence::Assertion(_) => Err(CredentialReason::UnsupportedMechanism.into()),
        }
    }

    /// A credential for a door.
    pub fn new(kind: CredentialKind, assertion: String) -> Presented {
        let digest = jose::sha256(assertion.as_bytes());
        Presented {
            kind,
            evidence: Evidence::Assertion(assertion),
            digest,
        }
    }

    /// Certificates, for the one door that takes them.
    pub fn certificates(certificates: Arc<PeerCertificates>) -> Presented {
        Presented {
            kind: CredentialKind::X509Svid,
            digest: certificates.digest,
            evidence: Evidence::Certificates(certificates),
        }
    }
}

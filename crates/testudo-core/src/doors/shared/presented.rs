//! Finds the mechanism by which a request authenticates the client, and the credential. [RFC6749 §2.3]
//!
//! The mechanism is determined by the parameters and never guessed; a request with two mechanisms is refused.

use crate::identity::CredentialKind;
use crate::policy::{AuthorityUse, Policy};
use crate::rejection::{AttestationReason, CLIENT_CERTIFICATE, CredentialReason, Rejection, RequestReason};
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use testudo_protocol::jose::{self, Jws};
use testudo_protocol::oauth::{Form, is_token68};

/// A credential as it was received, with its kind.
pub struct Presented {
    /// The kind of credential that the request claims to present.
    pub kind: CredentialKind,
    /// The credential. It is never logged.
    pub evidence: Evidence,
    /// SHA-256 of the credential, the key under which a verification result is cached.
    pub digest: [u8; 32],
}

/// The forms in which credentials arrive.
pub enum Evidence {
    /// A `client_assertion` in the body.
    Assertion(String),
    /// A certificate chain from the TLS handshake.
    Certificates(Arc<PeerCertificates>),
    /// The same, of the client that `client_id` names: its own certificates, or those to which the tokens of a client
    /// without a credential are bound.
    ClientCertificates(String, Arc<PeerCertificates>),
    /// No credential, of the client that `client_id` names.
    Absent(String),
}

/// The certificates of a client, leaf first. The TLS handshake proved that the client has the private key of the leaf.
#[derive(PartialEq, Eq)]
pub struct PeerCertificates {
    /// DER.
    pub chain: Vec<Vec<u8>>,
    /// SHA-256 of the chain, the key under which a verification result is cached.
    pub digest: [u8; 32],
}

impl PeerCertificates {
    /// Wraps a chain without checking it.
    pub fn new(chain: Vec<Vec<u8>>) -> PeerCertificates {
        let bytes = jose::length_prefixed(chain.iter().map(Vec::as_slice));
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

/// The client that a request without a credential names, and the certificates of its connection.
type NamedClient<'p> = (&'p str, Option<&'p [Vec<u8>]>);

/// The parts of the HTTP request, besides the form, that matter for authentication.
#[derive(Clone, Default)]
pub struct RequestHeaders {
    /// An `Authorization` header was sent.
    pub has_authorization: bool,
    /// The values of the header fields `OAuth-Client-Attestation`. They are never logged.
    pub client_attestations: Vec<String>,
    /// The client's certificates, from its own handshake or from a trusted proxy.
    pub certificates: Option<Arc<PeerCertificates>>,
}

/// The kind of a token whose unverified `iss` is that of an entry of the configuration with this use.
pub(super) fn kind_by_issuer(token: &str, policy: &Policy, purpose: AuthorityUse) -> Option<CredentialKind> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    // Most servers have no such entry; then no assertion is parsed here.
    if policy.issuers.is_empty() {
        return None;
    }
    let token = Jws::parse(token).ok()?;
    let unverified: Issuer = token.unverified_claims().ok()?;
    policy.issuers.kind(&unverified.iss, purpose)
}

/// `typ` of an attestation. [ABCA §4]
const ATTESTATION_TYP: &str = "oauth-client-attestation+jwt";

/// `typ` of a WIT-SVID. [WIT-SVID §2]
const WIT_TYP: &str = "wit+jwt";

impl Presented {
    /// Finds the mechanism of a request, and the attestations beside it. Whether there may be one is known when the rule
    /// of the client is. [RFC6749 §2.3] [ABCA §7.6]
    pub fn find(form: &mut Form, mut headers: RequestHeaders) -> Result<(Presented, Vec<String>), Rejection> {
        let kind = form
            .get("client_assertion_type")
            .and_then(CredentialKind::of_assertion_type);
        let has_assertion = kind.is_some() && form.has("client_assertion");
        let beside = match has_assertion || headers.certificates.is_some() {
            true => std::mem::take(&mut headers.client_attestations),
            false => Vec::new(),
        };
        Ok((Presented::only(form, headers)?, beside))
    }

    /// The only mechanism of a request.
    fn only(form: &mut Form, headers: RequestHeaders) -> Result<Presented, Rejection> {
        let has_assertion = form.has("client_assertion") || form.has("client_assertion_type");
        let mechanisms = [
            (has_assertion, "client_assertion"),
            (headers.has_authorization, "an Authorization header"),
            (
                !headers.client_attestations.is_empty(),
                "an OAuth-Client-Attestation header",
            ),
            (form.has("client_secret"), "client_secret"),
            (headers.certificates.is_some(), CLIENT_CERTIFICATE),
        ];
        let used = mechanisms.iter().filter(|(is_used, _)| *is_used);
        let mut found = used.clone().map(|(_, name)| *name);
        match used.count() {
            // [RFC6749 §3.2.1] A public client sends its `client_id`.
            0 => {
                let named = form.get("client_id").map(Presented::named);
                return named.ok_or_else(|| CredentialReason::NoCredential.into());
            }
            1 if headers.certificates.is_some() => {
                // [RFC8705 §2] The certificate proves the identity; `client_id` is required and names the client.
                return match (form.has("client_id"), headers.certificates) {
                    (true, Some(certificates)) => Ok(Presented::certificates(certificates)),
                    _ => Err(RequestReason::ClientIdMissing.into()),
                };
            }
            1 if !headers.client_attestations.is_empty() => {
                return Presented::attestation(headers.client_attestations);
            }
            1 if !has_assertion => {
                let found = found.next().unwrap_or_default();
                return Err(CredentialReason::UnsupportedMechanism { found }.into());
            }
            1 => {}
            // [RFC6749 §2.3] One method per request.
            _ => {
                let found = found.collect();
                return Err(RequestReason::TwoMechanisms { found }.into());
            }
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

    /// [ABCA §7.1 (1)] Exactly one attestation. `typ` determines its kind, since all kinds are sent in one header field.
    pub fn attestation(values: Vec<String>) -> Result<Presented, Rejection> {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (Some(attestation), None) if is_token68(&attestation) => {
                let unverified_type = jose::unverified_type(&attestation);
                match unverified_type.as_deref() {
                    Some(ATTESTATION_TYP) => Ok(Presented::new(CredentialKind::Attestation, attestation)),
                    Some(WIT_TYP) => Ok(Presented::new(CredentialKind::WitSvid, attestation)),
                    _ => Err(AttestationReason::WrongType.into()),
                }
            }
            _ => Err(RequestReason::AttestationNotOne.into()),
        }
    }

    /// What was sent in `client_assertion`.
    pub(crate) fn assertion(&self) -> Result<&str, Rejection> {
        match &self.evidence {
            Evidence::Assertion(assertion) => Ok(assertion),
            Evidence::Certificates(_) | Evidence::ClientCertificates(..) => {
                Err(CredentialReason::UnsupportedMechanism {
                    found: CLIENT_CERTIFICATE,
                }
                .into())
            }
            Evidence::Absent(_) => Err(CredentialReason::NoCredential.into()),
        }
    }

    /// The certificates of the handshake, leaf first.
    pub(crate) fn chain(&self) -> Result<&[Vec<u8>], Rejection> {
        match &self.evidence {
            Evidence::Certificates(certificates) => Ok(&certificates.chain),
            Evidence::Assertion(_) | Evidence::ClientCertificates(..) => {
                Err(CredentialReason::UnsupportedMechanism {
                    found: "client_assertion",
                }
                .into())
            }
            Evidence::Absent(_) => Err(CredentialReason::NoCredential.into()),
        }
    }

    /// The client that a request with its own certificate names, and the certificates, leaf first.
    pub(crate) fn client_chain(&self) -> Result<(&str, &[Vec<u8>]), Rejection> {
        match &self.evidence {
            Evidence::ClientCertificates(client_id, certificates) => Ok((client_id, &certificates.chain)),
            Evidence::Assertion(_) | Evidence::Certificates(_) | Evidence::Absent(_) => {
                Err(CredentialReason::UnknownClient.into())
            }
        }
    }

    /// The client that a request without a credential names, and the certificates of its connection, leaf first.
    pub(crate) fn named_client(&self) -> Result<NamedClient<'_>, Rejection> {
        match &self.evidence {
            Evidence::Absent(client_id) => Ok((client_id, None)),
            Evidence::ClientCertificates(client_id, certificates) => {
                Ok((client_id, Some(&certificates.chain)))
            }
            Evidence::Assertion(_) | Evidence::Certificates(_) => Err(CredentialReason::UnknownClient.into()),
        }
    }

    /// The same credential; if it is a certificate, and `client_id` names a client with certificates of its own, it is
    /// verified as one of them. [RFC8705 §2] If `client_id` names a client without a credential, the certificate is what
    /// its tokens may be bound to. [RFC8705 §4] Others are verified as X.509-SVIDs. `is_registered` is true for an id of
    /// a client that registered without evidence: its record says which of the first two it is.
    pub fn of_client(
        self,
        client_id: Option<&str>,
        policy: &Policy,
        is_registered: impl FnOnce(&str) -> bool,
    ) -> Presented {
        let (Evidence::Certificates(certificates), Some(client_id)) = (&self.evidence, client_id) else {
            return self;
        };
        let kind = match policy.clients.get(client_id).map(|client| client.method.kind()) {
            Some(kind) if kind.is_certificate() || kind == CredentialKind::Public => kind,
            None if is_registered(client_id) || policy.issuer_of_client(client_id).is_some() => {
                CredentialKind::SelfSignedTlsClientAuth
            }
            Some(_) | None => return self,
        };
        let parts = [kind.name().as_bytes(), client_id.as_bytes(), &certificates.digest];
        Presented {
            kind,
            digest: jose::sha256(&jose::length_prefixed(parts)),
            evidence: Evidence::ClientCertificates(client_id.to_owned(), certificates.clone()),
        }
    }

    /// No credential: the client only names itself.
    pub fn named(client_id: &str) -> Presented {
        let kind = CredentialKind::Public;
        Presented {
            kind,
            digest: jose::sha256(&jose::length_prefixed([
                kind.name().as_bytes(),
                client_id.as_bytes(),
            ])),
            evidence: Evidence::Absent(client_id.to_owned()),
        }
    }

    /// A credential of this kind.
    pub fn new(kind: CredentialKind, assertion: String) -> Presented {
        let digest = jose::sha256(assertion.as_bytes());
        Presented {
            kind,
            evidence: Evidence::Assertion(assertion),
            digest,
        }
    }

    /// The same credential; if it is an assertion of the type jwt-bearer whose `iss` is that of an `[[issuers]]` entry
    /// for clients, it is verified as a token of this entry. Others are verified as the client's own assertions.
    pub fn of_issuer(self, policy: &Policy) -> Presented {
        let kind = match (&self.kind, &self.evidence) {
            (CredentialKind::PrivateKeyJwt, Evidence::Assertion(token)) => {
                kind_by_issuer(token, policy, AuthorityUse::Client)
            }
            _ => None,
        };
        Presented {
            kind: kind.unwrap_or(self.kind),
            ..self
        }
    }

    /// A software statement: its `sub` or its `iss` names the authority. If no kind recognises it, the door of JWT-SVIDs
    /// refuses it with the reason.
    pub fn statement(statement: String, policy: &Policy) -> Presented {
        let kind = CredentialKind::of_statement(&statement)
            .or_else(|| kind_by_issuer(&statement, policy, AuthorityUse::Registration));
        Presented::new(kind.unwrap_or(CredentialKind::JwtSvid), statement)
    }

    /// A certificate chain.
    pub fn certificates(certificates: Arc<PeerCertificates>) -> Presented {
        Presented {
            kind: CredentialKind::X509Svid,
            digest: certificates.digest,
            evidence: Evidence::Certificates(certificates),
        }
    }
}

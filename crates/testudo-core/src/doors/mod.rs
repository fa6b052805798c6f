//! Doors: one file per kind of credential, from its arrival to an [`AttestedIdentity`].
//!
//! Every door file has the same four items in the same order: the struct, `recognise`, `lookups`, `verify`. The
//! mechanism is named by the request ([`Presented`]) and never guessed; two at once are refused.

pub mod jwt_svid;
pub mod private_key_jwt;
pub mod x509_svid;

#[cfg(test)]
mod tests;

use crate::identity::{AttestedIdentity, CredentialKind, SingleUse};
use crate::policy::{Policy, TrustDomainPolicy};
use crate::rejection::Rejection;
use crate::trace::Trace;
use jwt_svid::JwtSvid;
use private_key_jwt::{ClientKeys, PrivateKeyJwt};
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use testudo_protocol::limits::AUDIENCES_MAX;
use testudo_protocol::oauth::{ASSERTION_TYPE_JWT_BEARER, ASSERTION_TYPE_JWT_SPIFFE, Form};
use testudo_protocol::spiffe::{Bundle, SpiffeId};
use testudo_protocol::{Seconds, Timestamp, jose};
use x509_svid::X509Door;

/// Tolerated difference of clocks for `nbf` and `iat`. `exp` has none: a credential that has ended is over.
pub const CLOCK_LEEWAY: Seconds = Seconds(30);

/// Longest life of a JWT-SVID, where a trust domain's `lifetime_max` does not say: nothing ends a stolen one earlier.
pub const JWT_SVID_LIFETIME_MAX: Seconds = Seconds(30 * 86_400);

/// The same for an X.509-SVID. Its key is not sent with it, and issuers beside SPIRE (cert-manager: 90 days by
/// default) give certificates of up to a year.
pub const X509_SVID_LIFETIME_MAX: Seconds = Seconds(400 * 86_400);

/// How much longer than its credential the mark of a single-use credential is kept: a clock that is set back by
/// less, or another node's that is behind by less, accepts no credential whose mark is gone.
pub const MARK_MARGIN: Seconds = Seconds(300);

/// Evidence as it arrived, by the mechanism that the request names.
pub struct Presented {
    /// The door it knocks at.
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
            0 => return Err(Rejection::NoCredential),
            1 if headers.certificates.is_some() => {
                // [RFC8705 §2] The certificate says who it is, `client_id` who is meant.
                return match (form.has("client_id"), headers.certificates) {
                    (true, Some(certificates)) => Ok(Presented::certificates(certificates)),
                    _ => Err(Rejection::ClientIdMissing),
                };
            }
            1 if !has_assertion => return Err(Rejection::UnsupportedMechanism),
            1 => {}
            // [RFC6749 §2.3] One method per request.
            _ => return Err(Rejection::TwoMechanisms),
        }
        let kind = match form.get("client_assertion_type") {
            Some(ASSERTION_TYPE_JWT_SPIFFE) => CredentialKind::JwtSvid,
            Some(ASSERTION_TYPE_JWT_BEARER) => CredentialKind::PrivateKeyJwt,
            Some(_) => return Err(Rejection::UnknownAssertionType),
            None => return Err(Rejection::MissingAssertion),
        };
        let assertion = form.take("client_assertion").ok_or(Rejection::MissingAssertion)?;
        Ok(Presented::new(kind, assertion))
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

/// A credential that could be read. Nothing in it is proven.
pub enum Credential {
    /// SPIFFE JWT-SVID.
    JwtSvid(JwtSvid),
    /// A client's own assertion.
    PrivateKeyJwt(PrivateKeyJwt),
    /// SPIFFE X.509-SVID.
    X509Svid(X509Door),
}

/// An outside fact that a credential's verification needs. The server fetches it; the door judges it.
#[derive(Clone, Copy)]
pub enum Lookup<'c> {
    /// The bundle of the trust domain that the credential claims to be of, if that is configured.
    Bundle {
        /// The claimed identity.
        unverified_subject: &'c SpiffeId,
        /// The key it claims to be signed with: unknown to the bundle, it is worth one early refresh.
        unverified_kid: Option<&'c str>,
    },
    /// The keys of a client that registered, if one has this name and the configuration names no other.
    Client {
        /// The claimed name.
        unverified_client_id: &'c str,
        /// The key it claims to be signed with, for keys that are kept elsewhere.
        unverified_kid: Option<&'c str>,
        /// The assertion: it must be worth a fetch of such keys.
        assertion: &'c PrivateKeyJwt,
    },
}

/// The answer to a [`Lookup`].
#[derive(Debug, Clone)]
pub enum Facts {
    /// The trust domain's bundle, fresh enough to be used.
    Bundle(Arc<Bundle>),
    /// The trust domain is configured, but no bundle is held, or it is past its maximum age.
    NoBundle,
    /// The same, and an administrator switched the trust domain off: to wait would not help.
    Disabled,
    /// The keys of the client that registered under this name.
    Client(Arc<ClientKeys>),
    /// The client publishes its keys itself, and they were not to be had.
    KeysElsewhere {
        /// Why.
        why: String,
    },
    /// Nobody has registered under this name, or the trust domain is not configured.
    Nothing,
}

/// What a credential is shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// Client authentication: the audience is the issuer. [RFC10070 §4]
    Authentication,
    /// A software statement: the audience may also be this registration endpoint, and `iat` is required.
    Statement {
        /// URL of the endpoint, exactly as in the metadata.
        endpoint: &'a str,
    },
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
            X509Door::recognise(certificates).map(Credential::X509Svid)
        }
        // No request can name these.
        (
            Evidence::Assertion(_) | Evidence::Certificates(_),
            CredentialKind::JwtSvid
            | CredentialKind::PrivateKeyJwt
            | CredentialKind::X509Svid
            | CredentialKind::WitSvid
            | CredentialKind::Public,
        ) => Err(Rejection::UnsupportedMechanism),
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
        policy: &Policy,
        purpose: Purpose<'_>,
        now: Timestamp,
        trace: &mut Trace,
    ) -> Result<AttestedIdentity, Rejection> {
        match self {
            Credential::JwtSvid(door) => door.verify(facts, policy, purpose, now, trace),
            Credential::PrivateKeyJwt(door) => door.verify(facts, policy, now, trace),
            Credential::X509Svid(door) => door.verify(facts, policy, now, trace),
        }
    }
}

/// The trust domain that an SVID names, and its bundle: no other has a say. [SPIFFE-FED §7.3]
fn vouching<'a>(
    subject: &SpiffeId,
    facts: &'a Facts,
    policy: &'a Policy,
    trace: &mut Trace,
) -> Result<(&'a TrustDomainPolicy, &'a Bundle), Rejection> {
    let name = subject.trust_domain_name();
    let unknown = || Rejection::UnknownTrustDomain {
        name: name.to_owned(),
    };
    let domain = policy.trust_domains.get(name).ok_or_else(unknown)?;
    let bundle = match facts {
        Facts::Bundle(bundle) => bundle,
        Facts::Disabled => {
            return Err(Rejection::AuthorityDisabled {
                name: name.to_owned(),
            });
        }
        Facts::NoBundle | Facts::Client(_) | Facts::KeysElsewhere { .. } | Facts::Nothing => {
            return Err(Rejection::BundleUnavailable {
                name: name.to_owned(),
            });
        }
    };
    trace.passed("trust domain configured", || name.to_owned());
    Ok((domain, bundle))
}

/// `aud`: a string, or an array of strings. [RFC7519 §4.1.3]
#[derive(Debug, PartialEq, Eq)]
struct Audience(Vec<String>);

impl Audience {
    fn is_solely(&self, value: &str) -> bool {
        matches!(self.0.as_slice(), [sole] if sole == value)
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrSome;
        impl<'de> serde::de::Visitor<'de> for OneOrSome {
            type Value = Audience;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }
            fn visit_str<E>(self, value: &str) -> Result<Audience, E> {
                Ok(Audience(vec![value.to_owned()]))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Audience, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = items.next_element::<String>()? {
                    if values.len() == AUDIENCES_MAX {
                        return Err(serde::de::Error::custom("too many audiences"));
                    }
                    values.push(value);
                }
                Ok(Audience(values))
            }
        }
        deserializer.deserialize_any(OneOrSome)
    }
}

/// [RFC10070 §4] The audience is our issuer identifier as the sole value, compared as a string; `also` are
/// further exact values that an administrator allows during a migration.
fn judge_audience(audience: &Audience, issuer: &str, also: &[String]) -> Result<(), Rejection> {
    match audience.0.as_slice() {
        [sole] if sole == issuer || also.contains(sole) => Ok(()),
        _ => Err(Rejection::AudienceMismatch {
            expected: issuer.to_owned(),
            found: audience.0.clone(),
        }),
    }
}

/// `exp`, `nbf` and `iat`. [RFC7519 §4.1]
fn judge_times(
    expires: Timestamp,
    not_before: Option<Timestamp>,
    issued: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), Rejection> {
    // [RFC7519 §4.1.4] On or after `exp` it must not be accepted.
    if now >= expires {
        return Err(Rejection::AssertionExpired { expired: expires });
    }
    if let Some(valid_from) = not_before.filter(|valid_from| *valid_from > now + CLOCK_LEEWAY) {
        return Err(Rejection::AssertionNotYetValid { valid_from });
    }
    if let Some(issued) = issued.filter(|issued| *issued > now + CLOCK_LEEWAY) {
        return Err(Rejection::AssertionFromTheFuture { issued });
    }
    Ok(())
}

/// The life that an SVID has from its issue, or from now where it does not say when that was.
fn judge_lifetime(
    expires: Timestamp,
    issued: Option<Timestamp>,
    allowed: Seconds,
    now: Timestamp,
) -> Result<(), Rejection> {
    let lifetime = expires - issued.unwrap_or(now).min(now);
    if lifetime <= allowed {
        return Ok(());
    }
    Err(Rejection::LifetimeTooLong {
        seconds: lifetime.0,
        allowed: allowed.0,
    })
}

/// The mark of a single-use credential: each part is preceded by its length, so that no two lists of parts
/// are one text.
fn single_use_mark(kind: CredentialKind, subject: &str, jwt_id: &str, expires: Timestamp) -> SingleUse {
    let mut bytes = Vec::with_capacity(64 + subject.len() + jwt_id.len());
    for part in [kind.name(), subject, jwt_id] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    SingleUse {
        key: jose::sha256(&bytes),
        keep_until: expires + CLOCK_LEEWAY + MARK_MARGIN,
    }
}

//! Reasons to refuse a credential: client authentication, software statements, and tokens for the registration
//! endpoint.
//!
//! The answer for a failed authentication does not contain the reason; the reason is in the log and in events.

use super::row::{BEARER, Row};
use super::service_account::ServiceAccountReason;
use super::status::StatusReason;
use super::verifiable::VerifiableReason;
use crate::identity::Authority;
use std::fmt;
use testudo_protocol::Timestamp;
use testudo_protocol::client_certificate::ClientCertificateError;
use testudo_protocol::jose::JoseError;
use testudo_protocol::oauth::ErrorCode;
use testudo_protocol::spiffe::{SpiffeIdError, X509Error};

/// The use of a client certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateUse {
    /// Client authentication of a token request.
    Authentication,
    /// Evidence of a registration.
    Evidence,
}

/// Why a credential is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialReason {
    /// The request has no client authentication.
    NoCredential,
    /// The request has neither client authentication nor evidence, but a certificate header that is not the one that the
    /// server reads.
    CertificateHeaderNotRead {
        /// Name of the header in the request.
        found: &'static str,
        /// Name of the header that is read from this address; `None` where none is read from it.
        expected: Option<String>,
        /// What the certificate would have been.
        needed: CertificateUse,
    },
    /// The request has a client secret, uses HTTP authentication or has a client attestation.
    UnsupportedMechanism {
        /// What the request has.
        found: &'static str,
    },
    /// `client_assertion_type` names a type that is not supported.
    UnknownAssertionType,
    /// One of `client_assertion` and `client_assertion_type` is missing.
    MissingAssertion,
    /// The JWT is malformed, or its signature does not verify.
    Jose(JoseError),
    /// The certificate or its chain is refused.
    Certificate(X509Error),
    /// The certificate of a client that has certificates of its own is refused. [RFC8705 §2]
    ClientCertificate(ClientCertificateError),
    /// A certificate header was sent from an address that is not a trusted proxy.
    ForeignCertificateHeader,
    /// A certificate header of the proxy is not in the form of RFC 9440.
    CertificateHeaderMalformed {
        /// Name of the header.
        header: String,
        /// What it is instead.
        problem: &'static str,
    },
    /// `typ` is not allowed for this kind of credential.
    TypeNotAllowed {
        /// The value in the header of the token.
        found: Option<String>,
    },
    /// `alg` is not allowed for this kind of credential, or is not the one that the client registered.
    AlgorithmNotAllowed {
        /// The value in the header of the token.
        found: String,
    },
    /// `sub` is not a SPIFFE ID.
    SubjectNotSpiffeId(SpiffeIdError),
    /// `sub` is a trust domain without a path, so it does not name a workload.
    SubjectHasNoPath,
    /// The claim that names the client is missing, or cannot be an identity.
    SubjectUnusable {
        /// The claim.
        claim: String,
    },
    /// The trust domain or issuer is not configured.
    UnknownAuthority {
        /// The trust domain or issuer.
        authority: Authority,
    },
    /// This server has no usable bundle of the authority. The client is not at fault.
    BundleUnavailable {
        /// The trust domain or issuer.
        authority: Authority,
    },
    /// No client with its own keys has this id.
    UnknownClient,
    /// The keys at a client's `jwks_uri` could not be fetched.
    ClientKeysUnavailable {
        /// The error of the fetch.
        why: String,
    },
    /// The credential is for another audience.
    AudienceMismatch {
        /// The audience of this server.
        expected: String,
        /// The audiences of the credential.
        found: Vec<String>,
    },
    /// `exp` has passed.
    AssertionExpired {
        /// The time of `exp`.
        expired: Timestamp,
    },
    /// `nbf`, or the beginning of a certificate's validity, is in the future.
    AssertionNotYetValid {
        /// The time in the credential.
        valid_from: Timestamp,
    },
    /// `iat` is in the future.
    AssertionFromTheFuture {
        /// The time in the credential.
        issued: Timestamp,
    },
    /// The lifetime of the credential is longer than allowed.
    LifetimeTooLong {
        /// The authority that issued it; `None` if the client signed it.
        by: Option<Authority>,
        /// The lifetime from `iat`, or from now, to `exp`.
        seconds: i64,
        /// The longest allowed lifetime.
        allowed: i64,
    },
    /// `iss` and `sub` of a client's assertion are not both its `client_id`. [RFC7523 §3]
    IssuerIsNotSubject,
    /// A single-use credential has no `jti`.
    JwtIdMissing,
    /// `jti` is too long to be stored.
    JwtIdTooLong,
    /// `jti` has control characters or invisible characters.
    JwtIdUnprintable,
    /// `cnf` binds the token to a key, of which this method has no proof.
    BoundToKey,
    /// A single-use credential was used before.
    AssertionReplayed,
    /// The server no longer knows whether a single-use credential was used before.
    MarkDropped {
        /// Records of uses were deleted up to this time.
        kept_until: Timestamp,
    },
    /// A token of a Kubernetes service account is refused.
    ServiceAccount(Box<ServiceAccountReason>),
    /// The status of a verifiable credential is not that of a valid one.
    Status(Box<StatusReason>),
    /// A verifiable credential is refused.
    Verifiable(Box<VerifiableReason>),
    /// A software statement or a token of an issuer has no `iat`.
    IssuedAtMissing,
    /// The request has neither a statement nor a certificate, and registration without evidence is not enabled.
    EvidenceMissing,
    /// The pieces of evidence of a registration prove different identities.
    TwoIdentities,
    /// `iss` of a statement is not the configured `statement_issuer` of the trust domain.
    StatementIssuerMismatch {
        /// The configured issuer.
        expected: String,
    },
    /// The initial access token is not valid, or its holder may not register clients.
    InitialAccessTokenRefused {
        /// Why the token is refused.
        why: String,
    },
    /// The initial access token is valid, and a status list of the credential of its holder cannot be fetched. Neither the
    /// holder nor the caller is at fault.
    InitialAccessTokenStatusUnavailable {
        /// Which list, and the error of the fetch.
        why: String,
        /// After how many seconds the list is fetched again.
        retry_after_seconds: i64,
    },
    /// The access token is valid, but does not have the scope for registering clients.
    InitialAccessTokenHasNoScope,
    /// A request to manage a registration has no token. [RFC7592 §2]
    RegistrationTokenMissing,
    /// The registration access token is not valid.
    RegistrationTokenRefused {
        /// True if the token was valid before another one replaced it.
        is_superseded: bool,
    },
}

impl CredentialReason {
    pub(super) fn row(&self) -> Row {
        let of_token = |name, sentence| {
            Row::new(name, ErrorCode::InvalidToken, sentence).challenge("Bearer error=\"invalid_token\"")
        };
        let invalid_statement = "software_statement is not valid";
        match self {
            CredentialReason::NoCredential => Row::unauthenticated("no_credential"),
            CredentialReason::CertificateHeaderNotRead { needed, .. } => Row {
                name: "certificate_header_not_read",
                ..match needed {
                    CertificateUse::Authentication => CredentialReason::NoCredential.row(),
                    CertificateUse::Evidence => CredentialReason::EvidenceMissing.row(),
                }
            },
            CredentialReason::UnsupportedMechanism { .. } => Row::unauthenticated("unsupported_mechanism"),
            CredentialReason::UnknownAssertionType => Row::unauthenticated("unknown_assertion_type"),
            CredentialReason::MissingAssertion => Row::unauthenticated("missing_assertion"),
            CredentialReason::Jose(_) => Row::unauthenticated("token_malformed_or_forged"),
            CredentialReason::Certificate(_) => Row::unauthenticated("certificate_refused"),
            CredentialReason::ClientCertificate(_) => Row::unauthenticated("client_certificate_refused"),
            CredentialReason::ForeignCertificateHeader => Row::unauthenticated("foreign_certificate_header"),
            CredentialReason::CertificateHeaderMalformed { .. } => {
                Row::unauthenticated("certificate_header_malformed")
            }
            CredentialReason::TypeNotAllowed { .. } => Row::unauthenticated("type_not_allowed"),
            CredentialReason::AlgorithmNotAllowed { .. } => Row::unauthenticated("algorithm_not_allowed"),
            CredentialReason::SubjectNotSpiffeId(_) => Row::unauthenticated("subject_not_spiffe_id"),
            CredentialReason::SubjectHasNoPath => Row::unauthenticated("subject_has_no_path"),
            CredentialReason::SubjectUnusable { .. } => Row::unauthenticated("subject_unusable"),
            CredentialReason::UnknownAuthority { .. } => Row::unauthenticated("unknown_trust_domain"),
            // A retry may help: a bundle source without a usable bundle is fetched every five seconds.
            CredentialReason::BundleUnavailable { .. } => Row::new(
                "bundle_unavailable",
                ErrorCode::TemporarilyUnavailable,
                "this credential cannot be verified now, try again later",
            )
            .retry_after(5),
            CredentialReason::UnknownClient => Row::unauthenticated("unknown_client"),
            CredentialReason::ClientKeysUnavailable { .. } => Row::unauthenticated("client_keys_unavailable"),
            CredentialReason::AudienceMismatch { .. } => Row::unauthenticated("audience_mismatch"),
            CredentialReason::AssertionExpired { .. } => Row::unauthenticated("assertion_expired"),
            CredentialReason::AssertionNotYetValid { .. } => Row::unauthenticated("assertion_not_yet_valid"),
            CredentialReason::AssertionFromTheFuture { .. } => {
                Row::unauthenticated("assertion_from_the_future")
            }
            CredentialReason::LifetimeTooLong { .. } => Row::unauthenticated("lifetime_too_long"),
            CredentialReason::IssuerIsNotSubject => Row::unauthenticated("issuer_is_not_subject"),
            CredentialReason::JwtIdMissing => Row::unauthenticated("jwt_id_missing"),
            CredentialReason::JwtIdTooLong => Row::unauthenticated("jwt_id_too_long"),
            CredentialReason::JwtIdUnprintable => Row::unauthenticated("jwt_id_unprintable"),
            CredentialReason::BoundToKey => Row::unauthenticated("token_bound_to_key"),
            CredentialReason::AssertionReplayed => Row::unauthenticated("assertion_replayed"),
            CredentialReason::MarkDropped { .. } => Row::unauthenticated("mark_dropped"),
            CredentialReason::ServiceAccount(reason) => reason.row(),
            CredentialReason::Status(reason) => reason.row(),
            CredentialReason::Verifiable(reason) => reason.row(),
            CredentialReason::IssuedAtMissing => Row::unauthenticated("issued_at_missing"),
            CredentialReason::EvidenceMissing => Row::unauthenticated("evidence_missing")
                .sentence("software_statement is missing, and so are a client certificate and an attestation: send one of them")
                .status(401)
                .challenge(BEARER),
            CredentialReason::TwoIdentities => {
                Row::unauthenticated("two_identities").sentence(invalid_statement)
            }
            CredentialReason::StatementIssuerMismatch { .. } => {
                Row::unauthenticated("statement_issuer_mismatch").sentence(invalid_statement)
            }
            CredentialReason::InitialAccessTokenRefused { .. } => of_token(
                "initial_access_token_refused",
                "the initial access token is not valid",
            ),
            CredentialReason::InitialAccessTokenStatusUnavailable {
                retry_after_seconds, ..
            } => Row::new(
                "initial_access_token_status_unavailable",
                ErrorCode::TemporarilyUnavailable,
                "the holder of the initial access token cannot be checked now, try again later",
            )
            .retry_after(*retry_after_seconds),
            CredentialReason::InitialAccessTokenHasNoScope => Row::new(
                "initial_access_token_has_no_scope",
                ErrorCode::InsufficientScope,
                "the access token is not one for registering clients",
            )
            .challenge("Bearer error=\"insufficient_scope\", scope=\"client.register\""),
            CredentialReason::RegistrationTokenMissing => of_token(
                "registration_token_missing",
                "send the registration access token as a bearer token",
            )
            .challenge(BEARER),
            CredentialReason::RegistrationTokenRefused { is_superseded } => of_token(
                match is_superseded {
                    true => "registration_token_superseded",
                    false => "registration_token_refused",
                },
                "the registration access token is not valid",
            ),
        }
    }
}

impl fmt::Display for CredentialReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CredentialReason::NoCredential => f.write_str("the request has no client authentication"),
            CredentialReason::CertificateHeaderNotRead {
                found,
                expected,
                needed,
            } => {
                let needed = match needed {
                    CertificateUse::Authentication => "client authentication",
                    CertificateUse::Evidence => "evidence",
                };
                write!(
                    f,
                    "the request has no {needed} that this server reads; it has the header {found}, and "
                )?;
                match expected {
                    Some(expected) => write!(f, "the configured one is {expected}"),
                    None => f.write_str("no certificate header is read from the address that sent it"),
                }
            }
            CredentialReason::UnsupportedMechanism { found } => {
                write!(f, "the request has {found}, which is not supported")
            }
            CredentialReason::UnknownAssertionType => f.write_str("client_assertion_type is unknown"),
            CredentialReason::MissingAssertion => {
                f.write_str("client_assertion or client_assertion_type is missing")
            }
            CredentialReason::Jose(fault) => write!(f, "{fault}"),
            CredentialReason::ClientCertificate(error) => error.fmt(f),
            CredentialReason::Certificate(fault) => write!(f, "{fault}"),
            CredentialReason::ForeignCertificateHeader => {
                f.write_str("a client certificate header came from an address that is not a trusted proxy")
            }
            CredentialReason::CertificateHeaderMalformed { header, problem } => {
                write!(
                    f,
                    "the header {header} {problem}: expected `:BASE64:`, as RFC 9440 has it"
                )
            }
            CredentialReason::TypeNotAllowed { found } => {
                let found = found.as_deref().unwrap_or("(absent)");
                write!(f, "typ {} is not allowed here", found.escape_debug())
            }
            CredentialReason::AlgorithmNotAllowed { found } => {
                write!(f, "alg {} is not allowed here", found.escape_debug())
            }
            CredentialReason::SubjectNotSpiffeId(fault) => write!(f, "sub is not a SPIFFE ID: it {fault}"),
            CredentialReason::SubjectHasNoPath => {
                f.write_str("sub is a trust domain without a path, so it does not name a workload")
            }
            CredentialReason::SubjectUnusable { claim } => write!(
                f,
                "the claim {claim}, which names the client, must be a text of 1 to 2048 bytes or a whole number"
            ),
            CredentialReason::UnknownAuthority { authority } => {
                write!(f, "the {} is not configured", authority.described())
            }
            CredentialReason::BundleUnavailable { authority } => {
                let document = authority.kind().document();
                write!(
                    f,
                    "there is no {document} of the {}, or it is older than its maximum age",
                    authority.described()
                )
            }
            CredentialReason::UnknownClient => f.write_str("no client with its own keys has this client_id"),
            CredentialReason::ClientKeysUnavailable { why } => {
                write!(f, "the keys at the client's jwks_uri cannot be fetched: {why}")
            }
            CredentialReason::AudienceMismatch { expected, found } => {
                write!(
                    f,
                    "the audience is {found:?}, and this server accepts only {expected:?}"
                )
            }
            CredentialReason::AssertionExpired { expired } => {
                write!(f, "the credential expired at {expired}")
            }
            CredentialReason::AssertionNotYetValid { valid_from } => {
                write!(f, "the credential is valid from {valid_from}")
            }
            CredentialReason::AssertionFromTheFuture { issued } => {
                write!(f, "the credential was issued at {issued}")
            }
            CredentialReason::LifetimeTooLong { seconds, allowed, .. } => {
                write!(
                    f,
                    "the lifetime of the credential is {seconds} s, and at most {allowed} s are allowed"
                )
            }
            CredentialReason::IssuerIsNotSubject => f.write_str("iss and sub must both be the client's id"),
            CredentialReason::JwtIdMissing => {
                f.write_str("jti is missing, and this credential is single-use")
            }
            CredentialReason::JwtIdTooLong => f.write_str("jti is too long"),
            CredentialReason::JwtIdUnprintable => f.write_str("jti has control or invisible characters"),
            CredentialReason::BoundToKey => {
                f.write_str("cnf binds the token to a key, and the request has no proof of that key")
            }
            CredentialReason::AssertionReplayed => f.write_str("this single-use assertion was used before"),
            CredentialReason::MarkDropped { kept_until } => write!(
                f,
                "the server no longer knows whether this single-use assertion was used before: records of uses were deleted up to {kept_until}, and the clock was set back since then"
            ),
            CredentialReason::ServiceAccount(reason) => reason.fmt(f),
            CredentialReason::Status(reason) => reason.fmt(f),
            CredentialReason::Verifiable(reason) => reason.fmt(f),
            CredentialReason::IssuedAtMissing => f.write_str("iat is missing, from which the age and the lifetime are counted"),
            CredentialReason::EvidenceMissing => {
                f.write_str("software_statement is missing, and so are a client certificate and an attestation: send one of them")
            }
            CredentialReason::TwoIdentities => {
                f.write_str("the statement, the certificate and the attestation of the request prove different identities")
            }
            CredentialReason::StatementIssuerMismatch { expected } => {
                write!(f, "iss of the statement is not {expected}")
            }
            CredentialReason::InitialAccessTokenRefused { why } => {
                write!(f, "the initial access token is refused: {why}")
            }
            CredentialReason::InitialAccessTokenStatusUnavailable { why, .. } => {
                write!(f, "the holder of the initial access token cannot be checked: {why}")
            }
            CredentialReason::InitialAccessTokenHasNoScope => {
                f.write_str("the access token is not one for registering clients")
            }
            CredentialReason::RegistrationTokenMissing => {
                f.write_str("send the registration access token as a bearer token")
            }
            CredentialReason::RegistrationTokenRefused { .. } => {
                f.write_str("the registration access token is not valid")
            }
        }
    }
}

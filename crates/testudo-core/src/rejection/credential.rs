//! What the caller shows of itself: client authentication, statements, and tokens for the registration endpoint.
//!
//! A caller whose authentication failed is told that and no more; what really happened is in the log.

use super::row::{BEARER, Row};
use crate::identity::Authority;
use std::fmt;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::JoseError;
use testudo_protocol::oauth::ErrorCode;
use testudo_protocol::spiffe::{SpiffeIdError, X509Error};

/// Why a credential proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialReason {
    /// The request carries no client authentication.
    NoCredential,
    /// A client secret, or HTTP authentication.
    UnsupportedMechanism,
    /// `client_assertion_type` names a type that is not supported.
    UnknownAssertionType,
    /// One of `client_assertion` and `client_assertion_type` is missing.
    MissingAssertion,
    /// The JWT is malformed, or its signature does not hold.
    Jose(JoseError),
    /// The certificate or its chain is refused.
    Certificate(X509Error),
    /// A certificate header of an address that is no trusted proxy.
    ForeignCertificateHeader,
    /// `typ` is one that this credential does not have.
    TypeNotAllowed {
        /// The value in the header of the token.
        found: Option<String>,
    },
    /// `alg` is one that this credential does not have, or the client did not register.
    AlgorithmNotAllowed {
        /// The value in the header of the token.
        found: String,
    },
    /// `sub` is no SPIFFE ID.
    SubjectNotSpiffeId(SpiffeIdError),
    /// `sub` is a trust domain, and no workload of it.
    SubjectHasNoPath,
    /// The trust domain or issuer is not configured.
    UnknownTrustDomain {
        /// The one that was named.
        authority: Authority,
    },
    /// No usable bundle of the trust domain is held: our own trouble, not the client's.
    BundleUnavailable {
        /// The trust domain.
        name: String,
    },
    /// No client that has keys of its own has this id.
    UnknownClient,
    /// The keys at a client's `jwks_uri` could not be fetched.
    ClientKeysUnavailable {
        /// What went wrong.
        why: String,
    },
    /// The credential was made for another audience.
    AudienceMismatch {
        /// The audience of this server.
        expected: String,
        /// Those of the credential.
        found: Vec<String>,
    },
    /// `exp` is over.
    AssertionExpired {
        /// When it was.
        expired: Timestamp,
    },
    /// `nbf`, or the beginning of a certificate, is to come.
    AssertionNotYetValid {
        /// When it will be.
        valid_from: Timestamp,
    },
    /// `iat` is to come.
    AssertionFromTheFuture {
        /// When it will be.
        issued: Timestamp,
    },
    /// The credential lives for longer than is allowed.
    LifetimeTooLong {
        /// From `iat`, or from now, to `exp`.
        seconds: i64,
        /// What is allowed.
        allowed: i64,
    },
    /// `iss` and `sub` of a client's assertion are not both its `client_id`. [RFC7523 §3]
    IssuerIsNotSubject,
    /// A single-use credential without `jti`.
    JwtIdMissing,
    /// `jti` is longer than is kept.
    JwtIdTooLong,
    /// `jti` has characters that are not seen in a list.
    JwtIdUnprintable,
    /// A single-use credential was used before.
    AssertionReplayed,
    /// Whether a single-use credential was used before is no longer known.
    MarkDropped {
        /// Until when such marks were kept.
        kept_until: Timestamp,
    },
    /// A statement without `iat`.
    IssuedAtMissing,
    /// Neither a statement nor a certificate was shown, and no client registers without.
    EvidenceMissing,
    /// Statement and certificate are of two identities.
    TwoIdentities,
    /// `iss` of a statement is not the one that the trust domain's statements have.
    StatementIssuerMismatch {
        /// The one that they have.
        expected: String,
    },
    /// The initial access token is not good, or its holder may not register clients.
    InitialAccessTokenRefused {
        /// What is wrong with it.
        why: String,
    },
    /// The access token is good, and not for registering clients.
    InitialAccessTokenHasNoScope,
    /// A registration is to be managed, and no token was sent. [RFC7592 §2]
    RegistrationTokenMissing,
    /// The registration access token opens nothing.
    RegistrationTokenRefused {
        /// It did, before another one took its place.
        is_superseded: bool,
    },
}

impl CredentialReason {
    pub(super) fn row(&self) -> Row {
        let of_token = |name, sentence| {
            Row::new(name, ErrorCode::InvalidToken, sentence).challenge("Bearer error=\"invalid_token\"")
        };
        let invalid_statement = "the software statement is not valid";
        match self {
            CredentialReason::NoCredential => Row::unproven("no_credential"),
            CredentialReason::UnsupportedMechanism => Row::unproven("unsupported_mechanism"),
            CredentialReason::UnknownAssertionType => Row::unproven("unknown_assertion_type"),
            CredentialReason::MissingAssertion => Row::unproven("missing_assertion"),
            CredentialReason::Jose(_) => Row::unproven("token_malformed_or_forged"),
            CredentialReason::Certificate(_) => Row::unproven("certificate_refused"),
            CredentialReason::ForeignCertificateHeader => Row::unproven("foreign_certificate_header"),
            CredentialReason::TypeNotAllowed { .. } => Row::unproven("type_not_allowed"),
            CredentialReason::AlgorithmNotAllowed { .. } => Row::unproven("algorithm_not_allowed"),
            CredentialReason::SubjectNotSpiffeId(_) => Row::unproven("subject_not_spiffe_id"),
            CredentialReason::SubjectHasNoPath => Row::unproven("subject_has_no_path"),
            CredentialReason::UnknownTrustDomain { .. } => Row::unproven("unknown_trust_domain"),
            // It is right to come again: a source of trust anchors that has nothing usable to give is asked every
            // five seconds.
            CredentialReason::BundleUnavailable { .. } => Row::new(
                "bundle_unavailable",
                ErrorCode::TemporarilyUnavailable,
                "this credential cannot be verified now, try again later",
            )
            .retry_after(5),
            CredentialReason::UnknownClient => Row::unproven("unknown_client"),
            CredentialReason::ClientKeysUnavailable { .. } => Row::unproven("client_keys_unavailable"),
            CredentialReason::AudienceMismatch { .. } => Row::unproven("audience_mismatch"),
            CredentialReason::AssertionExpired { .. } => Row::unproven("assertion_expired"),
            CredentialReason::AssertionNotYetValid { .. } => Row::unproven("assertion_not_yet_valid"),
            CredentialReason::AssertionFromTheFuture { .. } => Row::unproven("assertion_from_the_future"),
            CredentialReason::LifetimeTooLong { .. } => Row::unproven("lifetime_too_long"),
            CredentialReason::IssuerIsNotSubject => Row::unproven("issuer_is_not_subject"),
            CredentialReason::JwtIdMissing => Row::unproven("jwt_id_missing"),
            CredentialReason::JwtIdTooLong => Row::unproven("jwt_id_too_long"),
            CredentialReason::JwtIdUnprintable => Row::unproven("jwt_id_unprintable"),
            CredentialReason::AssertionReplayed => Row::unproven("assertion_replayed"),
            CredentialReason::MarkDropped { .. } => Row::unproven("mark_dropped"),
            CredentialReason::IssuedAtMissing => Row::unproven("issued_at_missing"),
            CredentialReason::EvidenceMissing => Row::unproven("evidence_missing")
                .sentence("show a software statement or a client certificate")
                .status(401)
                .challenge(BEARER),
            CredentialReason::TwoIdentities => Row::unproven("two_identities").sentence(invalid_statement),
            CredentialReason::StatementIssuerMismatch { .. } => {
                Row::unproven("statement_issuer_mismatch").sentence(invalid_statement)
            }
            CredentialReason::InitialAccessTokenRefused { .. } => of_token(
                "initial_access_token_refused",
                "the initial access token is not valid",
            ),
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
            CredentialReason::NoCredential => f.write_str("the request carries no client authentication"),
            CredentialReason::UnsupportedMechanism => {
                f.write_str("client secrets and HTTP authentication are not supported")
            }
            CredentialReason::UnknownAssertionType => f.write_str("client_assertion_type is unknown"),
            CredentialReason::MissingAssertion => {
                f.write_str("client_assertion or client_assertion_type is missing")
            }
            CredentialReason::Jose(fault) => write!(f, "{fault}"),
            CredentialReason::Certificate(fault) => write!(f, "{fault}"),
            CredentialReason::ForeignCertificateHeader => {
                f.write_str("a client certificate header came from an address that is no trusted proxy")
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
                f.write_str("sub names a whole trust domain, not a workload")
            }
            CredentialReason::UnknownTrustDomain { authority } => {
                write!(f, "the {} is not configured", authority.described())
            }
            CredentialReason::BundleUnavailable { name } => {
                write!(f, "no bundle of {name} is held, or it is past its maximum age")
            }
            CredentialReason::UnknownClient => f.write_str("no configured client has this id"),
            CredentialReason::ClientKeysUnavailable { why } => {
                write!(f, "the keys at the client's jwks_uri cannot be had: {why}")
            }
            CredentialReason::AudienceMismatch { expected, found } => {
                write!(
                    f,
                    "the audience is {found:?}, this server expects only {expected:?}"
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
            CredentialReason::LifetimeTooLong { seconds, allowed } => {
                write!(
                    f,
                    "the credential lives {seconds} s, at most {allowed} s are allowed"
                )
            }
            CredentialReason::IssuerIsNotSubject => f.write_str("iss and sub must both be the client's id"),
            CredentialReason::JwtIdMissing => {
                f.write_str("jti is missing, and this credential is single-use")
            }
            CredentialReason::JwtIdTooLong => f.write_str("jti is too long"),
            CredentialReason::JwtIdUnprintable => f.write_str("jti has control or invisible characters"),
            CredentialReason::AssertionReplayed => f.write_str("this single-use assertion was used before"),
            CredentialReason::MarkDropped { kept_until } => write!(
                f,
                "whether this single-use assertion was used before is no longer known: such marks were dropped up to {kept_until}, and the clock was set back since"
            ),
            CredentialReason::IssuedAtMissing => f.write_str("iat is missing, which a statement must have"),
            CredentialReason::EvidenceMissing => {
                f.write_str("show a software statement or a client certificate")
            }
            CredentialReason::TwoIdentities => {
                f.write_str("the statement and the certificate name two identities")
            }
            CredentialReason::StatementIssuerMismatch { expected } => {
                write!(f, "iss of the statement is not {expected}")
            }
            CredentialReason::InitialAccessTokenRefused { why } => {
                write!(f, "the initial access token: {why}")
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

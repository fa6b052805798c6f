//! Every reason to refuse a request, and what each means to the three audiences: the caller (a code and a
//! sentence), whoever can fix it (a hint), and the log (what really happened).

use crate::identity::CredentialKind;
use std::fmt;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::JoseFault;
use testudo_protocol::oauth::{ErrorCode, FormFault};
use testudo_protocol::spiffe::{SpiffeIdFault, X509Fault};

/// How far a registration request's software statement came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// There is none.
    Absent,
    /// It is not proven that a configured authority signed it.
    Unverified,
    /// Its signature held.
    Verified,
}

/// The caller's fault, but for a bundle that is missing here. One variant per reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences in detail() are the documentation")]
pub enum Rejection {
    // The request itself.
    NotAForm,
    MalformedForm(FormFault),
    BodyTooLarge,
    BodyLate,
    BodyEncoded,
    HostNotOne,
    HostInvalid,
    CredentialsInUrl,
    MissingGrantType,
    UnsupportedGrantType,
    MalformedClientId,
    TwoMechanisms,
    ClientIdMissing,
    ForeignCertificateHeader,
    BindingMissing {
        rule: String,
    },
    MalformedScope(&'static str),
    MalformedResource(&'static str),
    SeveralResources,

    // The credential.
    NoCredential,
    UnsupportedMechanism,
    UnknownAssertionType,
    MissingAssertion,
    Jose(JoseFault),
    Certificate(X509Fault),
    TypeNotAllowed {
        found: Option<String>,
    },
    AlgorithmNotAllowed {
        found: String,
    },
    SubjectNotSpiffeId(SpiffeIdFault),
    SubjectHasNoPath,
    UnknownTrustDomain {
        name: String,
    },
    BundleUnavailable {
        name: String,
    },
    UnknownClient,
    ClientKeysUnavailable {
        why: String,
    },
    AudienceMismatch {
        expected: String,
        found: Vec<String>,
    },
    AssertionExpired {
        expired: Timestamp,
    },
    AssertionNotYetValid {
        valid_from: Timestamp,
    },
    AssertionFromTheFuture {
        issued: Timestamp,
    },
    LifetimeTooLong {
        seconds: i64,
        allowed: i64,
    },
    IssuerIsNotSubject,
    JwtIdMissing,
    JwtIdTooLong,
    JwtIdUnprintable,
    AssertionReplayed,
    MarkDropped {
        kept_until: Timestamp,
    },
    IssuedAtMissing,

    // Registration.
    NotJson,
    MalformedJson,
    EvidenceMissing,
    TwoIdentities,
    StatementIssuerMismatch {
        expected: String,
    },
    PrivateKeyDisclosed,
    InitialAccessTokenRefused {
        why: String,
    },
    InitialAccessTokenHasNoScope,
    EvidenceNotTaken,
    RegistrationTokenMissing,
    RegistrationTokenRefused {
        is_superseded: bool,
    },
    ReplacementMalformed {
        problem: &'static str,
    },
    Metadata {
        member: &'static str,
        problem: &'static str,
    },
    RedirectUri {
        problem: &'static str,
    },

    // Admission, in the order of `admission`.
    AuthorityDisabled {
        name: String,
    },
    IdentityBlocked {
        by: String,
    },
    NoRule,
    RuleDisabled {
        rule: String,
    },
    CredentialNotAccepted {
        kind: CredentialKind,
        by: String,
    },
    ClientIdMismatch {
        expected: String,
    },
    ClientFrozen,
    FirstUseOff {
        by: String,
    },
    FirstUseObserved {
        by: String,
    },
    AttestedClaimMalformed {
        claim: &'static str,
    },
    GrantNotAllowed {
        rule: String,
    },
    ScopeNotAllowed {
        rule: String,
        refused: String,
    },
    ResourceNotAllowed {
        rule: String,
    },
    ClientIdClash {
        client_id: String,
    },
    ClientIdReserved {
        rule: String,
    },
    TooManyClients {
        limit: String,
    },
    TooFast {
        limit: String,
        retry_after_seconds: i64,
    },
}

/// What every failed client authentication says. One sentence, whatever the reason: who may not come in learns
/// nothing about which keys, trust domains or clients exist.
const CLIENT_AUTHENTICATION_FAILED: &str = "client authentication failed";

impl Rejection {
    /// The OAuth code. Exhaustive: a new reason must be thought about here.
    pub fn code(&self) -> ErrorCode {
        match self {
            Rejection::NotAForm
            | Rejection::MalformedForm(_)
            | Rejection::BodyTooLarge
            | Rejection::BodyLate
            | Rejection::BodyEncoded
            | Rejection::HostNotOne
            | Rejection::HostInvalid
            | Rejection::CredentialsInUrl
            | Rejection::MissingGrantType
            | Rejection::MalformedClientId
            | Rejection::TwoMechanisms
            | Rejection::ClientIdMissing
            | Rejection::NotJson
            | Rejection::ReplacementMalformed { .. }
            | Rejection::BindingMissing { .. } => ErrorCode::InvalidRequest,
            Rejection::InitialAccessTokenRefused { .. }
            | Rejection::RegistrationTokenMissing
            | Rejection::RegistrationTokenRefused { .. } => ErrorCode::InvalidToken,
            Rejection::InitialAccessTokenHasNoScope => ErrorCode::InsufficientScope,
            Rejection::MalformedJson | Rejection::Metadata { .. } | Rejection::PrivateKeyDisclosed => {
                ErrorCode::InvalidClientMetadata
            }
            Rejection::RedirectUri { .. } => ErrorCode::InvalidRedirectUri,
            Rejection::TwoIdentities | Rejection::StatementIssuerMismatch { .. } => {
                ErrorCode::InvalidSoftwareStatement
            }
            Rejection::UnsupportedGrantType => ErrorCode::UnsupportedGrantType,
            Rejection::MalformedScope(_) | Rejection::ScopeNotAllowed { .. } => ErrorCode::InvalidScope,
            Rejection::MalformedResource(_)
            | Rejection::SeveralResources
            | Rejection::ResourceNotAllowed { .. } => ErrorCode::InvalidTarget,
            Rejection::GrantNotAllowed { .. } => ErrorCode::UnauthorizedClient,
            Rejection::TooManyClients { .. } | Rejection::TooFast { .. } => ErrorCode::SlowDown,
            // Our own trouble, not the client's: it is right to come again.
            Rejection::BundleUnavailable { .. } => ErrorCode::TemporarilyUnavailable,
            Rejection::NoCredential
            | Rejection::UnsupportedMechanism
            | Rejection::UnknownAssertionType
            | Rejection::MissingAssertion
            | Rejection::Jose(_)
            | Rejection::Certificate(_)
            | Rejection::ForeignCertificateHeader
            | Rejection::TypeNotAllowed { .. }
            | Rejection::AlgorithmNotAllowed { .. }
            | Rejection::SubjectNotSpiffeId(_)
            | Rejection::SubjectHasNoPath
            | Rejection::UnknownTrustDomain { .. }
            | Rejection::UnknownClient
            | Rejection::ClientKeysUnavailable { .. }
            | Rejection::AudienceMismatch { .. }
            | Rejection::AssertionExpired { .. }
            | Rejection::AssertionNotYetValid { .. }
            | Rejection::AssertionFromTheFuture { .. }
            | Rejection::LifetimeTooLong { .. }
            | Rejection::IssuerIsNotSubject
            | Rejection::JwtIdMissing
            | Rejection::JwtIdTooLong
            | Rejection::JwtIdUnprintable
            | Rejection::AssertionReplayed
            | Rejection::MarkDropped { .. }
            | Rejection::IssuedAtMissing
            | Rejection::EvidenceMissing
            | Rejection::EvidenceNotTaken
            | Rejection::AuthorityDisabled { .. }
            | Rejection::IdentityBlocked { .. }
            | Rejection::NoRule
            | Rejection::RuleDisabled { .. }
            | Rejection::CredentialNotAccepted { .. }
            | Rejection::ClientIdMismatch { .. }
            | Rejection::ClientFrozen
            | Rejection::FirstUseOff { .. }
            | Rejection::FirstUseObserved { .. }
            | Rejection::AttestedClaimMalformed { .. }
            | Rejection::ClientIdReserved { .. }
            | Rejection::ClientIdClash { .. } => ErrorCode::InvalidClient,
        }
    }

    /// The OAuth code at the registration endpoint. What is wrong with a statement is one code, that nobody here
    /// approves of it another; a client that showed a certificate failed to authenticate; everything else is as
    /// elsewhere. [RFC7591 §3.2.2]
    pub fn code_at_registration(&self, statement: Statement) -> ErrorCode {
        match (self.code_of_statement(), statement) {
            (
                ErrorCode::InvalidSoftwareStatement | ErrorCode::UnapprovedSoftwareStatement,
                Statement::Absent,
            ) => ErrorCode::InvalidClient,
            // The server takes no statements at all: that is said of everybody's.
            (code, Statement::Unverified) if *self == Rejection::EvidenceNotTaken => code,
            // Before the signature held, the caller may be anybody, and whether a trust domain is known here or
            // switched off is not for anybody.
            (ErrorCode::UnapprovedSoftwareStatement, Statement::Unverified) => {
                ErrorCode::InvalidSoftwareStatement
            }
            (code, Statement::Absent | Statement::Unverified | Statement::Verified) => code,
        }
    }

    fn code_of_statement(&self) -> ErrorCode {
        match self {
            Rejection::AuthorityDisabled { .. }
            | Rejection::IdentityBlocked { .. }
            | Rejection::NoRule
            | Rejection::RuleDisabled { .. }
            | Rejection::CredentialNotAccepted { .. }
            | Rejection::ClientFrozen
            | Rejection::FirstUseOff { .. }
            | Rejection::FirstUseObserved { .. }
            | Rejection::EvidenceNotTaken
            | Rejection::ClientIdReserved { .. }
            | Rejection::ClientIdClash { .. } => ErrorCode::UnapprovedSoftwareStatement,
            Rejection::AttestedClaimMalformed {
                claim: "redirect_uris",
            } => ErrorCode::InvalidRedirectUri,
            Rejection::ClientIdMismatch { .. } | Rejection::AttestedClaimMalformed { .. } => {
                ErrorCode::InvalidClientMetadata
            }
            other => match other.code() {
                ErrorCode::InvalidClient => ErrorCode::InvalidSoftwareStatement,
                code => code,
            },
        }
    }

    /// The public sentence at the registration endpoint: one for each code that says something about trust.
    pub fn sentence_at_registration(&self, statement: Statement) -> &'static str {
        match self.code_at_registration(statement) {
            ErrorCode::UnapprovedSoftwareStatement => "the statement is not accepted here",
            ErrorCode::InvalidSoftwareStatement => "the software statement is not valid",
            ErrorCode::InvalidClientMetadata | ErrorCode::InvalidRedirectUri
                if self.public_sentence() == CLIENT_AUTHENTICATION_FAILED =>
            {
                "a member of the metadata is not acceptable"
            }
            _ => self.public_sentence(),
        }
    }

    /// The HTTP status, from the one table, but where HTTP has one of its own. [RFC9110 §15.5.14]
    pub fn status(&self) -> u16 {
        match self {
            Rejection::BodyTooLarge => 413,
            // [RFC9110 §15.5.16]
            Rejection::NotJson | Rejection::BodyEncoded => 415,
            // [RFC9110 §15.5.9]
            Rejection::BodyLate => 408,
            other => other.code().status(),
        }
    }

    /// The public sentence: safe to send, the same for every failed client authentication.
    pub fn public_sentence(&self) -> &'static str {
        match self {
            Rejection::NotAForm => "the body must be application/x-www-form-urlencoded in UTF-8",
            Rejection::MalformedForm(FormFault::NotText) => {
                "the form is not UTF-8 with correct percent-encoding"
            }
            Rejection::MalformedForm(FormFault::DuplicateParameter) => "a parameter is present twice",
            Rejection::MalformedForm(FormFault::TooManyParameters) => "the form has more than 64 parameters",
            Rejection::MalformedForm(FormFault::ControlCharacter) => {
                "a parameter contains a control character"
            }
            Rejection::BodyTooLarge => "the body is larger than 64 KiB",
            Rejection::BodyLate => "the body did not arrive in time",
            Rejection::BodyEncoded => "Content-Encoding is not supported: send the body as it is",
            Rejection::HostNotOne => "a request needs exactly one Host field, or over HTTP/2 an :authority",
            Rejection::HostInvalid => "Host must be a host with an optional port, and the same as :authority",
            Rejection::CredentialsInUrl => "parameters belong in the body, never in the URL",
            Rejection::MissingGrantType => "grant_type is missing",
            Rejection::UnsupportedGrantType => "this grant_type is not supported",
            Rejection::MalformedClientId => "client_id is not 1 to 2048 printable ASCII characters",
            Rejection::TwoMechanisms => "more than one client authentication mechanism was used",
            Rejection::ClientIdMissing => "client_id is required with a client certificate",
            Rejection::BindingMissing { .. } => "this client's tokens must be bound to a client certificate",
            Rejection::MalformedScope(_) => "scope is malformed",
            Rejection::ScopeNotAllowed { .. } => "a requested scope value is not allowed for this client",
            Rejection::MalformedResource(_) => "resource must be an absolute URI without fragment",
            Rejection::SeveralResources => "ask for one resource per token",
            Rejection::ResourceNotAllowed { .. } => "the requested resource is not allowed for this client",
            Rejection::GrantNotAllowed { .. } => "this client may not use this grant_type",
            Rejection::NotJson => "the body must be application/json",
            Rejection::MalformedJson => "the body is not one JSON object without duplicate members",
            Rejection::EvidenceMissing => "show a software statement or a client certificate",
            Rejection::TwoIdentities | Rejection::StatementIssuerMismatch { .. } => {
                "the software statement is not valid"
            }
            Rejection::InitialAccessTokenRefused { .. } => "the initial access token is not valid",
            Rejection::InitialAccessTokenHasNoScope => "the access token is not one for registering clients",
            Rejection::RegistrationTokenMissing => "send the registration access token as a bearer token",
            Rejection::RegistrationTokenRefused { .. } => "the registration access token is not valid",
            Rejection::ReplacementMalformed { problem } => problem,
            Rejection::PrivateKeyDisclosed => {
                "the jwks contains a private key: it is no longer secret, replace it"
            }
            Rejection::Metadata { problem, .. } | Rejection::RedirectUri { problem } => problem,
            Rejection::TooManyClients { .. } => "no further clients can be registered now",
            Rejection::TooFast { .. } => "too many new clients at once, try again later",
            Rejection::BundleUnavailable { .. } => "this credential cannot be verified now, try again later",
            _ => CLIENT_AUTHENTICATION_FAILED,
        }
    }

    /// `Retry-After`, seconds.
    pub fn retry_after_seconds(&self) -> Option<i64> {
        match self {
            Rejection::TooFast {
                retry_after_seconds, ..
            } => Some(*retry_after_seconds),
            // A source of trust anchors that has nothing usable to give is asked every five seconds.
            Rejection::BundleUnavailable { .. } => Some(5),
            // Room appears when a client is removed; nobody knows when.
            Rejection::TooManyClients { .. } => Some(60),
            _ => None,
        }
    }

    /// The name under which logs, events and counters know the reason.
    pub fn name(&self) -> &'static str {
        match self {
            Rejection::NotAForm => "not_a_form",
            Rejection::MalformedForm(_) => "malformed_form",
            Rejection::BodyTooLarge => "body_too_large",
            Rejection::BodyLate => "body_late",
            Rejection::BodyEncoded => "body_encoded",
            Rejection::HostNotOne => "host_not_one",
            Rejection::HostInvalid => "host_invalid",
            Rejection::CredentialsInUrl => "credentials_in_url",
            Rejection::MissingGrantType => "missing_grant_type",
            Rejection::UnsupportedGrantType => "unsupported_grant_type",
            Rejection::MalformedClientId => "malformed_client_id",
            Rejection::TwoMechanisms => "two_mechanisms",
            Rejection::ClientIdMissing => "client_id_missing",
            Rejection::BindingMissing { .. } => "binding_missing",
            Rejection::MalformedScope(_) => "malformed_scope",
            Rejection::MalformedResource(_) => "malformed_resource",
            Rejection::SeveralResources => "several_resources",
            Rejection::NoCredential => "no_credential",
            Rejection::UnsupportedMechanism => "unsupported_mechanism",
            Rejection::UnknownAssertionType => "unknown_assertion_type",
            Rejection::MissingAssertion => "missing_assertion",
            Rejection::Jose(_) => "token_malformed_or_forged",
            Rejection::Certificate(_) => "certificate_refused",
            Rejection::ForeignCertificateHeader => "foreign_certificate_header",
            Rejection::TypeNotAllowed { .. } => "type_not_allowed",
            Rejection::AlgorithmNotAllowed { .. } => "algorithm_not_allowed",
            Rejection::SubjectNotSpiffeId(_) => "subject_not_spiffe_id",
            Rejection::SubjectHasNoPath => "subject_has_no_path",
            Rejection::UnknownTrustDomain { .. } => "unknown_trust_domain",
            Rejection::BundleUnavailable { .. } => "bundle_unavailable",
            Rejection::UnknownClient => "unknown_client",
            Rejection::ClientKeysUnavailable { .. } => "client_keys_unavailable",
            Rejection::AudienceMismatch { .. } => "audience_mismatch",
            Rejection::AssertionExpired { .. } => "assertion_expired",
            Rejection::AssertionNotYetValid { .. } => "assertion_not_yet_valid",
            Rejection::AssertionFromTheFuture { .. } => "assertion_from_the_future",
            Rejection::LifetimeTooLong { .. } => "lifetime_too_long",
            Rejection::IssuerIsNotSubject => "issuer_is_not_subject",
            Rejection::JwtIdMissing => "jwt_id_missing",
            Rejection::JwtIdTooLong => "jwt_id_too_long",
            Rejection::JwtIdUnprintable => "jwt_id_unprintable",
            Rejection::AssertionReplayed => "assertion_replayed",
            Rejection::MarkDropped { .. } => "mark_dropped",
            Rejection::IssuedAtMissing => "issued_at_missing",
            Rejection::NotJson => "not_json",
            Rejection::MalformedJson => "malformed_json",
            Rejection::EvidenceMissing => "evidence_missing",
            Rejection::TwoIdentities => "two_identities",
            Rejection::StatementIssuerMismatch { .. } => "statement_issuer_mismatch",
            Rejection::PrivateKeyDisclosed => "private_key_disclosed",
            Rejection::InitialAccessTokenRefused { .. } => "initial_access_token_refused",
            Rejection::InitialAccessTokenHasNoScope => "initial_access_token_has_no_scope",
            Rejection::EvidenceNotTaken => "evidence_not_taken",
            Rejection::RegistrationTokenMissing => "registration_token_missing",
            Rejection::RegistrationTokenRefused { is_superseded: false } => "registration_token_refused",
            Rejection::RegistrationTokenRefused { is_superseded: true } => "registration_token_superseded",
            Rejection::ReplacementMalformed { .. } => "replacement_malformed",
            Rejection::Metadata { .. } => "metadata_refused",
            Rejection::RedirectUri { .. } => "redirect_uri_refused",
            Rejection::AuthorityDisabled { .. } => "authority_disabled",
            Rejection::IdentityBlocked { .. } => "identity_blocked",
            Rejection::NoRule => "no_rule",
            Rejection::RuleDisabled { .. } => "rule_disabled",
            Rejection::CredentialNotAccepted { .. } => "credential_not_accepted",
            Rejection::ClientIdMismatch { .. } => "client_id_mismatch",
            Rejection::ClientFrozen => "client_frozen",
            Rejection::FirstUseOff { .. } => "first_use_off",
            Rejection::FirstUseObserved { .. } => "first_use_observed",
            Rejection::AttestedClaimMalformed { .. } => "attested_claim_malformed",
            Rejection::GrantNotAllowed { .. } => "grant_not_allowed",
            Rejection::ScopeNotAllowed { .. } => "scope_not_allowed",
            Rejection::ResourceNotAllowed { .. } => "resource_not_allowed",
            Rejection::ClientIdClash { .. } => "client_id_clash",
            Rejection::ClientIdReserved { .. } => "client_id_reserved",
            Rejection::TooManyClients { .. } => "too_many_clients",
            Rejection::TooFast { .. } => "too_fast",
        }
    }

    /// How to fix it, for those who may know what happened: `explain`, `doctor`, events.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Rejection::AudienceMismatch { expected, .. } => {
                format!("ask the Workload API for audience `{expected}`")
            }
            Rejection::UnknownTrustDomain { name } => format!("add a [[trust_domains]] entry named `{name}`"),
            Rejection::BundleUnavailable { name } => {
                format!("run `testudo trust show {name}` for the last error")
            }
            Rejection::BindingMissing { .. } => "authenticate with an X.509-SVID over mutual TLS".into(),
            Rejection::NoRule => {
                "add a [[rules]] entry whose identities match, or check with `testudo rule test`".into()
            }
            Rejection::AuthorityDisabled { name } => format!("run `testudo trust enable {name}`"),
            Rejection::IdentityBlocked { by } => format!("run `testudo identity unblock '{by}'`"),
            Rejection::ClientFrozen => "run `testudo client thaw` with the client's id".into(),
            Rejection::FirstUseOff { by } | Rejection::FirstUseObserved { by } => {
                format!("set first_use = \"on\" for {by}")
            }
            Rejection::RuleDisabled { rule } => format!("set enabled = true in rule `{rule}`"),
            Rejection::ClientIdMismatch { expected } => format!("leave client_id out, or send `{expected}`"),
            Rejection::ScopeNotAllowed { rule, refused } => {
                format!("add `{refused}` to the scopes of rule `{rule}`, or ask for less")
            }
            Rejection::ResourceNotAllowed { rule } => format!("add the resource to rule `{rule}`"),
            Rejection::AssertionExpired { .. } => "fetch a fresh credential, and compare the clocks".into(),
            Rejection::MarkDropped { .. } => {
                "this server's clock was set back: compare it with a time server".into()
            }
            Rejection::AssertionFromTheFuture { .. } | Rejection::AssertionNotYetValid { .. } => {
                "compare the clocks of issuer and server".into()
            }
            Rejection::ClientIdClash { client_id } => {
                format!(
                    "`testudo client show '{client_id}'` says whose id it is; delete that client, or change the rule's client_id"
                )
            }
            Rejection::ClientIdReserved { rule } => {
                format!("begin the client_id of rule `{rule}` with a literal, as in \"workload-{{service}}\"")
            }
            Rejection::LifetimeTooLong { .. } => {
                "have credentials issued for a shorter life; for SVIDs, lifetime_max of the trust domain is the bound".into()
            }
            Rejection::CredentialNotAccepted { kind, by } => {
                format!("add \"{kind}\" to the credentials of {by}")
            }
            Rejection::TooManyClients { limit } => {
                format!("raise clients_max of {limit}, or remove unused clients")
            }
            Rejection::TooFast { limit, .. } => format!("raise registrations_per_minute of {limit}"),
            Rejection::Jose(JoseFault::NoKey) => {
                "the bundle has no such key: run `testudo trust refresh` if the issuer rotated a moment ago"
                    .into()
            }
            _ => return None,
        })
    }
}

/// What really happened, for logs and `explain`. Never sent to a caller; never holds a credential.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::NoCredential => f.write_str("the request carries no client authentication"),
            Rejection::UnsupportedMechanism => {
                f.write_str("client secrets and HTTP authentication are not supported")
            }
            Rejection::UnknownAssertionType => f.write_str("client_assertion_type is unknown"),
            Rejection::MissingAssertion => {
                f.write_str("client_assertion or client_assertion_type is missing")
            }
            Rejection::Jose(fault) => write!(f, "{fault}"),
            Rejection::Certificate(fault) => write!(f, "{fault}"),
            Rejection::ForeignCertificateHeader => {
                f.write_str("a client certificate header came from an address that is no trusted proxy")
            }
            Rejection::BindingMissing { rule } => {
                write!(
                    f,
                    "rule {rule} wants bound tokens, and the client showed no certificate"
                )
            }
            Rejection::TypeNotAllowed { found } => {
                write!(
                    f,
                    "typ {} is not allowed here",
                    found.as_deref().unwrap_or("(absent)").escape_debug()
                )
            }
            Rejection::AlgorithmNotAllowed { found } => {
                write!(f, "alg {} is not allowed here", found.escape_debug())
            }
            Rejection::SubjectNotSpiffeId(fault) => write!(f, "sub is not a SPIFFE ID: it {fault}"),
            Rejection::SubjectHasNoPath => f.write_str("sub names a whole trust domain, not a workload"),
            Rejection::UnknownTrustDomain { name } => write!(f, "the trust domain {name} is not configured"),
            Rejection::BundleUnavailable { name } => {
                write!(f, "no bundle of {name} is held, or it is past its maximum age")
            }
            Rejection::ClientKeysUnavailable { why } => {
                write!(f, "the keys at the client's jwks_uri cannot be had: {why}")
            }
            Rejection::UnknownClient => f.write_str("no configured client has this id"),
            Rejection::AudienceMismatch { expected, found } => {
                write!(
                    f,
                    "the audience is {found:?}, this server expects only {expected:?}"
                )
            }
            Rejection::AssertionExpired { expired } => write!(f, "the credential expired at {expired}"),
            Rejection::AssertionNotYetValid { valid_from } => {
                write!(f, "the credential is valid from {valid_from}")
            }
            Rejection::AssertionFromTheFuture { issued } => {
                write!(f, "the credential was issued at {issued}")
            }
            Rejection::LifetimeTooLong { seconds, allowed } => {
                write!(
                    f,
                    "the credential lives {seconds} s, at most {allowed} s are allowed"
                )
            }
            Rejection::IssuerIsNotSubject => f.write_str("iss and sub must both be the client's id"),
            Rejection::JwtIdMissing => f.write_str("jti is missing, and this credential is single-use"),
            Rejection::JwtIdTooLong => f.write_str("jti is too long"),
            Rejection::JwtIdUnprintable => f.write_str("jti has control or invisible characters"),
            Rejection::IssuedAtMissing => f.write_str("iat is missing, which a statement must have"),
            Rejection::TwoIdentities => f.write_str("the statement and the certificate name two identities"),
            Rejection::InitialAccessTokenRefused { why } => write!(f, "the initial access token: {why}"),
            Rejection::EvidenceNotTaken => f.write_str("registration by evidence is switched off"),
            Rejection::StatementIssuerMismatch { expected } => {
                write!(f, "iss of the statement is not {expected}")
            }
            Rejection::Metadata { member, problem } => write!(f, "{member}: {problem}"),
            Rejection::AssertionReplayed => f.write_str("this single-use assertion was used before"),
            Rejection::MarkDropped { kept_until } => write!(
                f,
                "whether this single-use assertion was used before is no longer known: such marks were dropped up to {kept_until}, and the clock was set back since"
            ),
            Rejection::AuthorityDisabled { name } => write!(f, "{name} is disabled"),
            Rejection::IdentityBlocked { by } => write!(f, "the identity is blocked by {by}"),
            Rejection::NoRule => f.write_str("no rule governs this identity"),
            Rejection::RuleDisabled { rule } => write!(f, "rule {rule} is disabled"),
            Rejection::CredentialNotAccepted { kind, by } => write!(f, "{by} does not accept {kind}"),
            Rejection::ClientIdMismatch { expected } => {
                write!(
                    f,
                    "client_id in the request is not that of the credential, {expected}"
                )
            }
            Rejection::ClientFrozen => f.write_str("the client is frozen"),
            Rejection::FirstUseOff { by } => write!(f, "the identity is new, and first use is off for {by}"),
            Rejection::FirstUseObserved { by } => {
                write!(f, "the identity is new, and first use is only observed for {by}")
            }
            Rejection::AttestedClaimMalformed { claim } => {
                write!(f, "the attested claim {claim} is malformed")
            }
            Rejection::GrantNotAllowed { rule } => write!(f, "rule {rule} does not allow this grant"),
            Rejection::ScopeNotAllowed { rule, refused } => {
                write!(f, "rule {rule} does not allow scope {refused}")
            }
            Rejection::ResourceNotAllowed { rule } => write!(f, "rule {rule} does not allow this resource"),
            Rejection::ClientIdClash { client_id } => {
                write!(f, "another identity already has client_id {client_id}")
            }
            Rejection::ClientIdReserved { rule } => write!(
                f,
                "the client_id that rule {rule} makes has a form that no rule gives, or more than 2048 bytes"
            ),
            Rejection::TooManyClients { limit } => write!(f, "clients_max of {limit} is reached"),
            Rejection::TooFast {
                limit,
                retry_after_seconds,
            } => {
                write!(
                    f,
                    "registrations_per_minute of {limit} is used up for {retry_after_seconds} s"
                )
            }
            other => f.write_str(other.public_sentence()),
        }
    }
}

//! A proven identity is not welcome, or may not have what it asks for; in the order of `admission`.
//!
//! Who is not welcome is told the same as a caller that proved nothing, but where a client registers.

use super::metadata::MetadataReason;
use super::row::{AtManagement, OfStatement, Row};
use crate::identity::CredentialKind;
use std::fmt;
use testudo_protocol::oauth::ErrorCode;

/// Why an identity does not get what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmissionReason {
    /// Registration by statement or certificate is switched off.
    EvidenceNotTaken,
    /// An administrator disabled the authority.
    AuthorityDisabled {
        /// Its name.
        name: String,
    },
    /// An administrator blocked the identity.
    IdentityBlocked {
        /// The pattern of the block.
        by: String,
    },
    /// No rule governs the identity.
    NoRule,
    /// The rule that governs is switched off.
    RuleDisabled {
        /// Its name.
        rule: String,
    },
    /// Trust domain or rule do not take this kind of credential.
    CredentialNotAccepted {
        /// The kind that was shown.
        kind: CredentialKind,
        /// Who does not take it.
        by: String,
    },
    /// `client_id` in the request is another one than the client's.
    ClientIdMismatch {
        /// The client's.
        expected: String,
    },
    /// An administrator froze the client.
    ClientFrozen,
    /// The identity is new, and may not register by its first request.
    FirstUseOff {
        /// Where that is said.
        by: String,
    },
    /// The identity is new, and first uses are only observed.
    FirstUseObserved {
        /// Where that is said.
        by: String,
    },
    /// A claim that the authority may state of its clients is not what that member may be.
    AttestedClaimMalformed(MetadataReason),
    /// The rule does not give this grant.
    GrantNotAllowed {
        /// Its name.
        rule: String,
    },
    /// The rule does not give this scope.
    ScopeNotAllowed {
        /// Its name.
        rule: String,
        /// The first value that it does not give.
        refused: String,
    },
    /// The rule does not give tokens for this resource.
    ResourceNotAllowed {
        /// Its name.
        rule: String,
    },
    /// Tokens must be bound, and no certificate was shown.
    BindingMissing {
        /// Who demands that.
        rule: String,
    },
    /// Another identity has the `client_id` that the rule makes.
    ClientIdClash {
        /// The id.
        client_id: String,
    },
    /// The `client_id` that the rule's template makes has a form that is reserved for other kinds of client.
    ClientIdReserved {
        /// Its name.
        rule: String,
    },
    /// There are as many clients as there may be.
    TooManyClients {
        /// Which limit.
        limit: String,
    },
    /// Clients are registered faster than they may be.
    TooFast {
        /// Which limit.
        limit: String,
        /// When there will be room for one.
        retry_after_seconds: i64,
    },
}

impl AdmissionReason {
    pub(super) fn row(&self) -> Row {
        let closed = |name| Row::unwelcome(name).at_management(AtManagement::Closed);
        match self {
            AdmissionReason::EvidenceNotTaken => {
                Row::unwelcome("evidence_not_taken").of_statement(OfStatement::NoneIsTaken)
            }
            AdmissionReason::AuthorityDisabled { .. } => closed("authority_disabled"),
            AdmissionReason::IdentityBlocked { .. } => {
                Row::unwelcome("identity_blocked").at_management(AtManagement::NoSuchClient)
            }
            AdmissionReason::NoRule => closed("no_rule"),
            AdmissionReason::RuleDisabled { .. } => closed("rule_disabled"),
            AdmissionReason::CredentialNotAccepted { .. } => closed("credential_not_accepted"),
            AdmissionReason::ClientIdMismatch { .. } => {
                let sentence = "client_id must be left out, or be the client's own";
                Row::unwelcome("client_id_mismatch").of_statement(OfStatement::Member(
                    ErrorCode::InvalidClientMetadata,
                    sentence.into(),
                ))
            }
            AdmissionReason::ClientFrozen => closed("client_frozen"),
            AdmissionReason::FirstUseOff { .. } => Row::unwelcome("first_use_off"),
            AdmissionReason::FirstUseObserved { .. } => Row::unwelcome("first_use_observed"),
            AdmissionReason::AttestedClaimMalformed(reason) => {
                let sentence = format!("as attested, {reason}");
                Row::unwelcome("attested_claim_malformed")
                    .of_statement(OfStatement::Member(reason.row().code, sentence.into()))
            }
            AdmissionReason::GrantNotAllowed { .. } => Row::new(
                "grant_not_allowed",
                ErrorCode::UnauthorizedClient,
                "this client may not use this grant_type",
            ),
            AdmissionReason::ScopeNotAllowed { .. } => Row::new(
                "scope_not_allowed",
                ErrorCode::InvalidScope,
                "a requested scope value is not allowed for this client",
            ),
            AdmissionReason::ResourceNotAllowed { .. } => Row::new(
                "resource_not_allowed",
                ErrorCode::InvalidTarget,
                "the requested resource is not allowed for this client",
            ),
            AdmissionReason::BindingMissing { .. } => Row::new(
                "binding_missing",
                ErrorCode::InvalidRequest,
                "this client's tokens must be bound to a client certificate",
            ),
            AdmissionReason::ClientIdClash { .. } => Row::unwelcome("client_id_clash"),
            AdmissionReason::ClientIdReserved { .. } => Row::unwelcome("client_id_reserved"),
            // Room appears when a client is removed; nothing says when that will be.
            AdmissionReason::TooManyClients { .. } => Row::new(
                "too_many_clients",
                ErrorCode::SlowDown,
                "no further clients can be registered now",
            )
            .retry_after(60),
            AdmissionReason::TooFast {
                retry_after_seconds, ..
            } => Row::new(
                "too_fast",
                ErrorCode::SlowDown,
                "too many new clients at once, try again later",
            )
            .retry_after(*retry_after_seconds),
        }
    }
}

impl fmt::Display for AdmissionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdmissionReason::EvidenceNotTaken => f.write_str("registration by evidence is switched off"),
            AdmissionReason::AuthorityDisabled { name } => write!(f, "{name} is disabled"),
            AdmissionReason::IdentityBlocked { by } => write!(f, "the identity is blocked by {by}"),
            AdmissionReason::NoRule => f.write_str("no rule governs this identity"),
            AdmissionReason::RuleDisabled { rule } => write!(f, "rule {rule} is disabled"),
            AdmissionReason::CredentialNotAccepted { kind, by } => write!(f, "{by} does not accept {kind}"),
            AdmissionReason::ClientIdMismatch { expected } => {
                write!(
                    f,
                    "client_id in the request is not that of the credential, {expected}"
                )
            }
            AdmissionReason::ClientFrozen => f.write_str("the client is frozen"),
            AdmissionReason::FirstUseOff { by } => {
                write!(f, "the identity is new, and first use is off for {by}")
            }
            AdmissionReason::FirstUseObserved { by } => {
                write!(f, "the identity is new, and first use is only observed for {by}")
            }
            AdmissionReason::AttestedClaimMalformed(reason) => {
                write!(f, "a claim that the attester states is refused: {reason}")
            }
            AdmissionReason::GrantNotAllowed { rule } => write!(f, "rule {rule} does not allow this grant"),
            AdmissionReason::ScopeNotAllowed { rule, refused } => {
                write!(f, "rule {rule} does not allow scope {refused}")
            }
            AdmissionReason::ResourceNotAllowed { rule } => {
                write!(f, "rule {rule} does not allow this resource")
            }
            AdmissionReason::BindingMissing { rule } => {
                write!(
                    f,
                    "rule {rule} wants bound tokens, and the client showed no certificate"
                )
            }
            AdmissionReason::ClientIdClash { client_id } => {
                write!(f, "another identity already has client_id {client_id}")
            }
            AdmissionReason::ClientIdReserved { rule } => write!(
                f,
                "the client_id that rule {rule} makes has a form that no rule gives, or more than 2048 bytes"
            ),
            AdmissionReason::TooManyClients { limit } => write!(f, "clients_max of {limit} is reached"),
            AdmissionReason::TooFast {
                limit,
                retry_after_seconds,
            } => write!(
                f,
                "registrations_per_minute of {limit} is used up for {retry_after_seconds} s"
            ),
        }
    }
}

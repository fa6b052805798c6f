//! Reasons to refuse a proven identity, or its request, in the order of the steps of `admission`.
//!
//! At the token endpoint, a refused identity receives the same answer as a caller without a valid credential; at the
//! registration endpoint, the answer is different.

use super::Rejection;
use super::metadata::MetadataReason;
use super::row::{AtManagement, Exceeded, Row, StatementEffect};
use crate::identity::{Authority, CredentialKind, SenderConstraint};
use std::fmt;
use testudo_protocol::oauth::ErrorCode;
use testudo_protocol::printable::excerpt;

/// Why the request of a proven identity is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmissionReason {
    /// Registration by statement or certificate is disabled in the configuration.
    EvidenceNotTaken,
    /// An administrator disabled the authority.
    AuthorityDisabled {
        /// The trust domain or issuer.
        authority: Authority,
    },
    /// An administrator blocked the identity.
    IdentityBlocked {
        /// The pattern of the block.
        by: String,
    },
    /// No rule governs the identity.
    NoRule,
    /// The rule that matches the identity requires another value of a claim.
    ClaimDiffers(Box<ClaimDifference>),
    /// The rule that matches the identity requires claims, and those of its credential were not stored.
    ClaimsUnknown {
        /// Its name.
        rule: String,
    },
    /// The verifiable credential of the sponsor that registered the client is not accepted any more.
    SponsorCredential {
        /// The identity of the sponsor.
        sponsor: String,
        /// The reason to refuse its credential.
        why: Box<Rejection>,
    },
    /// The rule that governs the identity is disabled.
    RuleDisabled {
        /// Its name.
        rule: String,
    },
    /// The authority or the rule does not accept this kind of credential.
    CredentialNotAccepted {
        /// The kind of the credential.
        kind: CredentialKind,
        /// What does not accept it.
        by: NotAcceptedBy,
    },
    /// `client_id` in the request is not the id of the client.
    ClientIdMismatch {
        /// What the request has.
        sent: String,
        /// The id of the client.
        expected: String,
    },
    /// An administrator froze the client.
    ClientFrozen {
        /// The id of the client.
        client_id: String,
    },
    /// The identity is unknown, and first use is off.
    FirstUseOff {
        /// The authority or rule that has this setting.
        by: String,
    },
    /// The identity is unknown, and first uses are only observed.
    FirstUseObserved {
        /// The authority or rule that has this setting.
        by: String,
    },
    /// A claim that the authority states about its client is not a valid value of that member.
    AttestedClaimMalformed(MetadataReason),
    /// The rule does not allow this grant.
    GrantNotAllowed {
        /// Its name.
        rule: String,
    },
    /// The rule does not allow this scope.
    ScopeNotAllowed {
        /// Its name.
        rule: String,
        /// The first scope value that is not allowed.
        refused: String,
    },
    /// The rule does not allow tokens for this resource.
    ResourceNotAllowed {
        /// Its name.
        rule: String,
        /// The resource.
        refused: String,
    },
    /// Tokens of this client must be bound to a key or a certificate, and the request proved none.
    BindingMissing {
        /// The rule that governs the client.
        rule: String,
        /// What the tokens must be bound to.
        constraint: SenderConstraint,
    },
    /// Another identity has the `client_id` that the rule makes.
    ClientIdClash {
        /// The id.
        client_id: String,
    },
    /// The `client_id` that the template of the rule makes has a form that is reserved for other kinds of client.
    ClientIdReserved {
        /// Its name.
        rule: String,
    },
    /// The maximum number of clients is reached.
    TooManyClients {
        /// The limit that is exceeded.
        limit: String,
    },
    /// The rate limit for new clients is exceeded.
    TooFast {
        /// The key of the configuration that sets the limit.
        setting: &'static str,
        /// The limit that is exceeded.
        limit: String,
        /// After this time another client can be registered.
        retry_after_seconds: i64,
    },
}

/// A claim that does not have the value that a rule requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimDifference {
    /// The name of the rule.
    pub rule: String,
    /// The claim, as the rule names it.
    pub claim: String,
    /// The value that the rule requires.
    pub expected: String,
    /// The value in the credential, as JSON.
    pub found: Option<String>,
}

/// What does not accept a kind of credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAcceptedBy {
    /// The authority of the identity.
    Authority(Authority),
    /// The rule with this name.
    Rule(String),
    /// The registration of the client, which names one kind.
    Registration,
}

impl fmt::Display for NotAcceptedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotAcceptedBy::Authority(authority) => f.write_str(&authority.described()),
            NotAcceptedBy::Rule(rule) => write!(f, "rule `{rule}`"),
            NotAcceptedBy::Registration => f.write_str("the client's own registration"),
        }
    }
}

impl AdmissionReason {
    pub(super) fn row(&self) -> Row {
        let closed = |name| Row::not_admitted(name).at_management(AtManagement::Closed);
        match self {
            AdmissionReason::EvidenceNotTaken => {
                Row::not_admitted("evidence_not_taken").statement_effect(StatementEffect::NoneIsTaken)
            }
            AdmissionReason::AuthorityDisabled { .. } => closed("authority_disabled"),
            AdmissionReason::IdentityBlocked { .. } => {
                Row::not_admitted("identity_blocked").at_management(AtManagement::NoSuchClient)
            }
            AdmissionReason::NoRule => closed("no_rule"),
            AdmissionReason::ClaimDiffers(_) => closed("claim_differs"),
            AdmissionReason::ClaimsUnknown { .. } => closed("claims_unknown"),
            AdmissionReason::SponsorCredential { .. } => closed("sponsor_credential_refused"),
            AdmissionReason::RuleDisabled { .. } => closed("rule_disabled"),
            AdmissionReason::CredentialNotAccepted { .. } => closed("credential_not_accepted"),
            AdmissionReason::ClientIdMismatch { .. } => {
                let sentence = "client_id must be left out, or be the client's own";
                Row::not_admitted("client_id_mismatch").statement_effect(StatementEffect::Member(
                    ErrorCode::InvalidClientMetadata,
                    sentence.into(),
                ))
            }
            AdmissionReason::ClientFrozen { .. } => closed("client_frozen"),
            AdmissionReason::FirstUseOff { .. } => Row::not_admitted("first_use_off"),
            AdmissionReason::FirstUseObserved { .. } => Row::not_admitted("first_use_observed"),
            AdmissionReason::AttestedClaimMalformed(reason) => {
                let sentence = format!("as attested, {reason}");
                Row::not_admitted("attested_claim_malformed")
                    .statement_effect(StatementEffect::Member(reason.row().code, sentence.into()))
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
            // [RFC9449 §5] A client whose tokens must be bound to a key must send a proof.
            AdmissionReason::BindingMissing { constraint, .. } => Row::new(
                "binding_missing",
                match constraint {
                    SenderConstraint::Dpop => ErrorCode::InvalidDpopProof,
                    SenderConstraint::Mtls | SenderConstraint::Any | SenderConstraint::None => {
                        ErrorCode::InvalidRequest
                    }
                },
                format!("this client's tokens must be bound to {constraint}"),
            ),
            AdmissionReason::ClientIdClash { .. } => Row::not_admitted("client_id_clash"),
            AdmissionReason::ClientIdReserved { .. } => Row::not_admitted("client_id_reserved"),
            // There is no `Retry-After`, because it is not known when a client will be removed.
            AdmissionReason::TooManyClients { .. } => Row::new(
                "too_many_clients",
                ErrorCode::SlowDown,
                "no further clients can be registered now",
            )
            .exceeds(Exceeded::Count)
            .retry_after(60),
            AdmissionReason::TooFast {
                retry_after_seconds, ..
            } => Row::new(
                "too_fast",
                ErrorCode::SlowDown,
                "too many new clients at once, try again later",
            )
            .exceeds(Exceeded::Rate)
            .retry_after(*retry_after_seconds),
        }
    }
}

impl fmt::Display for AdmissionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdmissionReason::EvidenceNotTaken => f.write_str("registration by evidence is disabled"),
            AdmissionReason::AuthorityDisabled { authority } => {
                write!(f, "the {} is disabled", authority.described())
            }
            AdmissionReason::IdentityBlocked { by } => write!(f, "the identity is blocked by {by}"),
            AdmissionReason::NoRule => f.write_str("no rule governs this identity"),
            AdmissionReason::ClaimDiffers(difference) => {
                let ClaimDifference {
                    rule,
                    claim,
                    expected,
                    found,
                } = &**difference;
                write!(
                    f,
                    "rule {rule} requires the claim {claim} = {expected}, and the credential has "
                )?;
                match found {
                    Some(found) => f.write_str(&excerpt(found)),
                    None => f.write_str("no such claim"),
                }
            }
            AdmissionReason::ClaimsUnknown { rule } => write!(
                f,
                "rule {rule} requires claims, and the claims of the credential of this identity are not stored"
            ),
            AdmissionReason::SponsorCredential { sponsor, why } => write!(
                f,
                "the verifiable credential of the sponsor {sponsor}, which registered the client, is refused: {why}"
            ),
            AdmissionReason::RuleDisabled { rule } => write!(f, "rule {rule} is disabled"),
            AdmissionReason::CredentialNotAccepted { kind, by } => write!(f, "{by} does not accept {kind}"),
            AdmissionReason::ClientIdMismatch { sent, expected } => {
                write!(
                    f,
                    "client_id in the request is {}, and the credential proves the client {expected}",
                    excerpt(sent)
                )
            }
            AdmissionReason::ClientFrozen { .. } => f.write_str("the client is frozen"),
            AdmissionReason::FirstUseOff { by } => {
                write!(f, "the identity is unknown, and first use is off for {by}")
            }
            AdmissionReason::FirstUseObserved { by } => {
                write!(
                    f,
                    "the identity is unknown, and first use is only observed for {by}"
                )
            }
            AdmissionReason::AttestedClaimMalformed(reason) => {
                write!(f, "a claim that the attester states is refused: {reason}")
            }
            AdmissionReason::GrantNotAllowed { rule } => write!(f, "rule {rule} does not allow this grant"),
            AdmissionReason::ScopeNotAllowed { rule, refused } => {
                write!(f, "rule {rule} does not allow scope {refused}")
            }
            AdmissionReason::ResourceNotAllowed { rule, refused } => {
                write!(f, "rule {rule} does not allow resource {}", excerpt(refused))
            }
            AdmissionReason::BindingMissing { rule, constraint } => {
                write!(
                    f,
                    "tokens of this client (rule {rule}) must be bound to {constraint}, and the request proved none"
                )
            }
            AdmissionReason::ClientIdClash { client_id } => {
                write!(f, "another identity already has client_id {client_id}")
            }
            AdmissionReason::ClientIdReserved { rule } => write!(
                f,
                "the client_id that rule {rule} makes has a reserved form, or more than 2048 bytes"
            ),
            AdmissionReason::TooManyClients { limit } => write!(f, "clients_max of {limit} is reached"),
            AdmissionReason::TooFast {
                setting,
                limit,
                retry_after_seconds,
            } => write!(f, "{setting} of {limit} is used up for {retry_after_seconds} s"),
        }
    }
}

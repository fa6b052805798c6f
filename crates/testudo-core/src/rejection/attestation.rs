//! Reasons to refuse an attestation or the proof of its key. [ABCA §7.4]
//!
//! For the attestation itself the sentence is that of every failed client authentication, so that a caller cannot learn
//! which attesters exist. For the proof, which the sender made itself, it names what is wrong.

use super::Rejection;
use super::credential::CredentialReason;
use super::row::{Fresh, Row};
use super::workload_proof::WorkloadProofReason;
use crate::identity::Authority;
use std::fmt;
use testudo_protocol::jose::KeyError;
use testudo_protocol::oauth::ErrorCode;
use testudo_protocol::oauth::attestation_pop::AttestationPopError;
use testudo_protocol::{Seconds, Timestamp};

/// Why an attestation, or the proof of its key, is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttestationReason {
    /// `typ` is not that of a supported kind of attestation.
    WrongType,
    /// The attestation is malformed, or its signature or a claim is wrong.
    Refused(CredentialReason),
    /// `iss` is that of no attester, and `kid` that of none or of several.
    UnknownAttester,
    /// A WIT-SVID has no `kid`. [WIT-SVID §2]
    KeyIdMissing,
    /// A WIT-SVID has `aud`. [WIT-SVID §3]
    AudiencePresent,
    /// `cnf.jwk` of a WIT-SVID has no `alg`, or one that a WIT-SVID must not have. [WIT-SVID §3.2]
    ConfirmationAlgorithm,
    /// `sub` is not a `client_id`.
    SubjectRefused,
    /// `exp` is in the past.
    Expired {
        /// `exp`.
        expired: Timestamp,
    },
    /// The attestation is older than this server accepts, or can be used for longer.
    TooOld {
        /// `attestation_age_max` of the attester.
        age_max: Seconds,
    },
    /// `cnf.jwk` is not a public key that a client may have.
    ConfirmationKey(KeyError),
    /// `cnf` has a thumbprint that is not that of its key.
    ConfirmationsDiffer,
    /// The request has an attestation and no proof of its key.
    ProofMissing,
    /// The request has a PoP header and no attestation.
    ProofWithoutAttestation,
    /// The PoP is malformed, or is not for this server.
    Pop(AttestationPopError),
    /// The PoP was used before.
    PopReplayed,
    /// The PoP has no challenge, and the attester's entry requires one.
    ChallengeMissing,
    /// The challenge of the PoP is too old, or is not from this server.
    ChallengeNotAccepted,
    /// The entry of the issuer of the client's credential does not list the attester.
    AttesterNotOfIssuer {
        /// The issuer of the credential.
        issuer: Authority,
        /// The attester.
        attester: Authority,
    },
    /// The attested key is not the key of the client, which its credential names.
    OtherKeyAttested {
        /// The client.
        client_id: String,
    },
    /// The rule requires an attestation beside the client's own authentication, and the request has none. [ABCA §7.6]
    Required {
        /// The rule.
        rule: String,
    },
    /// The attestation beside the client's own authentication is not by an attester that its rule names.
    AttesterNotOfRule {
        /// The rule.
        rule: String,
        /// The attester.
        attester: Authority,
    },
    /// The attestation beside the client's own authentication names another client.
    OtherClientAttested {
        /// `sub` of the attestation.
        attested: String,
        /// The client.
        client_id: String,
    },
    /// The DPoP proof that takes the place of a PoP is signed with another key than the attested one.
    KeyNotAttested,
    /// The Workload Proof Token is refused.
    WorkloadProof(WorkloadProofReason),
}

impl AttestationReason {
    /// The refusal of a check that all credentials share, for an attestation. Missing keys are no fault of it.
    pub(crate) fn of(rejection: Rejection) -> Rejection {
        let is_fault_of_keys = matches!(
            rejection,
            Rejection::Credential(CredentialReason::BundleUnavailable { .. })
        );
        match rejection {
            Rejection::Credential(reason) if !is_fault_of_keys => AttestationReason::Refused(reason).into(),
            Rejection::Request(_)
            | Rejection::Credential(_)
            | Rejection::Attestation(_)
            | Rejection::Proof(_)
            | Rejection::Metadata(_)
            | Rejection::Grant(_)
            | Rejection::Admission(_)
            | Rejection::SignIn(_)
            | Rejection::Authorization(_) => rejection,
        }
    }

    pub(super) fn row(&self) -> Row {
        let proof = |name, sentence| Row::new(name, ErrorCode::InvalidClientAttestation, sentence);
        let challenge = |name, sentence| {
            Row::new(name, ErrorCode::UseAttestationChallenge, sentence).fresh(Fresh::AttestationChallenge)
        };
        let not_fresh = |name| {
            let sentence = "the attestation is too old: get a new one from the attester";
            Row::new(name, ErrorCode::UseFreshAttestation, sentence)
        };
        match self {
            AttestationReason::WrongType => Row::unattested("attestation_type_not_allowed"),
            AttestationReason::Refused(CredentialReason::UnknownAuthority { .. }) => {
                Row::unattested("wit_svid_of_unknown_trust_domain")
            }
            AttestationReason::Refused(_) => Row::unattested("attestation_malformed_or_forged"),
            AttestationReason::UnknownAttester => Row::unattested("unknown_attester"),
            AttestationReason::KeyIdMissing => Row::unattested("wit_svid_without_kid"),
            AttestationReason::AudiencePresent => Row::unattested("wit_svid_with_audience"),
            AttestationReason::ConfirmationAlgorithm => Row::unattested("confirmation_algorithm_refused"),
            AttestationReason::SubjectRefused => Row::unattested("attestation_subject_refused"),
            AttestationReason::Expired { .. } => not_fresh("attestation_expired"),
            AttestationReason::TooOld { .. } => not_fresh("attestation_too_old"),
            AttestationReason::ConfirmationKey(_) => Row::unattested("confirmation_key_refused"),
            AttestationReason::ConfirmationsDiffer => Row::unattested("confirmations_differ"),
            AttestationReason::ProofMissing => proof(
                "attestation_proof_missing",
                "OAuth-Client-Attestation needs OAuth-Client-Attestation-PoP, or a DPoP proof with the attested key",
            ),
            AttestationReason::ProofWithoutAttestation => Row::new(
                "attestation_pop_alone",
                ErrorCode::InvalidRequest,
                "OAuth-Client-Attestation-PoP needs OAuth-Client-Attestation",
            ),
            AttestationReason::Pop(error) => proof("attestation_pop_refused", pop_sentence(error)),
            AttestationReason::PopReplayed => proof(
                "attestation_pop_replayed",
                "the attestation PoP was used before: send a new one",
            ),
            AttestationReason::ChallengeMissing => challenge(
                "attestation_challenge_missing",
                "the attestation PoP needs the challenge of the OAuth-Client-Attestation-Challenge header field of this answer",
            ),
            AttestationReason::ChallengeNotAccepted => challenge(
                "attestation_challenge_not_accepted",
                "the challenge of the attestation PoP is too old: use that of the OAuth-Client-Attestation-Challenge header field of this answer",
            ),
            AttestationReason::Required { .. } => proof(
                "attestation_required",
                "this client must send OAuth-Client-Attestation beside its own authentication",
            ),
            AttestationReason::AttesterNotOfRule { .. } => proof(
                "attester_not_of_rule",
                "this client needs an attestation of another attester",
            ),
            AttestationReason::AttesterNotOfIssuer { .. } => proof(
                "attester_not_of_issuer",
                "this client needs an attestation of another attester",
            ),
            AttestationReason::OtherKeyAttested { .. } => proof(
                "other_key_attested",
                "the attestation must be of the key that the credential of the client names",
            ),
            AttestationReason::OtherClientAttested { .. } => proof(
                "other_client_attested",
                "sub of the attestation must be the client_id of the client that authenticates",
            ),
            AttestationReason::KeyNotAttested => proof(
                "dpop_key_not_attested",
                "without OAuth-Client-Attestation-PoP, the DPoP proof must be signed with the attested key",
            ),
            AttestationReason::WorkloadProof(reason) => reason.row(),
        }
    }
}

/// The sentence for the sender. It contains nothing of the proof.
fn pop_sentence(error: &AttestationPopError) -> &'static str {
    match error {
        AttestationPopError::Jose(_) => {
            "the attestation PoP is not a JWT with aud, jti and iat that verifies with the attested key"
        }
        AttestationPopError::WrongType => {
            "typ of the attestation PoP must be oauth-client-attestation-pop+jwt"
        }
        AttestationPopError::WrongAudience => {
            "aud of the attestation PoP must be the issuer identifier of this server, and nothing else"
        }
        AttestationPopError::JwtIdRefused => "jti of the attestation PoP must be a short text",
        AttestationPopError::TooOld { .. } | AttestationPopError::FromTheFuture { .. } => {
            "iat of the attestation PoP must be the present time: check the clock, and make a PoP for each request"
        }
    }
}

impl fmt::Display for AttestationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttestationReason::WrongType => f.write_str("typ is not that of an attestation"),
            AttestationReason::Refused(reason) => write!(f, "the attestation is refused: {reason}"),
            AttestationReason::UnknownAttester => f.write_str(
                "iss of the attestation is that of no configured attester, and its kid that of none or of several",
            ),
            AttestationReason::KeyIdMissing => f.write_str("the WIT-SVID has no kid"),
            AttestationReason::AudiencePresent => f.write_str("the WIT-SVID has aud, which it must not have"),
            AttestationReason::ConfirmationAlgorithm => {
                f.write_str("cnf.jwk of the WIT-SVID has no alg, or one that WIT-SVIDs must not have")
            }
            AttestationReason::SubjectRefused => f.write_str("sub of the attestation is not a client_id"),
            AttestationReason::Expired { expired } => write!(f, "the attestation expired at {expired}"),
            AttestationReason::TooOld { age_max } => write!(
                f,
                "the attestation is older than {} s, or has no iat and can be used for longer than that",
                age_max.0
            ),
            AttestationReason::ConfirmationKey(error) => {
                write!(f, "cnf.jwk of the attestation is refused: {error}")
            }
            AttestationReason::ConfirmationsDiffer => {
                f.write_str("cnf.jkt of the attestation is not the thumbprint of cnf.jwk")
            }
            AttestationReason::ProofMissing => {
                f.write_str("the request has an attestation and no proof of the attested key")
            }
            AttestationReason::ProofWithoutAttestation => {
                f.write_str("the request has an attestation PoP and no attestation")
            }
            AttestationReason::Pop(error) => write!(f, "the attestation PoP is refused: {error}"),
            AttestationReason::PopReplayed => f.write_str("the attestation PoP was used before"),
            AttestationReason::ChallengeMissing => {
                f.write_str("the attestation PoP has no challenge, and the entry of the attester requires one")
            }
            AttestationReason::ChallengeNotAccepted => f.write_str(
                "the challenge of the attestation PoP is older than five minutes, or is not from this server",
            ),
            AttestationReason::Required { rule } => {
                write!(f, "rule `{rule}` requires an attestation beside the client's own authentication")
            }
            AttestationReason::AttesterNotOfRule { rule, attester } => {
                write!(f, "`attested_by` of rule `{rule}` does not name {}", attester.described())
            }
            AttestationReason::AttesterNotOfIssuer { issuer, attester } => {
                write!(f, "`attesters` of {} does not name {}", issuer.described(), attester.described())
            }
            AttestationReason::OtherKeyAttested { client_id } => {
                write!(f, "the attested key is not the one with which client `{client_id}` registers or registered")
            }
            AttestationReason::OtherClientAttested { attested, client_id } => {
                write!(f, "the attestation is for client `{attested}`, and client `{client_id}` authenticates")
            }
            AttestationReason::KeyNotAttested => {
                f.write_str("the DPoP proof is signed with another key than the attested one")
            }
            AttestationReason::WorkloadProof(reason) => write!(f, "{reason}"),
        }
    }
}

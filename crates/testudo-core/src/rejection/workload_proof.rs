//! Reasons to refuse a Workload Proof Token. [WPT §2] Its sender made it, so the sentence names what is wrong.

use super::row::Row;
use std::fmt;
use testudo_protocol::oauth::ErrorCode;
use testudo_protocol::oauth::workload_proof::WorkloadProofError;

/// Why a Workload Proof Token is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkloadProofReason {
    /// It is the only proof of the request, and the configuration does not enable it.
    Off,
    /// The request has more than one, or one that is not a JWT.
    NotOne,
    /// The request has a PoP as well.
    BesidePop,
    /// The credential of the request is not a WIT-SVID.
    WithoutWit,
    /// The trust domain requires a challenge.
    ChallengeRequired,
    /// It is malformed, or is not for this request.
    Refused(WorkloadProofError),
    /// It was used before.
    Replayed,
}

impl WorkloadProofReason {
    pub(super) fn row(&self) -> Row {
        let proof = |name, sentence| Row::new(name, ErrorCode::InvalidClientAttestation, sentence);
        let request = |name, sentence| Row::new(name, ErrorCode::InvalidRequest, sentence);
        match self {
            WorkloadProofReason::Off => proof(
                "workload_proof_off",
                "this server accepts no Workload-Proof-Token: send OAuth-Client-Attestation-PoP, or a DPoP proof with the key of the WIT-SVID",
            ),
            WorkloadProofReason::NotOne => request(
                "workload_proof_not_one",
                "Workload-Proof-Token must be one header field with one JWT",
            ),
            WorkloadProofReason::BesidePop => request(
                "workload_proof_beside_pop",
                "send either Workload-Proof-Token or OAuth-Client-Attestation-PoP",
            ),
            WorkloadProofReason::WithoutWit => request(
                "workload_proof_without_wit",
                "Workload-Proof-Token needs a WIT-SVID in OAuth-Client-Attestation",
            ),
            WorkloadProofReason::ChallengeRequired => proof(
                "workload_proof_without_challenge",
                "a challenge is required, which a Workload-Proof-Token cannot contain: send OAuth-Client-Attestation-PoP",
            ),
            WorkloadProofReason::Refused(error) => proof("workload_proof_refused", sentence(error)),
            WorkloadProofReason::Replayed => proof(
                "workload_proof_replayed",
                "the Workload-Proof-Token was used before: send a new one",
            ),
        }
    }
}

/// The sentence for the sender. It contains nothing of the proof.
fn sentence(error: &WorkloadProofError) -> &'static str {
    match error {
        WorkloadProofError::Jose(_) => {
            "the Workload-Proof-Token is not a JWT with aud, exp, jti and wth that verifies with the key of the WIT-SVID"
        }
        WorkloadProofError::WrongType => "typ of the Workload-Proof-Token must be wpt+jwt",
        WorkloadProofError::WrongUri { .. } => {
            "aud of the Workload-Proof-Token must be the token endpoint, and nothing else"
        }
        WorkloadProofError::JwtIdRefused => "jti of the Workload-Proof-Token must be a short text",
        WorkloadProofError::Expired { .. } | WorkloadProofError::TooLong { .. } => {
            "exp of the Workload-Proof-Token must be within two minutes from now: check the clock, and make one for each request"
        }
        WorkloadProofError::WrongWit => {
            "wth of the Workload-Proof-Token must be the SHA-256 of the WIT-SVID in the request"
        }
        WorkloadProofError::OtherToken => {
            "the Workload-Proof-Token must not have ath, tth or oth: the request has no other token"
        }
    }
}

impl fmt::Display for WorkloadProofReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkloadProofReason::Off => f.write_str(
                "the only proof is a Workload-Proof-Token, which the configuration does not enable",
            ),
            WorkloadProofReason::NotOne => {
                f.write_str("Workload-Proof-Token is there twice, or is not one JWT")
            }
            WorkloadProofReason::BesidePop => {
                f.write_str("the request has a Workload-Proof-Token and an attestation PoP")
            }
            WorkloadProofReason::WithoutWit => {
                f.write_str("the request has a Workload-Proof-Token and no WIT-SVID")
            }
            WorkloadProofReason::ChallengeRequired => f.write_str(
                "the trust domain requires a challenge, which a Workload-Proof-Token cannot contain",
            ),
            WorkloadProofReason::Refused(error) => write!(f, "the Workload-Proof-Token is refused: {error}"),
            WorkloadProofReason::Replayed => f.write_str("the Workload-Proof-Token was used before"),
        }
    }
}

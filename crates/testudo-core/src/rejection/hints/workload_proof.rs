//! Hints for Workload Proof Tokens.

use crate::rejection::WorkloadProofReason;
use std::borrow::Cow;
use testudo_protocol::oauth::workload_proof::WorkloadProofError;

pub(in crate::rejection) fn of_workload_proof(reason: &WorkloadProofReason) -> Cow<'static, str> {
    match reason {
        WorkloadProofReason::Off => {
            "set workload_proof_token = \"draft-02\" in [experiments], or have the workload send OAuth-Client-Attestation-PoP".into()
        }
        WorkloadProofReason::NotOne | WorkloadProofReason::BesidePop | WorkloadProofReason::WithoutWit => {
            "the workload must send one WIT-SVID with one proof of its key (docs/doors/wit-svid.md)".into()
        }
        WorkloadProofReason::ChallengeRequired => {
            "set challenge = \"none\" in the entry of the trust domain, or have the workload send OAuth-Client-Attestation-PoP".into()
        }
        WorkloadProofReason::Refused(WorkloadProofError::WrongUri { expected, .. }) => format!(
            "the workload must set aud to {expected}: check the URL that it uses, and `issuer` of this server"
        )
        .into(),
        WorkloadProofReason::Refused(WorkloadProofError::Expired { .. } | WorkloadProofError::TooLong { .. }) => {
            "compare the clocks of workload and server with a time server; the workload must make a new proof for each request".into()
        }
        WorkloadProofReason::Refused(
            WorkloadProofError::Jose(_)
            | WorkloadProofError::WrongType
            | WorkloadProofError::JwtIdRefused
            | WorkloadProofError::WrongWit
            | WorkloadProofError::OtherToken,
        ) => "the answer contains this sentence: correct how the workload makes its proof (docs/doors/wit-svid.md)".into(),
        WorkloadProofReason::Replayed => {
            "the workload must make a new proof with a new jti for each request; if it does, a proof was stolen".into()
        }
    }
}

//! The proofs of a request as received.

use crate::rejection::{ProofReason, Rejection, RequestReason, WorkloadProofReason};
use testudo_protocol::oauth::is_token68;

/// The proofs in the header of a request. They are never logged.
#[derive(Default)]
pub struct PresentedProofs {
    dpop: Vec<String>,
    attestation_pops: Vec<String>,
    workload_proofs: Vec<String>,
}

impl PresentedProofs {
    /// The values of the header fields `DPoP` and `OAuth-Client-Attestation-PoP`.
    pub fn new(dpop: Vec<String>, attestation_pops: Vec<String>) -> PresentedProofs {
        PresentedProofs {
            dpop,
            attestation_pops,
            workload_proofs: Vec::new(),
        }
    }

    /// The same, with the values of the header fields `Workload-Proof-Token`.
    #[must_use]
    pub fn with_workload_proofs(self, workload_proofs: Vec<String>) -> PresentedProofs {
        PresentedProofs {
            workload_proofs,
            ..self
        }
    }

    /// The DPoP proof. [RFC9449 §4.3 (1)] There must not be more than one.
    pub(super) fn dpop(&self) -> Result<Option<&str>, Rejection> {
        match self.dpop.as_slice() {
            [] => Ok(None),
            [proof] => Ok(Some(proof)),
            _ => Err(ProofReason::DpopRepeated.into()),
        }
    }

    /// The PoP of an attestation. [ABCA §7.2 (1)] There must not be more than one.
    pub(super) fn attestation_pop(&self) -> Result<Option<&str>, Rejection> {
        match self.attestation_pops.as_slice() {
            [] => Ok(None),
            [pop] if is_token68(pop) => Ok(Some(pop)),
            _ => Err(RequestReason::AttestationNotOne.into()),
        }
    }

    /// The Workload Proof Token. [WPT §2] There must not be more than one.
    pub(super) fn workload_proof(&self) -> Result<Option<&str>, Rejection> {
        match self.workload_proofs.as_slice() {
            [] => Ok(None),
            [proof] if is_token68(proof) => Ok(Some(proof)),
            _ => Err(WorkloadProofReason::NotOne.into()),
        }
    }

    /// True if the request has a header field `Workload-Proof-Token`, whether or not it is enabled.
    pub(super) fn has_workload_proof(&self) -> bool {
        !self.workload_proofs.is_empty()
    }
}

//! The proofs of a request as received.

use crate::rejection::{ProofReason, Rejection, RequestReason};
use testudo_protocol::oauth::is_token68;

/// The proofs in the header of a request. They are never logged.
#[derive(Default)]
pub struct PresentedProofs {
    dpop: Vec<String>,
    attestation_pops: Vec<String>,
}

impl PresentedProofs {
    /// The values of the header fields `DPoP` and `OAuth-Client-Attestation-PoP`.
    pub fn new(dpop: Vec<String>, attestation_pops: Vec<String>) -> PresentedProofs {
        PresentedProofs {
            dpop,
            attestation_pops,
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
}

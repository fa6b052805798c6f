//! The proofs of a request as received.

use crate::rejection::{ProofReason, Rejection};

/// The proofs in the header of a request. They are never logged.
#[derive(Default)]
pub struct PresentedProofs {
    dpop: Vec<String>,
}

impl PresentedProofs {
    /// The values of the header fields `DPoP`.
    pub fn new(dpop: Vec<String>) -> PresentedProofs {
        PresentedProofs { dpop }
    }

    /// The DPoP proof. [RFC9449 §4.3 (1)] There must not be more than one.
    pub(super) fn dpop(&self) -> Result<Option<&str>, Rejection> {
        match self.dpop.as_slice() {
            [] => Ok(None),
            [proof] => Ok(Some(proof)),
            _ => Err(ProofReason::DpopRepeated.into()),
        }
    }

    /// True if the request has no proof.
    pub fn is_empty(&self) -> bool {
        self.dpop.is_empty()
    }
}

//! The Workload Proof Token: the workload proves the key of its WIT-SVID. It is an alternative to the PoP while the draft
//! is an experiment of the configuration. [WPT §2]

use super::{Possession, ProofTerms};
use crate::identity::SingleUse;
use crate::policy::ChallengeUse;
use crate::rejection::{Rejection, WorkloadProofReason};
use crate::trace::Trace;
use testudo_protocol::jose::ProofKey;
use testudo_protocol::oauth::workload_proof::{VerifiedWorkloadProof, WorkloadProofExpectation};

/// Verifies a Workload Proof Token with the key that the credential names.
pub(super) fn verify(
    proof: &str,
    key: Option<&ProofKey>,
    terms: ProofTerms<'_>,
    possession: &mut Possession,
    trace: &mut Trace,
) -> Result<(), Rejection> {
    let identity = terms
        .identity
        .filter(|identity| identity.kind.takes_workload_proof());
    let wit = identity.and_then(|identity| identity.proof.digest.as_ref());
    let (Some(key), Some(wit)) = (key, wit) else {
        return Err(WorkloadProofReason::WithoutWit.into());
    };
    if terms.challenge_of_attested_key() == ChallengeUse::Required {
        return Err(WorkloadProofReason::ChallengeRequired.into());
    }
    let expected = WorkloadProofExpectation {
        key,
        wit,
        uris: terms.uris,
    };
    let verified =
        VerifiedWorkloadProof::verify(proof, expected, terms.now).map_err(WorkloadProofReason::Refused)?;
    trace.passed("Workload Proof Token", || format!("jti {}", verified.jwt_id));
    // Another workload cannot make a proof with this key, so `jti` must be unique for the key.
    let mark = SingleUse::of(
        &[b"workload proof", key.thumbprint(), verified.jwt_id.as_bytes()],
        verified.expires,
    );
    possession.add_used(mark, WorkloadProofReason::Replayed);
    Ok(())
}

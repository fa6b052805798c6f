//! The proof of the holder in a verifiable credential: that it was made for this registration. [RFC9901 §7.3]
//!
//! The door verified its signature, its audience and its age. Here its nonce is checked, and marked as used.

use super::{Possession, ProofTerms};
use crate::identity::SingleUse;
use crate::policy::ChallengeUse;
use crate::rejection::{Rejection, VerifiableReason};
use crate::trace::Trace;
use testudo_protocol::credentials::key_binding::{HOLDER_PROOF_AGE_MAX, HolderProof};
use testudo_protocol::oauth::server_nonce::NONCE_LIFETIME;

/// Checks the nonce of the proof. It may be used once: a proof that was copied on its way is of no use.
pub(super) fn verify(
    proof: &HolderProof,
    key: [u8; 32],
    terms: ProofTerms<'_>,
    possession: &mut Possession,
    trace: &mut Trace,
) -> Result<(), Rejection> {
    let nonce = proof.nonce.as_bytes();
    let is_ours = terms.nonces.accepts_for_registration(&proof.nonce, terms.now);
    let mark = match (is_ours, terms.challenge()) {
        (true, ChallengeUse::Required | ChallengeUse::None) => {
            SingleUse::of(&[b"registration nonce", nonce], terms.now + NONCE_LIFETIME)
        }
        (false, ChallengeUse::Required) => return Err(VerifiableReason::NonceNotAccepted.into()),
        // The holder chose the nonce: the proof as a whole may be used once, as long as its age is accepted.
        (false, ChallengeUse::None) => {
            let parts: [&[u8]; 4] = [b"holder proof", &key, nonce, &proof.issued.0.to_be_bytes()];
            SingleUse::of(&parts, proof.issued + HOLDER_PROOF_AGE_MAX)
        }
    };
    trace.passed("proof of the holder", || format!("made at {}", proof.issued));
    possession.add_used(mark, VerifiableReason::ProofReplayed);
    Ok(())
}

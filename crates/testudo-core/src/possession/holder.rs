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
    match terms.challenge() {
        ChallengeUse::Required if !is_ours => return Err(VerifiableReason::NonceNotAccepted.into()),
        ChallengeUse::Required => {}
        // The holder may choose the nonce: the proof as a whole may be used once, as long as its age is accepted. Also
        // one with a nonce of this server, which may end before the proof does.
        ChallengeUse::None => {
            let parts: [&[u8]; 4] = [b"holder proof", &key, nonce, &proof.issued.0.to_be_bytes()];
            let mark = SingleUse::of(&parts, proof.issued + HOLDER_PROOF_AGE_MAX);
            possession.add_used(mark, VerifiableReason::ProofReplayed);
        }
    }
    if is_ours {
        let mark = SingleUse::of(&[b"registration nonce", nonce], terms.now + NONCE_LIFETIME);
        possession.add_used(mark, VerifiableReason::ProofReplayed);
    }
    trace.passed("proof of the holder", || format!("made at {}", proof.issued));
    Ok(())
}

//! The PoP of an attestation: the sender proves the attested key. [ABCA §5.1]

use super::{Possession, ProofTerms};
use crate::identity::SingleUse;
use crate::policy::ChallengeUse;
use crate::rejection::{AttestationReason, Rejection};
use crate::trace::Trace;
use testudo_protocol::jose::ProofKey;
use testudo_protocol::oauth::attestation_pop::VerifiedAttestationPop;
use testudo_protocol::oauth::server_nonce::NoncePurpose;

/// Verifies a PoP with the attested key.
pub(super) fn verify(
    pop: &str,
    key: &ProofKey,
    terms: ProofTerms<'_>,
    possession: &mut Possession,
    trace: &mut Trace,
) -> Result<(), Rejection> {
    let verified = VerifiedAttestationPop::verify(pop, key, terms.policy.issuer.as_str(), terms.now)
        .map_err(AttestationReason::Pop)?;
    check_challenge(&verified, terms)?;
    trace.passed("attestation PoP", || format!("jti {}", verified.jwt_id));
    // [ABCA §12.1] Another client cannot make a PoP with this key, so `jti` must be unique for the key.
    let mark = SingleUse::of(
        &[b"attestation pop", key.thumbprint(), verified.jwt_id.as_bytes()],
        verified.accepted_until(),
    );
    possession.add_used(mark, AttestationReason::PopReplayed);
    Ok(())
}

/// [ABCA §7.2 (5)] A challenge shows that the PoP was not made in advance. A challenge that is sent must be valid even if
/// none is required.
fn check_challenge(verified: &VerifiedAttestationPop, terms: ProofTerms<'_>) -> Result<(), Rejection> {
    let purpose = NoncePurpose::AttestationChallenge;
    match &verified.challenge {
        None if terms.challenge_of_attested_key() == ChallengeUse::Required => {
            Err(AttestationReason::ChallengeMissing.into())
        }
        None => Ok(()),
        Some(challenge) if terms.nonces.accepts(purpose, challenge, terms.now) => Ok(()),
        Some(_) => Err(AttestationReason::ChallengeNotAccepted.into()),
    }
}

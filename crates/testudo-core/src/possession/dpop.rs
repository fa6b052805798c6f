//! DPoP: the sender proves the key to which its token is bound. [RFC9449 §5]

use super::{Possession, ProofTerms};
use crate::identity::SingleUse;
use crate::rejection::{ProofReason, Rejection};
use crate::trace::Trace;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use testudo_protocol::oauth::dpop::{DpopExpectation, DpopProof, VerifiedDpop};
use testudo_protocol::oauth::server_nonce::NoncePurpose;

/// Verifies a proof at an endpoint of this server. `is_nonce_required`: a proof without a nonce is refused.
pub(super) fn verify(
    proof: &str,
    is_nonce_required: bool,
    terms: ProofTerms<'_>,
    possession: &mut Possession,
    trace: &mut Trace,
) -> Result<VerifiedDpop, Rejection> {
    let expected = DpopExpectation {
        method: terms.method,
        uris: terms.uris,
        access_token: terms.access_token,
    };
    let verified = DpopProof::parse_with(proof, terms.keys)
        .and_then(|parsed| parsed.verify(expected, terms.now))
        .map_err(ProofReason::Dpop)?;
    check_nonce(&verified, is_nonce_required, terms)?;
    trace.passed("DPoP proof", || {
        format!("key {}", URL_SAFE_NO_PAD.encode(verified.thumbprint))
    });
    possession.dpop_key = Some(verified.thumbprint);
    // [RFC9449 §11.1] Another client cannot make a proof with this key, so `jti` must be unique for the key.
    let mark = SingleUse::of(
        &[b"dpop", &verified.thumbprint, verified.jwt_id.as_bytes()],
        verified.accepted_until(),
    );
    possession.add_used(mark, ProofReason::DpopReplayed);
    Ok(verified)
}

/// [RFC9449 §8] A nonce shows that the proof was not made in advance. A nonce that is sent must be valid even if none
/// is required.
fn check_nonce(verified: &VerifiedDpop, is_required: bool, terms: ProofTerms<'_>) -> Result<(), Rejection> {
    match &verified.nonce {
        None if is_required => Err(ProofReason::DpopNonceMissing.into()),
        None => Ok(()),
        Some(nonce) if terms.nonces.accepts(NoncePurpose::Dpop, nonce, terms.now) => Ok(()),
        Some(_) => Err(ProofReason::DpopNonceNotAccepted.into()),
    }
}

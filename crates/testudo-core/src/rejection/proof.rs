//! Reasons to refuse a proof of possession. The answer names what is wrong, because the sender made the proof itself.

use super::row::{Fresh, Row};
use std::fmt;
use testudo_protocol::oauth::ErrorCode;
use testudo_protocol::oauth::dpop::DpopError;

/// Why a proof of possession is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofReason {
    /// The request has more than one `DPoP` header field. [RFC9449 §4.3]
    DpopRepeated,
    /// The request has an access token with the scheme DPoP, and no proof. [RFC9449 §7.1]
    DpopMissing,
    /// The DPoP proof is malformed, or is not for this request.
    Dpop(DpopError),
    /// The DPoP proof has no nonce, and this server requires one. [RFC9449 §8]
    DpopNonceMissing,
    /// The nonce of the DPoP proof is too old, or is not from this server.
    DpopNonceNotAccepted,
    /// The DPoP proof was used before. [RFC9449 §11.1]
    DpopReplayed,
    /// The client sends more single-use proofs than one client may.
    ShareUsed {
        /// After this time the client may send another one.
        retry_after_seconds: i64,
    },
}

impl ProofReason {
    pub(super) fn row(&self) -> Row {
        let dpop = |name, sentence| Row::new(name, ErrorCode::InvalidDpopProof, sentence);
        let nonce =
            |name, sentence| Row::new(name, ErrorCode::UseDpopNonce, sentence).fresh(Fresh::DpopNonce);
        match self {
            ProofReason::DpopRepeated => dpop("dpop_repeated", "send one DPoP header field"),
            ProofReason::DpopMissing => {
                dpop("dpop_missing", "a token with the scheme DPoP needs a DPoP proof")
            }
            ProofReason::Dpop(error) => dpop("dpop_refused", dpop_sentence(error)),
            ProofReason::DpopNonceMissing => nonce(
                "dpop_nonce_missing",
                "the DPoP proof needs the nonce of the DPoP-Nonce header field of this answer",
            ),
            ProofReason::DpopNonceNotAccepted => nonce(
                "dpop_nonce_not_accepted",
                "the nonce of the DPoP proof is too old: use that of the DPoP-Nonce header field of this answer",
            ),
            ProofReason::ShareUsed { retry_after_seconds } => Row::new(
                "proof_share_used",
                ErrorCode::SlowDown,
                "this client sends too many proofs: use a token until it expires",
            )
            .retry_after(*retry_after_seconds),
            ProofReason::DpopReplayed => {
                dpop("dpop_replayed", "the DPoP proof was used before: send a new one")
            }
        }
    }
}

/// The sentence for the sender. It contains nothing of the proof.
fn dpop_sentence(error: &DpopError) -> &'static str {
    match error {
        DpopError::Jose(_) => {
            "the DPoP proof is not a JWT that verifies with the key in its jwk header parameter"
        }
        DpopError::WrongType => "typ of the DPoP proof must be dpop+jwt",
        DpopError::AlgorithmRefused => {
            "alg of the DPoP proof must be one of dpop_signing_alg_values_supported in the metadata"
        }
        DpopError::KeyMissing => "the DPoP proof has no jwk header parameter",
        DpopError::Key(_) => "jwk of the DPoP proof must be a public signature key without private members",
        DpopError::JwtIdRefused => "jti of the DPoP proof must be a short text",
        DpopError::WrongMethod => "htm of the DPoP proof must be the method of the request",
        DpopError::WrongUri { .. } => {
            "htu of the DPoP proof must be the URL of this endpoint as in the metadata"
        }
        DpopError::TooOld { .. } | DpopError::FromTheFuture { .. } => {
            "iat of the DPoP proof must be the present time: check the clock, and make a proof for each request"
        }
        DpopError::WrongToken => "ath of the DPoP proof must be the hash of the access token",
    }
}

impl fmt::Display for ProofReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProofReason::DpopRepeated => f.write_str("the request has more than one DPoP header field"),
            ProofReason::DpopMissing => {
                f.write_str("the request has an access token with the scheme DPoP, and no DPoP proof")
            }
            ProofReason::Dpop(error) => write!(f, "the DPoP proof is refused: {error}"),
            ProofReason::DpopNonceMissing => {
                f.write_str("the DPoP proof has no nonce, and tokens.dpop_nonce requires one")
            }
            ProofReason::DpopNonceNotAccepted => f.write_str(
                "the nonce of the DPoP proof is older than five minutes, or is not from this server",
            ),
            ProofReason::DpopReplayed => f.write_str("the DPoP proof was used before"),
            ProofReason::ShareUsed { .. } => {
                f.write_str("the client sends more single-use proofs than one client may")
            }
        }
    }
}

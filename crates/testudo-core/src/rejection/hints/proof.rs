//! Hints for proofs of possession.

use crate::rejection::ProofReason;
use std::borrow::Cow;
use testudo_protocol::oauth::dpop::DpopError;

pub(in crate::rejection) fn of_proof(reason: &ProofReason) -> Cow<'static, str> {
    match reason {
        ProofReason::DpopRepeated => "the client or a proxy sends the DPoP header twice: send one proof".into(),
        ProofReason::DpopMissing => {
            "the client must send a DPoP proof with the hash of the token (ath) in each request".into()
        }
        ProofReason::Dpop(DpopError::WrongUri { expected, .. }) => format!(
            "the client must set htu to {expected}: check the URL that the client uses, and `issuer` of this server"
        )
        .into(),
        ProofReason::Dpop(DpopError::TooOld { .. } | DpopError::FromTheFuture { .. }) => {
            "compare the clocks of client and server with a time server; the client must make a new proof for each request".into()
        }
        ProofReason::Dpop(
            DpopError::Jose(_)
            | DpopError::WrongType
            | DpopError::AlgorithmRefused
            | DpopError::KeyMissing
            | DpopError::Key(_)
            | DpopError::JwtIdRefused
            | DpopError::WrongMethod
            | DpopError::WrongToken,
        ) => "the answer contains this sentence: correct how the client makes its DPoP proofs (docs/doors/dpop.md)".into(),
        ProofReason::DpopNonceMissing | ProofReason::DpopNonceNotAccepted => {
            "the client must repeat the request once, with a proof that has the nonce of the answer's DPoP-Nonce header".into()
        }
        ProofReason::ShareUsed { .. } => {
            "the client must keep its token until it expires: it requests a new one for every call, or hundreds of instances share it".into()
        }
        ProofReason::DpopReplayed => {
            "the client must make a new proof with a new jti for each request; if it does, a proof was stolen".into()
        }
    }
}

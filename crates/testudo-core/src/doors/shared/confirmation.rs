//! What credentials share that name the key of their holder in `cnf`. [RFC7800 §3.1]

use super::claims::check_times;
use crate::rejection::{AttestationReason, CredentialReason, Rejection};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::{JoseError, Jwk, ProofKey};

/// The claim `cnf`. [RFC7800 §3.1]
#[derive(Deserialize)]
pub(crate) struct Confirmation {
    jwk: Box<Jwk>,
    jkt: Option<String>,
}

/// [ABCA §7.1 (5)] The key that the sender must prove: a public key by the rules for keys of clients. If `cnf` names a
/// key twice, it must be the same one.
pub(crate) fn confirmed(cnf: &Confirmation) -> Result<ProofKey, Rejection> {
    let key = ProofKey::from_jwk(&cnf.jwk).map_err(AttestationReason::ConfirmationKey)?;
    if cnf.jkt.as_ref().is_some_and(|jkt| *jkt != shown(&key)) {
        return Err(AttestationReason::ConfirmationsDiffer.into());
    }
    Ok(key)
}

/// The thumbprint of the key, as `jkt` has it.
pub(crate) fn shown(key: &ProofKey) -> String {
    URL_SAFE_NO_PAD.encode(key.thumbprint())
}

/// [ABCA §7.1 (6)] `exp`, `nbf` and `iat`. The client can get a fresh attestation only if it learns that it needs one.
/// [ABCA §7.4]
pub(crate) fn check_fresh(
    expires: Timestamp,
    not_before: Option<Timestamp>,
    issued: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), Rejection> {
    if now >= expires {
        return Err(AttestationReason::Expired { expired: expires }.into());
    }
    check_times(expires, not_before, issued, now).map_err(AttestationReason::of)
}

/// The refusal of a malformed or forged attestation.
pub(crate) fn refused(error: JoseError) -> Rejection {
    AttestationReason::Refused(CredentialReason::Jose(error)).into()
}

//! The proof of the holder of an SD-JWT: a KB-JWT. [RFC9901 §4.3] [RFC9901 §7.3]

use super::disclosures::DisclosureHash;
use super::sd_jwt::SdJwt;
use super::{CredentialError, refuse_parameters};
use crate::jose::{Jws, ProofKey};
use crate::time::{Seconds, Timestamp};
use serde::Deserialize;

/// `typ` of a KB-JWT. [RFC9901 §4.3]
pub const TYP: &str = "kb+jwt";

/// How old the proof of a holder may be: as old as the nonce in it.
pub const HOLDER_PROOF_AGE_MAX: Seconds = Seconds(300);
/// How far it may be in the future.
pub const HOLDER_PROOF_LEEWAY: Seconds = Seconds(10);

#[derive(Deserialize)]
struct Claims {
    iat: Timestamp,
    // [RFC9901 §4.3] A string, and not an array.
    aud: String,
    nonce: String,
    sd_hash: String,
    exp: Option<Timestamp>,
    nbf: Option<Timestamp>,
}

/// What the proof of a holder must fit.
#[derive(Debug, Clone, Copy)]
pub struct HolderExpectation<'a> {
    /// The key that the credential names.
    pub key: &'a ProofKey,
    /// The issuer identifier of this server.
    pub server: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// The proof of a holder. That its nonce is of this server and unused remains to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderProof {
    /// `nonce`.
    pub nonce: String,
    /// `iat`.
    pub issued: Timestamp,
}

/// Verifies the KB-JWT of a verified SD-JWT.
pub fn verify(
    sd_jwt: &SdJwt<'_>,
    hash: DisclosureHash,
    expected: HolderExpectation<'_>,
) -> Result<HolderProof, CredentialError> {
    let missing = CredentialError::NotSdJwt("has no proof of its holder (KB-JWT)");
    let jws = Jws::parse_credential(sd_jwt.key_binding.ok_or(missing)?)?;
    refuse_parameters(&jws, &["x5c"])?;
    if jws.header.typ.as_deref() != Some(TYP) {
        return Err(CredentialError::Type {
            expected: TYP,
            found: jws.header.typ,
        });
    }
    let claims: Claims = jws.unverified_claims()?;
    if claims.aud != expected.server {
        return Err(CredentialError::member(
            "aud",
            "of the KB-JWT must be the issuer identifier of this server",
        ));
    }
    check_age("iat", claims.iat, expected.now)?;
    check_window(claims.exp, claims.nbf, expected.now)?;
    if claims.sd_hash != hash.digest(sd_jwt.presented) {
        return Err(CredentialError::member(
            "sd_hash",
            "is not the digest of the SD-JWT that was sent",
        ));
    }
    jws.verify_with(expected.key.key())?;
    Ok(HolderProof {
        nonce: claims.nonce,
        issued: claims.iat,
    })
}

pub(super) fn check_age(
    member: &'static str,
    issued: Timestamp,
    now: Timestamp,
) -> Result<(), CredentialError> {
    let problem = if now - issued > HOLDER_PROOF_AGE_MAX {
        "more than 300 seconds ago"
    } else if issued - now > HOLDER_PROOF_LEEWAY {
        "more than 10 seconds in the future"
    } else {
        return Ok(());
    };
    Err(CredentialError::Time {
        member,
        at: issued,
        problem,
    })
}

/// `exp` and `nbf` of a proof, if it has them. [RFC7519 §4.1]
pub(super) fn check_window(
    expires: Option<Timestamp>,
    not_before: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), CredentialError> {
    if let Some(at) = expires.filter(|expires| now >= *expires) {
        return Err(CredentialError::Time {
            member: "exp",
            at,
            problem: "which is over",
        });
    }
    if let Some(at) = not_before.filter(|from| *from > now + HOLDER_PROOF_LEEWAY) {
        return Err(CredentialError::Time {
            member: "nbf",
            at,
            problem: "which is in the future",
        });
    }
    Ok(())
}

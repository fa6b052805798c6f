//! The PoP JWT of attestation-based client authentication: the sender proves that it has the key that an attester
//! attested. [ABCA §5.1]

use super::audience::Audience;
use super::proof_claims::{PROOF_AGE_MAX, PROOF_LEEWAY, is_from_the_future, is_jwt_id, is_too_old};
use crate::jose::{JoseError, Jws, ProofKey, SigningFault, SigningKey};
use crate::limits::JWT_ID_BYTES_MAX;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// `typ` of a PoP JWT. [ABCA §5.1]
pub const TYP: &str = "oauth-client-attestation-pop+jwt";

/// Why a PoP JWT is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttestationPopError {
    /// The JWT is malformed, or its signature does not verify with the attested key.
    Jose(JoseError),
    /// `typ` is not `oauth-client-attestation-pop+jwt`.
    WrongType,
    /// `aud` is not the issuer identifier of this server as the only value.
    WrongAudience,
    /// `jti` is empty, too long, or has control characters.
    JwtIdRefused,
    /// `iat` is too long ago.
    TooOld {
        /// `iat`.
        issued: Timestamp,
    },
    /// `iat` is in the future.
    FromTheFuture {
        /// `iat`.
        issued: Timestamp,
    },
}

impl fmt::Display for AttestationPopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttestationPopError::Jose(error) => write!(f, "{error}"),
            AttestationPopError::WrongType => write!(f, "typ is not {TYP}"),
            AttestationPopError::WrongAudience => {
                f.write_str("aud is not the issuer identifier of this server as the only value")
            }
            AttestationPopError::JwtIdRefused => {
                write!(f, "jti must have 1 to {JWT_ID_BYTES_MAX} printable characters")
            }
            AttestationPopError::TooOld { issued } => {
                write!(f, "iat is {issued}, more than {} seconds ago", PROOF_AGE_MAX.0)
            }
            AttestationPopError::FromTheFuture { issued } => {
                write!(
                    f,
                    "iat is {issued}, more than {} seconds in the future",
                    PROOF_LEEWAY.0
                )
            }
        }
    }
}

/// [ABCA §5.1] The claims that are evaluated. Others are ignored: earlier drafts had `iss` and `exp`.
#[derive(Deserialize)]
struct Claims {
    aud: Audience,
    jti: String,
    iat: Timestamp,
    challenge: Option<String>,
}

/// A PoP JWT whose signature and claims were checked. `challenge` and `jti` remain to be checked, with what the server
/// keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedAttestationPop {
    /// `jti`.
    pub jwt_id: String,
    /// `iat`.
    pub issued: Timestamp,
    /// `challenge`.
    pub challenge: Option<String>,
}

impl VerifiedAttestationPop {
    /// Verifies a PoP JWT with the attested key. [ABCA §7.2] `server` is the issuer identifier of this server. A key in
    /// the header is not used.
    pub fn verify(
        text: &str,
        key: &ProofKey,
        server: &str,
        now: Timestamp,
    ) -> Result<VerifiedAttestationPop, AttestationPopError> {
        let jws = Jws::parse(text).map_err(AttestationPopError::Jose)?;
        if jws.header.typ.as_deref() != Some(TYP) {
            return Err(AttestationPopError::WrongType);
        }
        let claims: Claims = jws.unverified_claims().map_err(AttestationPopError::Jose)?;
        // The claims cost less than the signature.
        if !is_jwt_id(&claims.jti) {
            return Err(AttestationPopError::JwtIdRefused);
        }
        if !matches!(claims.aud.values(), [sole] if sole == server) {
            return Err(AttestationPopError::WrongAudience);
        }
        let issued = claims.iat;
        if is_too_old(issued, now) {
            return Err(AttestationPopError::TooOld { issued });
        }
        if is_from_the_future(issued, now) {
            return Err(AttestationPopError::FromTheFuture { issued });
        }
        jws.verify_with(key.key()).map_err(AttestationPopError::Jose)?;
        Ok(VerifiedAttestationPop {
            jwt_id: claims.jti,
            issued,
            challenge: claims.challenge,
        })
    }

    /// The time until which the PoP is accepted, so that its `jti` must be remembered.
    pub fn accepted_until(&self) -> Timestamp {
        self.issued + PROOF_AGE_MAX
    }
}

/// The claims of a PoP JWT that a client makes. [ABCA §5.1]
#[derive(Debug, Clone, Copy, Serialize)]
pub struct AttestationPopClaims<'a> {
    /// The issuer identifier of the server.
    pub aud: &'a str,
    /// A new random value for each PoP.
    pub jti: &'a str,
    /// The time.
    pub iat: Timestamp,
    /// The last challenge of the server, if it sent one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenge: Option<&'a str>,
}

impl AttestationPopClaims<'_> {
    /// Signs a PoP with the attested key.
    pub fn sign(&self, key: &SigningKey) -> Result<String, SigningFault> {
        let header = format!(r#"{{"alg":"{}","typ":"{TYP}"}}"#, key.algorithm());
        let claims = serde_json::to_vec(self).map_err(|_| SigningFault::Failed)?;
        key.sign_compact(header.as_bytes(), &claims)
    }
}

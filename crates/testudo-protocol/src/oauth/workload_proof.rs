//! The Workload Proof Token: a workload proves the key of its WIT for one request. [WPT §2]

use super::audience::Audience;
use super::proof_claims::is_jwt_id;
use super::request_uri::RequestUri;
use crate::jose::{JoseError, Jws, ProofKey};
use crate::limits::JWT_ID_BYTES_MAX;
use crate::printable::excerpt;
use crate::time::{Seconds, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::fmt;

/// `typ` of a Workload Proof Token. [WPT §2]
pub const TYP: &str = "wpt+jwt";

/// How far `exp` may be in the future. [WPT §2] demands a short time; it bounds how long `jti` must be remembered.
pub const LIFETIME_MAX: Seconds = Seconds(120);

/// Why a Workload Proof Token is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkloadProofError {
    /// The JWT is malformed, or its signature does not verify with the key of the WIT.
    Jose(JoseError),
    /// `typ` is not `wpt+jwt`.
    WrongType,
    /// `aud` is not the URI of the request as the only value.
    WrongUri {
        /// The URI that the request must name.
        expected: String,
        /// `aud` of the proof, shortened.
        found: String,
    },
    /// `jti` is empty, too long, or has control characters.
    JwtIdRefused,
    /// `exp` is in the past.
    Expired {
        /// `exp`.
        expired: Timestamp,
    },
    /// `exp` is too far in the future.
    TooLong {
        /// `exp`.
        expires: Timestamp,
    },
    /// `wth` is not the hash of the WIT in the request.
    WrongWit,
    /// The proof names another token, which is not in the request.
    OtherToken,
}

impl fmt::Display for WorkloadProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkloadProofError::Jose(error) => write!(f, "{error}"),
            WorkloadProofError::WrongType => write!(f, "typ is not {TYP}"),
            WorkloadProofError::WrongUri { expected, found } => {
                write!(f, "aud is {found:?}, and the request is for {expected}")
            }
            WorkloadProofError::JwtIdRefused => {
                write!(f, "jti must have 1 to {JWT_ID_BYTES_MAX} printable characters")
            }
            WorkloadProofError::Expired { expired } => write!(f, "it expired at {expired}"),
            WorkloadProofError::TooLong { expires } => {
                write!(f, "exp is {expires}, more than {} seconds ahead", LIFETIME_MAX.0)
            }
            WorkloadProofError::WrongWit => f.write_str("wth is not the hash of the WIT in the request"),
            WorkloadProofError::OtherToken => {
                f.write_str("ath, tth or oth names a token that is not in the request")
            }
        }
    }
}

/// [WPT §2] The claims that are evaluated.
#[derive(Deserialize)]
struct Claims {
    aud: Audience,
    exp: Timestamp,
    jti: String,
    wth: String,
    ath: Option<IgnoredAny>,
    tth: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
}

/// What the proof must be about.
#[derive(Clone, Copy)]
pub struct WorkloadProofExpectation<'a> {
    /// The key in `cnf` of the WIT.
    pub key: &'a ProofKey,
    /// SHA-256 of the WIT as it was sent.
    pub wit: &'a [u8; 32],
    /// The URIs at which this server serves the request. They come from its configuration, never from `Host`.
    pub uris: &'a [RequestUri],
}

/// A Workload Proof Token whose signature and claims were checked. `jti` remains to be checked, with what the server
/// keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedWorkloadProof {
    /// `jti`.
    pub jwt_id: String,
    /// `exp`.
    pub expires: Timestamp,
}

impl VerifiedWorkloadProof {
    /// Verifies a proof for a request in which the WIT is the only token. [WPT §2.3]
    pub fn verify(
        text: &str,
        expected: WorkloadProofExpectation<'_>,
        now: Timestamp,
    ) -> Result<VerifiedWorkloadProof, WorkloadProofError> {
        let jws = Jws::parse(text).map_err(WorkloadProofError::Jose)?;
        if jws.header.typ.as_deref() != Some(TYP) {
            return Err(WorkloadProofError::WrongType);
        }
        let claims: Claims = jws.unverified_claims().map_err(WorkloadProofError::Jose)?;
        // The claims cost less than the signature.
        if !is_jwt_id(&claims.jti) {
            return Err(WorkloadProofError::JwtIdRefused);
        }
        check_uri(&claims.aud, expected.uris)?;
        let expires = claims.exp;
        if now >= expires {
            return Err(WorkloadProofError::Expired { expired: expires });
        }
        if expires - now > LIFETIME_MAX {
            return Err(WorkloadProofError::TooLong { expires });
        }
        if claims.wth != URL_SAFE_NO_PAD.encode(expected.wit) {
            return Err(WorkloadProofError::WrongWit);
        }
        // A proof with the hash of another token is for another request.
        if claims.ath.is_some() || claims.tth.is_some() || claims.oth.is_some() {
            return Err(WorkloadProofError::OtherToken);
        }
        jws.verify_with(expected.key.key())
            .map_err(WorkloadProofError::Jose)?;
        Ok(VerifiedWorkloadProof {
            jwt_id: claims.jti,
            expires,
        })
    }
}

/// `aud`: the URI of the request, and nothing else.
fn check_uri(found: &Audience, uris: &[RequestUri]) -> Result<(), WorkloadProofError> {
    let is_request = |sole: &String| uris.iter().any(|uri| uri.is(sole));
    if matches!(found.values(), [sole] if is_request(sole)) {
        return Ok(());
    }
    let expected = uris.first().map(RequestUri::as_str);
    Err(WorkloadProofError::WrongUri {
        expected: expected.unwrap_or_default().to_owned(),
        found: excerpt(&found.values().join(" ")).to_string(),
    })
}

#[cfg(test)]
mod tests;

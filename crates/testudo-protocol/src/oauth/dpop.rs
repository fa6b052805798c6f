//! DPoP proofs: made by clients, verified by authorization servers and resource servers. [RFC9449 §4]

pub use super::proof_claims::{PROOF_AGE_MAX, PROOF_LEEWAY};
use super::proof_claims::{is_from_the_future, is_jwt_id, is_too_old};
use super::request_uri::RequestUri;
use crate::jose::{
    Algorithm, JoseError, Jws, KeyError, NoProofKeysKept, ProofKey, ProofKeys, SigningFault, SigningKey,
    sha256,
};
use crate::limits::JWT_ID_BYTES_MAX;
use crate::printable::excerpt;
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// `typ` of a DPoP proof. [RFC9449 §4.2]
pub const TYP: &str = "dpop+jwt";

/// Why a DPoP proof is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DpopError {
    /// The JWT is malformed, or its signature does not verify with its `jwk`.
    Jose(JoseError),
    /// `typ` is not `dpop+jwt`.
    WrongType,
    /// `alg` is symmetric, `none` or unknown.
    AlgorithmRefused,
    /// The header has no `jwk`.
    KeyMissing,
    /// `jwk` is not a public key that a client may use.
    Key(KeyError),
    /// `jti` is empty, too long, or has control characters.
    JwtIdRefused,
    /// `htm` is not the method of the request.
    WrongMethod,
    /// `htu` is not the URI of the request.
    WrongUri {
        /// The URI that the request must name.
        expected: String,
        /// `htu` of the proof, shortened.
        found: String,
    },
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
    /// `ath` is missing, or is not the hash of the access token.
    WrongToken,
}

impl fmt::Display for DpopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DpopError::Jose(error) => write!(f, "{error}"),
            DpopError::WrongType => f.write_str("typ is not dpop+jwt"),
            DpopError::AlgorithmRefused => f.write_str("alg is not an accepted asymmetric algorithm"),
            DpopError::KeyMissing => f.write_str("the header has no jwk"),
            DpopError::Key(error) => write!(f, "jwk is refused: {error}"),
            DpopError::JwtIdRefused => {
                write!(f, "jti must have 1 to {JWT_ID_BYTES_MAX} printable characters")
            }
            DpopError::WrongMethod => f.write_str("htm is not the method of the request"),
            DpopError::WrongUri { expected, found } => {
                write!(f, "htu is {found:?}, and the request is for {expected}")
            }
            DpopError::TooOld { issued } => {
                write!(f, "iat is {issued}, more than {} seconds ago", PROOF_AGE_MAX.0)
            }
            DpopError::FromTheFuture { issued } => {
                write!(
                    f,
                    "iat is {issued}, more than {} seconds in the future",
                    PROOF_LEEWAY.0
                )
            }
            DpopError::WrongToken => f.write_str("ath is not the hash of the access token"),
        }
    }
}

/// [RFC9449 §4.2] The claims that are evaluated.
#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: Timestamp,
    ath: Option<String>,
    nonce: Option<String>,
}

/// A parsed proof; nothing in it is verified yet.
pub struct DpopProof<'k> {
    jws: Jws,
    key: Arc<ProofKey>,
    /// Where the key is kept after the signature is verified with it; `None` if it was kept before.
    keeper: Option<&'k dyn ProofKeys>,
    unverified_claims: Claims,
}

/// What the proof must be about.
#[derive(Clone, Copy)]
pub struct DpopExpectation<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// The URIs at which this server serves the request. They come from its configuration, never from `Host`.
    pub uris: &'a [RequestUri],
    /// The access token in the request, at a resource server. [RFC9449 §7]
    pub access_token: Option<&'a str>,
}

/// A proof whose signature and claims were checked. `nonce` and `jti` remain to be checked, with what the server keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedDpop {
    /// Thumbprint of the key: `cnf.jkt` of a token that is bound to it. [RFC9449 §6.1]
    pub thumbprint: [u8; 32],
    /// `alg`.
    pub algorithm: Algorithm,
    /// `jti`.
    pub jwt_id: String,
    /// `iat`.
    pub issued: Timestamp,
    /// `nonce`.
    pub nonce: Option<String>,
}

impl VerifiedDpop {
    /// The time until which the proof is accepted, so that its `jti` must be remembered.
    pub fn accepted_until(&self) -> Timestamp {
        self.issued + PROOF_AGE_MAX
    }
}

impl<'k> DpopProof<'k> {
    /// Parses a proof and checks its header and its key. [RFC9449 §4.3 (2) to (5), (7)]
    pub fn parse(text: &str) -> Result<DpopProof<'static>, DpopError> {
        DpopProof::parse_with(text, &NoProofKeysKept)
    }

    /// As [`DpopProof::parse`], with keys that are imported already.
    pub fn parse_with(text: &str, keys: &'k dyn ProofKeys) -> Result<DpopProof<'k>, DpopError> {
        let jws = Jws::parse_proof(text).map_err(DpopError::Jose)?;
        if jws.header.typ.as_deref() != Some(TYP) {
            return Err(DpopError::WrongType);
        }
        if jws.header.has_crit {
            return Err(DpopError::Jose(JoseError::CriticalExtension));
        }
        jws.algorithm().map_err(|_| DpopError::AlgorithmRefused)?;
        let jwk = jws.header.jwk.as_ref().ok_or(DpopError::KeyMissing)?;
        let (key, keeper) = match keys.find(jwk) {
            Some(key) => (key, None),
            None => (
                Arc::new(ProofKey::from_jwk(jwk).map_err(DpopError::Key)?),
                Some(keys),
            ),
        };
        let unverified_claims: Claims = jws.unverified_claims().map_err(DpopError::Jose)?;
        Ok(DpopProof {
            jws,
            key,
            keeper,
            unverified_claims,
        })
    }

    /// Checks the signature and the claims. [RFC9449 §4.3 (6), (8), (9), (11), (12)]
    pub fn verify(self, expected: DpopExpectation<'_>, now: Timestamp) -> Result<VerifiedDpop, DpopError> {
        // The claims cost less than the signature, and the answer is the same for all of them.
        let claims = &self.unverified_claims;
        if !is_jwt_id(&claims.jti) {
            return Err(DpopError::JwtIdRefused);
        }
        if claims.htm != expected.method {
            return Err(DpopError::WrongMethod);
        }
        if !expected.uris.iter().any(|uri| uri.is(&claims.htu)) {
            let uri = expected.uris.first().map(RequestUri::as_str);
            return Err(DpopError::WrongUri {
                expected: uri.unwrap_or_default().to_owned(),
                found: excerpt(&claims.htu).to_string(),
            });
        }
        check_age(claims.iat, now)?;
        let hash = expected.access_token.map(token_hash);
        if hash.is_some() && claims.ath != hash {
            return Err(DpopError::WrongToken);
        }
        let algorithm = self.jws.algorithm().map_err(DpopError::Jose)?;
        self.jws.verify_with(self.key.key()).map_err(DpopError::Jose)?;
        if let (Some(keeper), Some(jwk)) = (self.keeper, self.jws.header.jwk) {
            keeper.keep(*jwk, self.key.clone());
        }
        let Claims { jti, iat, nonce, .. } = self.unverified_claims;
        Ok(VerifiedDpop {
            thumbprint: *self.key.thumbprint(),
            algorithm,
            jwt_id: jti,
            issued: iat,
            nonce,
        })
    }
}

/// [RFC9449 §4.3 (11)] The proof is recent.
fn check_age(issued: Timestamp, now: Timestamp) -> Result<(), DpopError> {
    if is_too_old(issued, now) {
        return Err(DpopError::TooOld { issued });
    }
    if is_from_the_future(issued, now) {
        return Err(DpopError::FromTheFuture { issued });
    }
    Ok(())
}

/// `ath`: the hash of an access token. [RFC9449 §4.2]
fn token_hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(token.as_bytes()))
}

/// The claims of a proof that a client makes. [RFC9449 §4.2]
#[derive(Debug, Clone, Copy, Serialize)]
pub struct DpopClaims<'a> {
    /// A new random value for each proof.
    pub jti: &'a str,
    /// Method of the request.
    pub htm: &'a str,
    /// URI of the request, without query and fragment.
    pub htu: &'a str,
    /// The time.
    pub iat: Timestamp,
    /// The last `DPoP-Nonce` of the server, if it sent one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
}

impl DpopClaims<'_> {
    /// Signs a proof. `access_token` is the token in the request, for a resource server.
    pub fn sign(&self, key: &SigningKey, access_token: Option<&str>) -> Result<String, SigningFault> {
        let mut claims = serde_json::to_value(self).map_err(|_| SigningFault::Failed)?;
        if let (Some(members), Some(token)) = (claims.as_object_mut(), access_token) {
            members.insert("ath".into(), token_hash(token).into());
        }
        let header = format!(
            r#"{{"alg":"{}","typ":"{TYP}","jwk":{}}}"#,
            key.algorithm(),
            key.proof_jwk()
        );
        key.sign_compact(header.as_bytes(), claims.to_string().as_bytes())
    }
}

#[cfg(test)]
mod tests;

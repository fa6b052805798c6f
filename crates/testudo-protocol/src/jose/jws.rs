//! JWS in compact form. [RFC7515 §3.1]
//!
//! Untrusted until [`Jws::verify`] says otherwise: what can be read before is called `unverified_…` and serves
//! only to find the key that will judge it.

use super::algorithm::Algorithm;
use super::key::KeySet;
use crate::json::{self, JsonError};
use crate::limits::{ASSERTION_BYTES_MAX, JOSE_HEADER_BYTES_MAX, JSON_MEMBERS_MAX, KEY_ID_BYTES_MAX};
use crate::printable::is_printable;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// Why a token is no good. For logs and `explain`; the caller learns one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoseError {
    /// More than 16 KiB.
    TooLarge,
    /// Not three base64url parts: JSON serialization, JWE, or nonsense.
    NotCompact,
    /// Padding, white space, a foreign alphabet, or stray trailing bits.
    NotBase64Url,
    /// The header is not a JSON object of the right shape.
    Header(JsonError),
    /// The claims are not a JSON object of the right shape.
    Claims(JsonError),
    /// `alg` is missing, symmetric, `none`, or unknown.
    AlgorithmRefused,
    /// A header parameter that may not be there.
    HeaderParameterRefused,
    /// `crit` names an extension. We understand none. [RFC7515 §4.1.11]
    CriticalExtension,
    /// No key of that `kid` that fits the algorithm.
    NoKey,
    /// The signature does not verify under any key that was allowed.
    BadSignature,
}

impl fmt::Display for JoseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoseError::TooLarge => write!(f, "the token is larger than {ASSERTION_BYTES_MAX} bytes"),
            JoseError::NotCompact => f.write_str("the token is not a JWS in compact form"),
            JoseError::NotBase64Url => f.write_str("a part of the token is not canonical unpadded base64url"),
            JoseError::Header(fault) => write!(f, "the header is malformed: {fault}"),
            JoseError::Claims(fault) => write!(f, "the claims are malformed: {fault}"),
            JoseError::AlgorithmRefused => f.write_str("the alg is not an accepted signature algorithm"),
            JoseError::HeaderParameterRefused => {
                f.write_str("the header has a parameter that may not be there")
            }
            JoseError::CriticalExtension => {
                f.write_str("the header demands an extension that is not supported")
            }
            JoseError::NoKey => f.write_str("no trusted key fits the kid and the alg"),
            JoseError::BadSignature => f.write_str("the signature does not verify"),
        }
    }
}

/// What a JOSE header says, reduced to what is ever acted upon.
#[derive(Debug, Default)]
pub struct Header {
    /// `alg`, by its text.
    pub alg: String,
    /// `kid`.
    pub kid: Option<String>,
    /// `typ`.
    pub typ: Option<String>,
    /// `crit` is present.
    pub has_crit: bool,
    /// `b64` is present: it changes what is signed, and is only valid together with `crit`. [RFC7797 §6]
    pub has_b64: bool,
    /// Any parameter besides `alg`, `kid`, `typ`.
    pub has_other: bool,
}

/// A compact JWS, split and decoded, not verified.
pub struct Jws {
    /// The header. Untrusted like everything else here; it only ever narrows.
    pub header: Header,
    signing_input: Box<str>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Jws {
    /// Splits and decodes. Bounds come before any decoding, decoding before any JSON.
    pub fn parse(token: &str) -> Result<Jws, JoseError> {
        if token.len() > ASSERTION_BYTES_MAX {
            return Err(JoseError::TooLarge);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(JoseError::NotCompact)?;
        let (header, payload) = signing_input.split_once('.').ok_or(JoseError::NotCompact)?;
        if header.is_empty() || payload.is_empty() || payload.contains('.') {
            return Err(JoseError::NotCompact);
        }
        if header.len() > JOSE_HEADER_BYTES_MAX.div_ceil(3) * 4 {
            return Err(JoseError::TooLarge);
        }
        // [RFC7515 §2] No padding, no white space; stray trailing bits would be a second spelling.
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JoseError::NotBase64Url);
        // The header's own reader refuses duplicates and deep values, so it needs no walk beforehand.
        let header: Header = serde_json::from_slice(&decode(header)?)
            .map_err(|error| JoseError::Header(JsonError(error.to_string())))?;
        if header
            .kid
            .as_ref()
            .is_some_and(|kid| kid.len() > KEY_ID_BYTES_MAX)
        {
            return Err(JoseError::Header(JsonError("kid is too long".into())));
        }
        if header.kid.as_deref().is_some_and(|kid| !is_printable(kid)) {
            let problem = "kid has control or invisible characters";
            return Err(JoseError::Header(JsonError(problem.into())));
        }
        Ok(Jws {
            header,
            payload: decode(payload)?,
            signature: decode(signature)?,
            signing_input: signing_input.into(),
        })
    }

    /// Claims before the signature is verified. Only to find the authority whose keys will verify it.
    pub fn unverified_claims<T: DeserializeOwned>(&self) -> Result<T, JoseError> {
        json::from_slice(&self.payload).map_err(JoseError::Claims)
    }

    /// The algorithm, where it is one we know.
    pub fn algorithm(&self) -> Result<Algorithm, JoseError> {
        Algorithm::parse(&self.header.alg).ok_or(JoseError::AlgorithmRefused)
    }

    /// Verifies the signature under `keys`: by the key that `kid` names, or without `kid` by those that fit.
    pub fn verify(&self, keys: &KeySet) -> Result<(), JoseError> {
        // [RFC7515 §4.1.11] An extension that must be understood is not.
        if self.header.has_crit {
            return Err(JoseError::CriticalExtension);
        }
        let algorithm = self.algorithm()?;
        let mut outcome = JoseError::NoKey;
        for key in keys.candidates(self.header.kid.as_deref(), algorithm) {
            if key.verify(algorithm, self.signing_input.as_bytes(), &self.signature) {
                return Ok(());
            }
            outcome = JoseError::BadSignature;
        }
        Err(outcome)
    }
}

impl<'de> serde::Deserialize<'de> for Header {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Header;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JOSE header")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Header, A::Error> {
                let mut header = Header::default();
                let mut names: Vec<String> = Vec::with_capacity(4);
                while let Some(name) = members.next_key::<String>()? {
                    if names.contains(&name) || names.len() == JSON_MEMBERS_MAX {
                        return Err(serde::de::Error::custom("duplicate or too many members"));
                    }
                    match name.as_str() {
                        "alg" => header.alg = members.next_value()?,
                        "kid" => header.kid = Some(members.next_value()?),
                        "typ" => header.typ = Some(members.next_value()?),
                        other => {
                            header.has_other = true;
                            header.has_crit |= other == "crit";
                            header.has_b64 |= other == "b64";
                            members.next_value::<IgnoredAny>()?;
                        }
                    }
                    names.push(name);
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

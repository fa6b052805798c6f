//! JWS in compact form. [RFC7515 §3.1]
//!
//! A JWS is untrusted until [`Jws::verify`] succeeds. Values that can be read earlier are named `unverified_…` and are
//! used only to find the key that verifies the signature.

use super::algorithm::Algorithm;
use super::key::{Jwk, PublicKey};
use super::key_set::KeySet;
use crate::json::{self, JsonError};
use crate::limits::{
    ASSERTION_BYTES_MAX, JOSE_HEADER_BYTES_MAX, JSON_MEMBERS_MAX, KEY_ID_BYTES_MAX,
    STATUS_LIST_TOKEN_BYTES_MAX,
};
use crate::printable::{excerpt, is_printable};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// Why a token is refused. For logs and `explain`; the caller receives the same sentence for every reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoseError {
    /// More than 16 KiB.
    TooLarge,
    /// Not three base64url parts: a JWS in JSON serialization, a JWE, or another text.
    NotCompact,
    /// Padding, white space, a character of another alphabet, or trailing bits that are not zero.
    NotBase64Url,
    /// The header is not a JSON object of the right shape.
    Header(JsonError),
    /// The claims are not a JSON object of the right shape.
    Claims(JsonError),
    /// `alg` is missing, symmetric, `none`, or unknown.
    AlgorithmRefused,
    /// A header parameter that is not allowed.
    HeaderParameterRefused {
        /// Its name.
        name: String,
    },
    /// `crit` names an extension, and this server supports no extension. [RFC7515 §4.1.11]
    CriticalExtension,
    /// No key has this `kid` and fits the algorithm.
    NoKey {
        /// The `kid` of the token, if it has one.
        kid: Option<String>,
    },
    /// The signature does not verify with any of the trusted keys.
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
            JoseError::HeaderParameterRefused { name } => {
                write!(
                    f,
                    "the header has the parameter `{}`, which is not allowed",
                    excerpt(name)
                )
            }
            JoseError::CriticalExtension => {
                f.write_str("the header names an extension in crit that is not supported")
            }
            JoseError::NoKey { kid: Some(kid) } => {
                write!(f, "no trusted key fits the kid {kid:?} and the alg")
            }
            JoseError::NoKey { kid: None } => f.write_str("no trusted key fits the alg"),
            JoseError::BadSignature => f.write_str("the signature does not verify"),
        }
    }
}

/// The parameters of a JOSE header that this server evaluates.
#[derive(Debug, Default)]
pub struct Header {
    /// `alg`, as text.
    pub alg: String,
    /// `kid`.
    pub kid: Option<String>,
    /// `typ`.
    pub typ: Option<String>,
    /// `crit` is present.
    pub has_crit: bool,
    /// `b64` is present: it changes what is signed, and is only valid together with `crit`. [RFC7797 §6]
    pub has_b64: bool,
    /// `jwk`, only in a proof ([`Jws::parse_proof`]): the key that the sender claims to have.
    pub jwk: Option<Box<Jwk>>,
    /// `x5c`, only in a credential ([`Jws::parse_credential`]) and in a status list.
    pub x5c: Option<Vec<String>>,
    /// The parameters besides `alg`, `kid`, `typ`; in a proof besides `jwk` too.
    pub others: Vec<String>,
}

impl Header {
    /// `ES256 by key k`, for people.
    pub fn algorithm_and_key(&self) -> String {
        format!(
            "{} by key {}",
            self.alg,
            self.kid.as_deref().unwrap_or("(no kid)")
        )
    }
}

/// A compact JWS, split and decoded, not verified.
pub struct Jws {
    /// The header. It is untrusted like the claims; it can only reduce the set of keys that are tried.
    pub header: Header,
    signing_input: Box<str>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Jws {
    /// Splits and decodes a token. Sizes are checked before decoding, and decoding happens before JSON is parsed.
    pub fn parse(token: &str) -> Result<Jws, JoseError> {
        Jws::parse_with(token, HeaderMembers::default(), ASSERTION_BYTES_MAX)
    }

    /// As [`Jws::parse`], for a credential: the chain in `x5c` is parsed. [RFC7515 §4.1.6]
    pub fn parse_credential(token: &str) -> Result<Jws, JoseError> {
        let members = HeaderMembers {
            keeps_chain: true,
            ..HeaderMembers::default()
        };
        Jws::parse_with(token, members, ASSERTION_BYTES_MAX)
    }

    /// As [`Jws::parse_credential`], for a status list, which is larger than other tokens. Nothing of a request is parsed
    /// with it.
    pub fn parse_list(token: &str) -> Result<Jws, JoseError> {
        let members = HeaderMembers {
            keeps_chain: true,
            ..HeaderMembers::default()
        };
        Jws::parse_with(token, members, STATUS_LIST_TOKEN_BYTES_MAX)
    }

    /// As [`Jws::parse`], for a proof of possession that contains its own key in `jwk`. [RFC9449 §4.2]
    pub fn parse_proof(token: &str) -> Result<Jws, JoseError> {
        let members = HeaderMembers {
            keeps_key: true,
            ..HeaderMembers::default()
        };
        Jws::parse_with(token, members, ASSERTION_BYTES_MAX)
    }

    fn parse_with(token: &str, members: HeaderMembers, bytes_max: usize) -> Result<Jws, JoseError> {
        if token.len() > bytes_max {
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
        // [RFC7515 §2] No padding and no white space. Trailing bits must be zero, or one token would have several
        // encodings.
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JoseError::NotBase64Url);
        // `HeaderMembers` refuses duplicate members, so `check_shape` is not needed before it.
        let header = decode(header)?;
        let header = members
            .of(&header)
            .map_err(|error| JoseError::Header(JsonError::of(&header, &error)))?;
        if header
            .kid
            .as_ref()
            .is_some_and(|kid| kid.len() > KEY_ID_BYTES_MAX)
        {
            return Err(JoseError::Header(JsonError::new("kid is too long")));
        }
        if header.kid.as_deref().is_some_and(|kid| !is_printable(kid)) {
            let problem = "kid has control or invisible characters";
            return Err(JoseError::Header(JsonError::new(problem)));
        }
        Ok(Jws {
            header,
            payload: decode(payload)?,
            signature: decode(signature)?,
            signing_input: signing_input.into(),
        })
    }

    /// The claims before the signature is verified. Use them only to find the authority whose keys verify it.
    pub fn unverified_claims<T: DeserializeOwned>(&self) -> Result<T, JoseError> {
        json::from_slice(&self.payload).map_err(JoseError::Claims)
    }

    /// The algorithm of `alg`, if it is supported.
    pub fn algorithm(&self) -> Result<Algorithm, JoseError> {
        Algorithm::parse(&self.header.alg).ok_or(JoseError::AlgorithmRefused)
    }

    /// Verifies the signature with the key of `keys` that `kid` names, or without `kid` with each key that fits the
    /// algorithm.
    pub fn verify(&self, keys: &KeySet) -> Result<(), JoseError> {
        // [RFC7515 §4.1.11] An extension in `crit` must be understood, and this server supports none.
        if self.header.has_crit {
            return Err(JoseError::CriticalExtension);
        }
        let algorithm = self.algorithm()?;
        let mut outcome = None;
        for key in keys.candidates(self.header.kid.as_deref(), algorithm) {
            if key.verify(algorithm, self.signing_input.as_bytes(), &self.signature) {
                return Ok(());
            }
            outcome = Some(JoseError::BadSignature);
        }
        Err(outcome.unwrap_or_else(|| JoseError::NoKey {
            kid: self.header.kid.clone(),
        }))
    }

    /// Refuses the header parameter `b64`, which changes what is signed. [RFC7797 §6]
    pub fn has_no_b64(&self) -> Result<(), JoseError> {
        match self.header.has_b64 {
            true => Err(JoseError::HeaderParameterRefused {
                name: "b64".to_owned(),
            }),
            false => Ok(()),
        }
    }

    /// Verifies the signature of a proof of possession with this key; `kid` is not evaluated.
    pub fn verify_with(&self, key: &PublicKey) -> Result<(), JoseError> {
        if self.header.has_crit {
            return Err(JoseError::CriticalExtension);
        }
        match key.verify(self.algorithm()?, self.signing_input.as_bytes(), &self.signature) {
            true => Ok(()),
            false => Err(JoseError::BadSignature),
        }
    }
}

/// `typ` of a compact JWS that is not parsed further: it determines who parses it. `None` if the token has no `typ`, or a
/// header that [`Jws::parse`] refuses.
pub fn unverified_type(token: &str) -> Option<String> {
    let (header, _) = token.split_once('.')?;
    if header.len() > JOSE_HEADER_BYTES_MAX.div_ceil(3) * 4 {
        return None;
    }
    let members = HeaderMembers::default();
    members.of(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?.typ
}

/// Parses the members of a JOSE header. Duplicate members are refused.
#[derive(Clone, Copy, Default)]
struct HeaderMembers {
    /// `jwk` is parsed. Otherwise it is skipped, like every parameter that is not evaluated.
    keeps_key: bool,
    /// `x5c` is parsed.
    keeps_chain: bool,
}

impl HeaderMembers {
    fn of(self, json: &[u8]) -> Result<Header, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let header = self.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(header)
    }
}

impl<'de> DeserializeSeed<'de> for HeaderMembers {
    type Value = Header;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Header, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeaderMembers {
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
                "jwk" if self.keeps_key => header.jwk = Some(members.next_value()?),
                "x5c" if self.keeps_chain => header.x5c = Some(members.next_value()?),
                other => {
                    header.has_crit |= other == "crit";
                    header.has_b64 |= other == "b64";
                    members.next_value::<IgnoredAny>()?;
                }
            }
            names.push(name);
        }
        let is_known = |name: &String| match name.as_str() {
            "alg" | "kid" | "typ" => true,
            "jwk" => self.keeps_key,
            _ => false,
        };
        names.retain(|name| !is_known(name));
        header.others = names;
        Ok(header)
    }
}

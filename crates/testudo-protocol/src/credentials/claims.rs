//! What a credential of any form states: issuer, subject, types, times, key of the holder, status, and the members
//! about the client.

use super::CredentialError;
use super::did::Did;
use super::status::StatusReference;
use crate::base64url;
use crate::jose::{Jwk, ProofKey};
use crate::time::{Seconds, Timestamp};
use serde_json::{Map, Value};

/// A verified credential. That its issuer, type, holder and status are accepted remains to be checked.
#[derive(Debug)]
pub struct CredentialClaims {
    /// The issuer, where the credential names it.
    pub issuer: Option<String>,
    /// The subject. It is not empty.
    pub subject: String,
    /// `vct`, or the types of a W3C credential.
    pub types: Vec<String>,
    /// When it was issued and how long it is valid.
    pub times: Times,
    /// `cnf.jwk`.
    pub confirmation: Option<HolderKey>,
    /// `cnf.x5t#S256`: SHA-256 of the certificate of the holder. [RFC8705 §3.1]
    pub certificate: Option<[u8; 32]>,
    /// The members that may be client metadata.
    pub about_client: Map<String, Value>,
    /// Where its status is.
    pub status: Vec<StatusReference>,
}

/// The public key of the holder of a credential.
#[derive(Debug)]
pub struct HolderKey {
    /// The JWK as the credential, or the DID of its subject, states it.
    pub jwk: Value,
    /// The key that verifies the proofs of the holder.
    pub key: ProofKey,
}

impl HolderKey {
    /// The key that the DID of a subject contains; `None` for `did:web`, whose keys are elsewhere.
    pub fn of_did(did: &Did) -> Result<Option<HolderKey>, CredentialError> {
        did.own_key().map(|own| HolderKey::of(own.jwk())).transpose()
    }

    /// Checks the JWK by the rules for keys of clients.
    pub fn of(jwk: &Value) -> Result<HolderKey, CredentialError> {
        let parsed: Jwk = serde_json::from_value(jwk.clone())
            .map_err(|_| CredentialError::member("cnf.jwk", "is not a JWK"))?;
        Ok(HolderKey {
            key: ProofKey::from_jwk(&parsed).map_err(CredentialError::Key)?,
            jwk: jwk.clone(),
        })
    }
}

/// The times of a credential: the latest beginning and the earliest end where it states several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// When it was issued.
    pub issued: Option<Timestamp>,
    /// Not valid before.
    pub not_before: Option<Timestamp>,
    /// The end: not valid at or after this time.
    pub expires: Option<Timestamp>,
}

impl Times {
    /// `iat`, `nbf` and `exp`. [RFC7519 §4.1]
    pub(super) fn of_claims(payload: &Map<String, Value>) -> Result<Times, CredentialError> {
        Ok(Times {
            issued: number(payload, "iat")?,
            not_before: number(payload, "nbf")?,
            expires: number(payload, "exp")?,
        })
    }

    /// From when its lifetime is counted: its issue, or else its beginning. Every credential that was accepted has one.
    pub fn issued_or_begun(self) -> Option<Timestamp> {
        self.issued.or(self.not_before)
    }

    /// The end of the credential, if it is valid now; `lifetime_max` is counted from its issue. A credential without an
    /// end gets one.
    pub fn end(
        self,
        lifetime_max: Seconds,
        leeway: Seconds,
        now: Timestamp,
    ) -> Result<Timestamp, CredentialError> {
        let (Some(begins), Some(issued)) = (self.issued.max(self.not_before), self.issued_or_begun()) else {
            return Err(CredentialError::member(
                "iat",
                "is missing, and so is every other beginning of the credential",
            ));
        };
        let refused = |member, at, problem| Err(CredentialError::Time { member, at, problem });
        if begins > now + leeway {
            return refused("iat", begins, "so the credential is not valid yet");
        }
        let longest = issued + lifetime_max;
        let end = match self.expires {
            Some(expires) if expires < begins => {
                return refused("exp", expires, "before the beginning of the credential");
            }
            Some(expires) if expires > longest => {
                return refused("exp", expires, "longer after its issue than lifetime_max allows");
            }
            Some(expires) => expires,
            None => longest,
        };
        match now >= end {
            true => refused("exp", end, "so the credential expired"),
            false => Ok(end),
        }
    }
}

/// A member that is a string, if it is there.
pub(super) fn text(
    object: &Map<String, Value>,
    member: &'static str,
) -> Result<Option<String>, CredentialError> {
    match object.get(member) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(CredentialError::member(member, "must be a string")),
    }
}

/// A member that is a string, or an object with the string in `id`.
pub(super) fn text_or_id(
    object: &Map<String, Value>,
    member: &'static str,
) -> Result<Option<String>, CredentialError> {
    match object.get(member) {
        Some(Value::Object(named)) => text(named, "id"),
        _ => text(object, member),
    }
}

/// A member that is a number of seconds since the epoch, if it is there. [RFC7519 §2]
pub(super) fn number(
    object: &Map<String, Value>,
    member: &'static str,
) -> Result<Option<Timestamp>, CredentialError> {
    let wrong = CredentialError::member(member, "must be a number of seconds since the epoch");
    match object.get(member) {
        None => Ok(None),
        Some(value) => serde_json::from_value(value.clone()).map(Some).map_err(|_| wrong),
    }
}

/// A member that is a date with its time, if it is there. [VCDM2 §4.9] A value without an offset is in UTC.
pub(super) fn date(
    object: &Map<String, Value>,
    member: &'static str,
) -> Result<Option<Timestamp>, CredentialError> {
    let wrong = CredentialError::member(member, "must be a date with its time");
    let Some(text) = text(object, member)? else {
        return Ok(None);
    };
    let has_time = text.contains(['T', 't']);
    let at = Timestamp::parse(&text).or_else(|| Timestamp::parse(&format!("{text}Z")));
    at.filter(|_| has_time).map(Some).ok_or(wrong)
}

/// `cnf.jwk`, by the rules for keys of clients. Other ways to name the key are refused: they would need a fetch, or a
/// secret. [RFC7800 §3]
pub(super) fn confirmation(payload: &Map<String, Value>) -> Result<Option<HolderKey>, CredentialError> {
    let Some(cnf) = payload.get("cnf") else {
        return Ok(None);
    };
    let wrong = || {
        CredentialError::member(
            "cnf",
            "must be an object with `jwk`, a public key, and nothing else",
        )
    };
    let members = cnf.as_object().ok_or_else(wrong)?;
    let is_known = |name: &String| matches!(name.as_str(), "jwk" | "jkt");
    if !members.keys().all(is_known) {
        return Err(wrong());
    }
    HolderKey::of(members.get("jwk").ok_or_else(wrong)?).map(Some)
}

/// `cnf` of a credential as a JWT, which may name the certificate of the holder in the place of its key or beside it.
/// [RFC8705 §3.1]
pub(super) fn confirmations(
    payload: &Map<String, Value>,
) -> Result<(Option<HolderKey>, Option<[u8; 32]>), CredentialError> {
    let cnf = payload.get("cnf").and_then(Value::as_object);
    let Some((cnf, stated)) = cnf.and_then(|cnf| Some((cnf, cnf.get(CERTIFICATE)?))) else {
        return confirmation(payload).map(|key| (key, None));
    };
    let Some(digest) = stated.as_str().and_then(base64url::parse) else {
        let problem = "must be the SHA-256 of a certificate, in base64url";
        return Err(CredentialError::member("cnf.x5t#S256", problem));
    };
    let mut others = cnf.clone();
    others.remove(CERTIFICATE);
    let key = match others.is_empty() {
        true => None,
        false => confirmation(&Map::from_iter([("cnf".to_owned(), Value::Object(others))]))?,
    };
    Ok((key, Some(digest)))
}

/// The member of `cnf` that names a certificate.
const CERTIFICATE: &str = "x5t#S256";

/// `status` of a JWT or SD-JWT. [TSL §6] Other mechanisms beside `status_list` are ignored.
pub(super) fn status_reference(
    payload: &Map<String, Value>,
) -> Result<Vec<StatusReference>, CredentialError> {
    let Some(status) = payload.get("status") else {
        return Ok(Vec::new());
    };
    let status = status
        .as_object()
        .ok_or(CredentialError::member("status", "must be an object"))?;
    match status.get("status_list") {
        None => Ok(vec![StatusReference::Unknown]),
        Some(list) => StatusReference::of_token_list(list).map(|reference| vec![reference]),
    }
}

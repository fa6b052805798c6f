//! ID tokens of a provider: who signed in. [OIDCC §3.1.3.7]

use crate::jose::{Algorithm, JoseError, Jws, KeySet, encode_segment};
use crate::limits::{
    GROUP_BYTES_MAX, GROUPS_MAX, ID_TOKEN_AUDIENCES_MAX, PERSON_LABEL_BYTES_MAX, SUBJECT_BYTES_MAX,
};
use crate::oauth::{Audience, is_vschar};
use crate::printable::is_printable;
use crate::time::{Seconds, Timestamp};
use aws_lc_rs::{constant_time, digest};
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// How far the clock of the provider may be from this server's.
const LEEWAY: Seconds = Seconds(30);
/// How long ago an ID token may have been issued: it comes directly from the provider. [OIDCC §3.1.3.7 (10)]
const AGE_MAX: Seconds = Seconds(600);

/// What an ID token must state.
#[derive(Clone, Copy)]
pub struct IdTokenExpectation<'a> {
    /// The issuer identifier of the provider.
    pub issuer: &'a str,
    /// The client id of this server at the provider.
    pub client_id: &'a str,
    /// `nonce` of the request, which binds the token to the browser that began the sign-in.
    pub nonce: &'a str,
    /// `max_age` of the request. With it, the token must state when the person signed in.
    pub max_age: Option<Seconds>,
    /// The access token of the same answer.
    pub access_token: &'a str,
}

/// An ID token that was verified.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedIdToken {
    /// `sub`: the only name of the person at the provider that never changes and is never given to another person.
    pub subject: String,
    /// `auth_time`.
    pub auth_time: Option<Timestamp>,
    /// `acr`.
    pub acr: Option<String>,
    /// All claims, for the ones that the configuration names.
    pub claims: Value,
}

/// Why an ID token is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdTokenError {
    /// The signature or the form is wrong.
    Jose(JoseError),
    /// `typ` is that of another kind of token.
    WrongType,
    /// `iss` is another issuer.
    WrongIssuer,
    /// `aud` does not contain the client id of this server, or has too many values.
    WrongAudience,
    /// `azp` is another client, or is missing although `aud` has several values.
    WrongAuthorizedParty,
    /// `sub` is empty, too long, or has a character that is not allowed.
    SubjectRefused,
    /// The token has expired.
    Expired,
    /// `iat` is in the future, or too long ago.
    WrongIssueTime,
    /// `nonce` is missing or is that of another request.
    WrongNonce,
    /// `auth_time` is missing although the request had `max_age`.
    SignInTimeMissing,
    /// `auth_time` is in the future, or longer ago than `max_age`.
    SignInTooOld,
    /// `at_hash` is not the hash of the access token.
    WrongAccessToken,
}

impl fmt::Display for IdTokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IdTokenError::Jose(error) => return write!(f, "{error}"),
            IdTokenError::WrongType => "typ of the ID token is that of another kind of token",
            IdTokenError::WrongIssuer => "iss of the ID token is not the issuer of the provider",
            IdTokenError::WrongAudience => {
                "aud of the ID token does not contain the client_id of this server"
            }
            IdTokenError::WrongAuthorizedParty => "azp of the ID token is not the client_id of this server",
            IdTokenError::SubjectRefused => "sub of the ID token must have 1 to 255 ASCII characters",
            IdTokenError::Expired => "the ID token has expired",
            IdTokenError::WrongIssueTime => {
                "iat of the ID token is in the future, or more than ten minutes ago"
            }
            IdTokenError::WrongNonce => "nonce of the ID token is not that of the request",
            IdTokenError::SignInTimeMissing => {
                "the ID token has no auth_time, although the request had max_age"
            }
            IdTokenError::SignInTooOld => {
                "auth_time of the ID token is longer ago than max_age, or in the future"
            }
            IdTokenError::WrongAccessToken => "at_hash of the ID token is not the hash of the access token",
        })
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: Timestamp,
    iat: Timestamp,
    nonce: Option<String>,
    auth_time: Option<Timestamp>,
    acr: Option<String>,
    at_hash: Option<String>,
}

impl VerifiedIdToken {
    /// Verifies an ID token with the keys of the provider. The keys determine the algorithms, and none of them is
    /// symmetric, so a client secret is never a key. [OIDCC §3.1.3.7]
    pub fn verify(
        token: &str,
        keys: &KeySet,
        expected: IdTokenExpectation<'_>,
        now: Timestamp,
    ) -> Result<VerifiedIdToken, IdTokenError> {
        let jws = Jws::parse(token).map_err(IdTokenError::Jose)?;
        // [RFC8725 §3.11] An access token or a logout token of the provider has a type of its own.
        let is_id_token = |typ: &str| typ.eq_ignore_ascii_case("JWT");
        if !jws.header.typ.as_deref().is_none_or(is_id_token) {
            return Err(IdTokenError::WrongType);
        }
        jws.has_no_b64().map_err(IdTokenError::Jose)?;
        jws.verify(keys).map_err(IdTokenError::Jose)?;
        let claims: Claims = jws.unverified_claims().map_err(IdTokenError::Jose)?;
        if claims.iss != expected.issuer {
            return Err(IdTokenError::WrongIssuer);
        }
        check_audience(&claims, expected.client_id)?;
        if claims.sub.is_empty() || claims.sub.len() > SUBJECT_BYTES_MAX || !is_vschar(&claims.sub) {
            return Err(IdTokenError::SubjectRefused);
        }
        check_times(&claims, expected.max_age, now)?;
        let nonce = claims.nonce.as_deref().unwrap_or_default();
        if constant_time::verify_slices_are_equal(nonce.as_bytes(), expected.nonce.as_bytes()).is_err() {
            return Err(IdTokenError::WrongNonce);
        }
        let algorithm = jws.algorithm().map_err(IdTokenError::Jose)?;
        if let Some(found) = &claims.at_hash
            && *found != half_hash(algorithm, expected.access_token)
        {
            return Err(IdTokenError::WrongAccessToken);
        }
        Ok(VerifiedIdToken {
            subject: claims.sub,
            auth_time: claims.auth_time,
            acr: claims.acr,
            claims: jws.unverified_claims().map_err(IdTokenError::Jose)?,
        })
    }

    /// The text of a claim that is shown as a label, such as `name`. A claim of another type, an empty or long text and
    /// one with hidden characters are treated as absent: a label gives no rights.
    pub fn label(&self, claim: &str) -> Option<&str> {
        let text = self.claims.get(claim)?.as_str()?.trim();
        let is_label = !text.is_empty() && text.len() <= PERSON_LABEL_BYTES_MAX && is_printable(text);
        is_label.then_some(text)
    }

    /// `email`, if `email_verified` is true. A text such as `"true"` is not true. [OIDCC §5.1]
    pub fn verified_email(&self) -> Option<&str> {
        let is_verified = self.claims.get("email_verified") == Some(&Value::Bool(true));
        self.label("email")
            .filter(|email| is_verified && email.contains('@'))
    }
}

/// [OIDCC §3.1.3.7 (3)] [OIDCC §3.1.3.7 (4)] [OIDCC §3.1.3.7 (5)] A token for several audiences is accepted only if
/// `azp` states that it was issued to this server.
fn check_audience(claims: &Claims, client_id: &str) -> Result<(), IdTokenError> {
    let audiences = claims.aud.values();
    let is_for_us = audiences.iter().any(|audience| audience == client_id);
    if !is_for_us || audiences.len() > ID_TOKEN_AUDIENCES_MAX {
        return Err(IdTokenError::WrongAudience);
    }
    match claims.azp.as_deref() {
        Some(party) if party == client_id => Ok(()),
        None if audiences.len() == 1 => Ok(()),
        Some(_) | None => Err(IdTokenError::WrongAuthorizedParty),
    }
}

fn check_times(claims: &Claims, max_age: Option<Seconds>, now: Timestamp) -> Result<(), IdTokenError> {
    if now >= claims.exp {
        return Err(IdTokenError::Expired);
    }
    if claims.iat > now + LEEWAY || now - claims.iat > AGE_MAX {
        return Err(IdTokenError::WrongIssueTime);
    }
    let Some(signed_in) = claims.auth_time else {
        // [OIDCC §2] Required if the request had `max_age`: without it, an old session would count as a new sign-in.
        return match max_age {
            Some(_) => Err(IdTokenError::SignInTimeMissing),
            None => Ok(()),
        };
    };
    let is_too_old = max_age.is_some_and(|longest| now - LEEWAY > signed_in + longest);
    match is_too_old || signed_in > now + LEEWAY {
        true => Err(IdTokenError::SignInTooOld),
        false => Ok(()),
    }
}

/// `at_hash`: the left half of the hash of the access token. [OIDCC §3.1.3.6]
fn half_hash(algorithm: Algorithm, access_token: &str) -> String {
    let hash = match algorithm {
        Algorithm::ES256 | Algorithm::RS256 | Algorithm::PS256 => &digest::SHA256,
        Algorithm::ES384 | Algorithm::RS384 | Algorithm::PS384 => &digest::SHA384,
        // The hash in Ed25519 is SHA-512. [RFC8032 §5.1]
        Algorithm::ES512 | Algorithm::RS512 | Algorithm::PS512 | Algorithm::EdDSA => &digest::SHA512,
    };
    let hash = digest::digest(hash, access_token.as_bytes());
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    let mut text = String::with_capacity(43);
    encode_segment(left, &mut text);
    text
}

/// Why a claim does not name groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupsError {
    /// It is neither a string nor an array of strings.
    WrongForm,
    /// It has too many values: some would be missing where they are compared.
    TooMany,
    /// A value is empty, too long, or has hidden characters.
    NameRefused,
}

impl fmt::Display for GroupsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupsError::WrongForm => f.write_str("must be a string or an array of strings"),
            GroupsError::TooMany => write!(f, "has more than {GROUPS_MAX} values"),
            GroupsError::NameRefused => write!(
                f,
                "must have names of 1 to {GROUP_BYTES_MAX} bytes without hidden characters"
            ),
        }
    }
}

/// The groups that a claim names, each once.
pub fn group_names(claim: &Value) -> Result<Vec<String>, GroupsError> {
    let values = match claim {
        Value::Array(values) => values.as_slice(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            std::slice::from_ref(claim)
        }
    };
    if values.len() > GROUPS_MAX {
        return Err(GroupsError::TooMany);
    }
    let mut groups: Vec<String> = Vec::with_capacity(values.len());
    for value in values {
        let name = value.as_str().ok_or(GroupsError::WrongForm)?;
        if name.is_empty() || name.len() > GROUP_BYTES_MAX || !is_printable(name) {
            return Err(GroupsError::NameRefused);
        }
        if !groups.iter().any(|known| known == name) {
            groups.push(name.to_owned());
        }
    }
    Ok(groups)
}

#[cfg(test)]
mod tests;

//! Signed request objects: the parameters of an authorization request in a JWT of the client. [RFC9101]
//!
//! An object is always signed, with a key of the client, and never encrypted. It states for which client, for which
//! server and how long it is valid, so that neither an object for another server nor one that was recorded long ago can
//! be used, and no other JWT of the client can be used as a request. [RFC9101 §10.8]

use super::Audience;
use super::authorization::AuthorizationParameters;
use crate::jose::{JoseError, Jws, KeySet};
use crate::limits::{AUDIENCES_MAX, REQUEST_OBJECT_LIFETIME_SECONDS_MAX, RESOURCES_MAX};
use crate::oauth::ErrorCode;
use crate::time::{Seconds, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt;

/// `typ` of a request object. [RFC9101 §10.8]
pub const TYP: &str = "oauth-authz-req+jwt";

/// How far the clock of the client may be ahead of this server's, for `nbf`.
const LEEWAY: Seconds = Seconds(30);

/// Why a request object is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RequestObjectError {
    /// It is not a JWS, is not signed, or its signature does not verify with a key of the client.
    Jose(JoseError),
    /// `typ` is missing or another one.
    WrongType,
    /// `client_id` in the object is missing, or is not the client of the request. [RFC9101 §6.3]
    WrongClient,
    /// `iss` is missing or is not the client. [RFC9101 §4]
    WrongIssuer,
    /// `aud` is missing or does not name this server. [RFC9101 §4]
    WrongAudience,
    /// `sub` is present. With `sub`, the object could be used as an assertion that authenticates the client.
    /// [RFC9101 §10.8]
    HasSubject,
    /// `exp` is in the past.
    Expired,
    /// `exp` is too far in the future.
    TooLong,
    /// `nbf` is in the future.
    NotYetValid,
    /// The object contains `request` or `request_uri`. [RFC9101 §4]
    Nested,
    /// A parameter in the object has a type that it cannot have.
    Parameter {
        /// Its name.
        name: &'static str,
    },
}

impl RequestObjectError {
    /// The code of the error response. [RFC9101 §7]
    pub fn code(&self) -> ErrorCode {
        ErrorCode::InvalidRequestObject
    }
}

impl fmt::Display for RequestObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestObjectError::Jose(error) => write!(f, "{error}"),
            RequestObjectError::WrongType => write!(f, "typ must be {TYP}"),
            RequestObjectError::WrongClient => {
                f.write_str("client_id in the request object must be the client_id of the request")
            }
            RequestObjectError::WrongIssuer => f.write_str("iss in the request object must be the client_id"),
            RequestObjectError::WrongAudience => {
                f.write_str("aud in the request object must contain the issuer identifier of this server")
            }
            RequestObjectError::HasSubject => f.write_str("sub must not be in a request object"),
            RequestObjectError::Expired => f.write_str("exp of the request object is in the past"),
            RequestObjectError::TooLong => write!(
                f,
                "exp of the request object is more than {REQUEST_OBJECT_LIFETIME_SECONDS_MAX} seconds ahead"
            ),
            RequestObjectError::NotYetValid => f.write_str("nbf of the request object is in the future"),
            RequestObjectError::Nested => {
                f.write_str("request and request_uri must not be in a request object")
            }
            RequestObjectError::Parameter { name } => {
                write!(f, "{name} in the request object has a type that it cannot have")
            }
        }
    }
}

/// What a request object must state.
#[derive(Clone, Copy)]
pub struct RequestObjectExpectation<'a> {
    /// The client of the request: `client_id` beside the object, or the authenticated client. [RFC9126 §3]
    pub client_id: &'a str,
    /// The issuer identifier of this server.
    pub issuer: &'a str,
}

/// The claims that are not parameters.
#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    aud: Option<Audience>,
    exp: Timestamp,
    nbf: Option<Timestamp>,
    #[serde(flatten)]
    parameters: Map<String, Value>,
}

/// A request object whose form is right. Nothing in it is verified yet. It has no `Debug`: it can be sent once more.
pub struct RequestObject {
    jws: Jws,
    unverified_claims: Claims,
}

impl RequestObject {
    /// Reads an object, to find the keys that must verify it.
    pub fn parse(object: &str) -> Result<RequestObject, RequestObjectError> {
        let jws = Jws::parse(object).map_err(RequestObjectError::Jose)?;
        match jws.header.typ.as_deref() {
            Some(TYP | "application/oauth-authz-req+jwt") => {}
            _ => return Err(RequestObjectError::WrongType),
        }
        jws.has_no_b64().map_err(RequestObjectError::Jose)?;
        Ok(RequestObject {
            unverified_claims: jws.unverified_claims().map_err(RequestObjectError::Jose)?,
            jws,
        })
    }

    /// The key id in the header.
    pub fn unverified_kid(&self) -> Option<&str> {
        self.jws.header.kid.as_deref()
    }

    /// True if the object is valid at this time if its signature is. Otherwise keys need not be fetched for it.
    pub fn is_worth_a_fetch(&self, expected: RequestObjectExpectation<'_>, now: Timestamp) -> bool {
        check(&self.unverified_claims, expected, now).is_ok()
    }

    /// Verifies the object with the keys of its client. The result has the parameters in the object, and no others: an
    /// attacker can change those beside it. [RFC9101 §6.3]
    pub fn verify(
        &self,
        keys: &KeySet,
        expected: RequestObjectExpectation<'_>,
        now: Timestamp,
    ) -> Result<AuthorizationParameters, RequestObjectError> {
        // [RFC9101 §6.2] The key of the client determines the algorithms; `none` is none of them.
        self.jws.verify(keys).map_err(RequestObjectError::Jose)?;
        check(&self.unverified_claims, expected, now)
    }
}

fn check(
    claims: &Claims,
    expected: RequestObjectExpectation<'_>,
    now: Timestamp,
) -> Result<AuthorizationParameters, RequestObjectError> {
    let parameters = parameters(&claims.parameters)?;
    if parameters.client_id.as_deref() != Some(expected.client_id) {
        return Err(RequestObjectError::WrongClient);
    }
    if claims.iss.as_deref() != Some(expected.client_id) {
        return Err(RequestObjectError::WrongIssuer);
    }
    let audiences = claims.aud.as_ref().map(Audience::values).unwrap_or_default();
    let is_for_us = audiences.iter().any(|audience| audience == expected.issuer);
    if !is_for_us || audiences.len() > AUDIENCES_MAX {
        return Err(RequestObjectError::WrongAudience);
    }
    if claims.parameters.contains_key("sub") {
        return Err(RequestObjectError::HasSubject);
    }
    if now >= claims.exp {
        return Err(RequestObjectError::Expired);
    }
    if claims.exp - now > Seconds(REQUEST_OBJECT_LIFETIME_SECONDS_MAX) {
        return Err(RequestObjectError::TooLong);
    }
    if claims.nbf.is_some_and(|start| start > now + LEEWAY) {
        return Err(RequestObjectError::NotYetValid);
    }
    Ok(parameters)
}

fn parameters(claims: &Map<String, Value>) -> Result<AuthorizationParameters, RequestObjectError> {
    if claims.contains_key("request") || claims.contains_key("request_uri") {
        return Err(RequestObjectError::Nested);
    }
    let text = |name: &'static str| text(claims, name);
    Ok(AuthorizationParameters {
        client_id: text("client_id")?,
        response_type: text("response_type")?,
        response_mode: text("response_mode")?,
        redirect_uri: text("redirect_uri")?,
        state: text("state")?,
        scope: text("scope")?,
        resource: resources(claims.get("resource"))?,
        code_challenge: text("code_challenge")?,
        code_challenge_method: text("code_challenge_method")?,
        prompt: text("prompt")?,
        max_age: max_age(claims.get("max_age"))?,
        acr_values: text("acr_values")?,
        login_hint: text("login_hint")?,
        dpop_jkt: text("dpop_jkt")?,
    })
}

/// [RFC9101 §4] A parameter is a string. An empty one is omitted, as in a form. [RFC6749 §3.1] Control characters are
/// refused, as in a form.
fn text(claims: &Map<String, Value>, name: &'static str) -> Result<Option<String>, RequestObjectError> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if !text.chars().any(char::is_control) => Ok(Some(text.clone())),
        Some(_) => Err(RequestObjectError::Parameter { name }),
    }
}

/// `resource`: a string, or an array where a form would repeat it. [RFC8707 §2.1]
fn resources(claim: Option<&Value>) -> Result<Vec<String>, RequestObjectError> {
    let wrong = RequestObjectError::Parameter { name: "resource" };
    let values = match claim {
        None => return Ok(Vec::new()),
        Some(Value::Array(values)) => values.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    // One more than allowed is kept, so that the error is that of a form.
    let values = values.iter().take(RESOURCES_MAX + 1);
    let texts: Option<Vec<String>> = values.map(|value| value.as_str().map(str::to_owned)).collect();
    texts.ok_or(wrong)
}

/// `max_age`: [RFC9101 §4] numbers may be JSON numbers.
fn max_age(claim: Option<&Value>) -> Result<Option<String>, RequestObjectError> {
    match claim {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            Err(RequestObjectError::Parameter { name: "max_age" })
        }
    }
}

#[cfg(test)]
mod tests;

//! An authorization request whose parameters are right by themselves.

use super::modes::{Prompt, ResponseMode};
use super::{AuthorizationParameters, AuthorizationRequestError};
use crate::base64url;
use crate::limits::{
    ACR_VALUES_BYTES_MAX, ACR_VALUES_MAX, AUTHORIZATION_REQUEST_BYTES_MAX, LOGIN_HINT_BYTES_MAX,
    MAX_AGE_SECONDS_MAX, RESOURCES_MAX,
};
use crate::oauth::pkce::{CodeChallenge, METHOD_S256};
use crate::oauth::{Resource, ScopeSet, is_vschar};
use crate::printable::is_printable;
use crate::time::Seconds;
use serde::{Deserialize, Serialize};

/// A request for a code. It is kept while the person signs in, in a record or in a sealed value, so absent parameters are
/// left out. `client_id` is kept beside it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// `redirect_uri`, if the request has one. It is not compared with the registered ones here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// `response_mode`.
    #[serde(default)]
    pub response_mode: ResponseMode,
    /// `state`, which the response repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `code_challenge`, of the method S256.
    pub code_challenge: CodeChallenge,
    /// `scope`, if the request has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeSet>,
    /// `resource`, in the order of the request, each once. [RFC8707 §2]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
    /// `prompt`.
    #[serde(default)]
    pub prompt: Prompt,
    /// `max_age`: how long ago the person may have signed in. 0 requires a new sign-in. [OIDCC §3.1.2.1]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Seconds>,
    /// `acr_values`, in order of preference. [RFC9470 §4]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acr_values: Vec<String>,
    /// `login_hint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
    /// `dpop_jkt`: the key to which the code is bound. [RFC9449 §10]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<KeyThumbprint>,
}

/// The SHA-256 thumbprint of a key, as a client names it. [RFC7638 §3]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyThumbprint(#[serde(with = "base64url")] pub [u8; 32]);

impl AuthorizationRequest {
    /// Checks everything in which a request can be wrong by itself, in the order in which the errors are reported.
    pub fn parse(sent: &AuthorizationParameters) -> Result<AuthorizationRequest, AuthorizationRequestError> {
        check_response_type(sent.response_type.as_deref())?;
        let response_mode = sent.response_mode.as_deref().map(ResponseMode::parse);
        if sent.state.as_deref() != sent.state_of_response() {
            return Err(AuthorizationRequestError::StateMalformed);
        }
        let request = AuthorizationRequest {
            response_mode: response_mode.transpose()?.unwrap_or_default(),
            redirect_uri: sent.redirect_uri.clone(),
            state: sent.state.clone(),
            code_challenge: code_challenge(sent)?,
            scope: sent.scope.as_deref().map(scope).transpose()?,
            resources: resources(&sent.resource)?,
            prompt: Prompt::parse(sent.prompt.as_deref().unwrap_or_default())?,
            max_age: sent.max_age.as_deref().map(max_age).transpose()?,
            acr_values: acr_values(sent.acr_values.as_deref().unwrap_or_default())?,
            login_hint: sent.login_hint.clone(),
            dpop_jkt: sent.dpop_jkt.as_deref().map(dpop_jkt).transpose()?,
        };
        let hint = request.login_hint.as_deref().unwrap_or_default();
        if hint.len() > LOGIN_HINT_BYTES_MAX || !is_printable(hint) {
            return Err(AuthorizationRequestError::LoginHintMalformed);
        }
        if bytes_of(sent) > AUTHORIZATION_REQUEST_BYTES_MAX {
            return Err(AuthorizationRequestError::TooLarge);
        }
        Ok(request)
    }
}

/// [OAUTH-2.1 §10.1] Only the code flow; `token` would put an access token into a URL.
fn check_response_type(sent: Option<&str>) -> Result<(), AuthorizationRequestError> {
    match sent {
        Some("code") => Ok(()),
        Some(_) => Err(AuthorizationRequestError::ResponseTypeRefused),
        None => Err(AuthorizationRequestError::ResponseTypeMissing),
    }
}

/// [OAUTH-2.1 §4.1.1] Every client must send a challenge. Without it, an attacker can redeem a stolen code or make a
/// client redeem the attacker's code. [RFC7636 §4.3] Without a method, it is `plain`.
fn code_challenge(sent: &AuthorizationParameters) -> Result<CodeChallenge, AuthorizationRequestError> {
    let challenge = sent
        .code_challenge
        .as_deref()
        .ok_or(AuthorizationRequestError::ChallengeMissing)?;
    if sent.code_challenge_method.as_deref() != Some(METHOD_S256) {
        return Err(AuthorizationRequestError::ChallengeMethodRefused);
    }
    CodeChallenge::parse(challenge).map_err(AuthorizationRequestError::Challenge)
}

fn scope(text: &str) -> Result<ScopeSet, AuthorizationRequestError> {
    ScopeSet::parse(text).map_err(AuthorizationRequestError::Scope)
}

fn resources(sent: &[String]) -> Result<Vec<Resource>, AuthorizationRequestError> {
    if sent.len() > RESOURCES_MAX {
        return Err(AuthorizationRequestError::TooManyResources);
    }
    let mut resources = Vec::with_capacity(sent.len());
    for text in sent {
        let resource = Resource::parse(text).map_err(AuthorizationRequestError::Resource)?;
        if !resources.contains(&resource) {
            resources.push(resource);
        }
    }
    Ok(resources)
}

fn max_age(text: &str) -> Result<Seconds, AuthorizationRequestError> {
    let malformed = AuthorizationRequestError::MaxAgeMalformed;
    // A sign is not a digit: `+5` and `-1` are refused.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed);
    }
    let seconds: i64 = text.parse().map_err(|_| malformed)?;
    match seconds <= MAX_AGE_SECONDS_MAX {
        true => Ok(Seconds(seconds)),
        false => Err(malformed),
    }
}

fn acr_values(text: &str) -> Result<Vec<String>, AuthorizationRequestError> {
    let mut values: Vec<String> = Vec::new();
    for value in text.split(' ').filter(|value| !value.is_empty()) {
        if !values.iter().any(|known| known == value) {
            values.push(value.to_owned());
        }
    }
    if values.len() > ACR_VALUES_MAX || text.len() > ACR_VALUES_BYTES_MAX || !is_vschar(text) {
        return Err(AuthorizationRequestError::AcrValuesMalformed);
    }
    Ok(values)
}

fn dpop_jkt(text: &str) -> Result<KeyThumbprint, AuthorizationRequestError> {
    base64url::parse(text)
        .map(KeyThumbprint)
        .ok_or(AuthorizationRequestError::DpopKeyMalformed)
}

/// The bytes that are kept.
fn bytes_of(sent: &AuthorizationParameters) -> usize {
    let texts = [
        &sent.redirect_uri,
        &sent.state,
        &sent.scope,
        &sent.acr_values,
        &sent.login_hint,
    ];
    let texts = texts.into_iter().flatten().chain(&sent.resource);
    texts.map(String::len).sum()
}

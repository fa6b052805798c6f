//! What an event keeps of an authorization request, so that `testudo explain` can decide it again.

use super::pushed_request::PushedRequest;
use serde::{Deserialize, Serialize};
use testudo_protocol::base64url;
use testudo_protocol::oauth::authorization::{AuthorizationRequest, KeyThumbprint, Prompt, ResponseMode};
use testudo_protocol::oauth::pkce::CodeChallenge;
use testudo_protocol::oauth::{RedirectUri, Resource, ScopeSet};

/// Most bytes of an authorization request that one event keeps. Any browser can send such a request, and up to 200 refused
/// ones have events in a minute. A request that registers a client has one as well, and so has the answer of a person who
/// consents or does not.
pub const AUTHORIZATION_KEPT_BYTES_MAX: usize = 2 * 1024;

/// The parameters of an authorization request that decide whether the client may ask. `state` and `login_hint` are never
/// kept, because they can name a person. What the request asks of the session (`prompt`, `max_age`, `acr_values`) is not
/// kept either: no event contains the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AuthorizationDetails {
    /// The parameter `redirect_uri`. Example: `https://shop.example/cb`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub redirect_uri: Option<String>,
    /// The values of the parameter `resource`. Example: `["https://orders.example"]`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub resources: Vec<String>,
    /// The parameter `code_challenge`: the SHA-256 of a secret that only the client has. 43 characters.
    pub code_challenge: String,
    /// The parameter `dpop_jkt`: the thumbprint of the key to which the code is bound. 43 characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dpop_jkt: Option<String>,
    /// True if a key of the client signed the request.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub is_signed: bool,
    /// At the authorization endpoint, the client that pushed the request before: its authority, its subject there, and the
    /// redirect URI that it proved to be its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pushed_by: Option<PushedBy>,
}

/// The client that pushed a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PushedBy {
    /// Key of its authority. Example: `spiffe://prod.example`.
    pub authority: String,
    /// Its subject there. Example: `spiffe://prod.example/ns/shop/sa/web`.
    pub subject: String,
    /// Where the response is sent.
    #[schemars(with = "String")]
    pub redirect_uri: RedirectUri,
}

impl AuthorizationDetails {
    /// What is kept of a request that a browser brings or a client pushes. `None` if it is too long.
    pub fn of(request: &AuthorizationRequest, is_signed: bool) -> Option<Box<AuthorizationDetails>> {
        AuthorizationDetails::kept(request, is_signed, None)
    }

    /// What is kept of a pushed request, when a browser brings its name. `None` if it is too long.
    pub fn of_pushed(pushed: &PushedRequest) -> Option<Box<AuthorizationDetails>> {
        let by = PushedBy {
            authority: pushed.client.authority.clone(),
            subject: pushed.client.subject.clone(),
            redirect_uri: pushed.redirect_uri.clone(),
        };
        AuthorizationDetails::kept(&pushed.request, false, Some(by))
    }

    fn kept(
        request: &AuthorizationRequest,
        is_signed: bool,
        pushed_by: Option<PushedBy>,
    ) -> Option<Box<AuthorizationDetails>> {
        let resources = request.resources.iter();
        let details = AuthorizationDetails {
            redirect_uri: request.redirect_uri.clone(),
            resources: resources.map(|resource| resource.as_str().to_owned()).collect(),
            code_challenge: request.code_challenge.to_string(),
            dpop_jkt: request.dpop_jkt.map(|key| base64url::text(&key.0)),
            is_signed,
            pushed_by,
        };
        (details.bytes() <= AUTHORIZATION_KEPT_BYTES_MAX).then(|| Box::new(details))
    }

    fn bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |bytes| bytes.len())
    }

    /// The request, with this `scope` of the event. `None` if a value cannot be read.
    pub fn request(&self, scope: Option<&str>) -> Option<AuthorizationRequest> {
        let resources = self.resources.iter().map(|text| Resource::parse(text).ok());
        let key = |text: &String| base64url::parse(text).map(KeyThumbprint);
        Some(AuthorizationRequest {
            redirect_uri: self.redirect_uri.clone(),
            response_mode: ResponseMode::default(),
            state: None,
            code_challenge: CodeChallenge::parse(&self.code_challenge).ok()?,
            scope: match scope {
                Some(text) => Some(ScopeSet::parse(text).ok()?),
                None => None,
            },
            resources: resources.collect::<Option<Vec<Resource>>>()?,
            prompt: Prompt::default(),
            max_age: None,
            acr_values: Vec::new(),
            login_hint: None,
            dpop_jkt: match &self.dpop_jkt {
                Some(text) => Some(key(text)?),
                None => None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo_protocol::oauth::authorization::AuthorizationParameters;

    fn request(redirect_uri: &str) -> AuthorizationRequest {
        let text = |value: &str| Some(value.to_owned());
        let parameters = AuthorizationParameters {
            response_type: text("code"),
            redirect_uri: text(redirect_uri),
            state: text("s1"),
            scope: text("orders.read"),
            resource: vec!["https://orders.example/".to_owned()],
            code_challenge: text("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            code_challenge_method: text("S256"),
            prompt: text("login"),
            login_hint: text("alice@mail.example"),
            dpop_jkt: text("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
            ..AuthorizationParameters::default()
        };
        AuthorizationRequest::parse(&parameters).unwrap()
    }

    #[test]
    fn request_is_read_from_its_event_without_state_login_hint_and_what_it_asks_of_the_session() {
        let sent = request("https://shop.example/cb");
        let details = AuthorizationDetails::of(&sent, true).unwrap();
        let body = serde_json::to_string(&details).unwrap();
        assert!(!body.contains("s1") && !body.contains("alice"), "{body}");
        let read: AuthorizationDetails = serde_json::from_str(&body).unwrap();
        assert!(read.is_signed && read.pushed_by.is_none());
        let expected = AuthorizationRequest {
            state: None,
            prompt: Prompt::default(),
            login_hint: None,
            ..sent
        };
        assert_eq!(read.request(Some("orders.read")), Some(expected));
    }

    #[test]
    fn request_of_more_than_2_kib_is_not_kept_and_one_of_2_kib_is() {
        let short = AuthorizationDetails::of(&request("https://shop.example/"), false).unwrap();
        let left = AUTHORIZATION_KEPT_BYTES_MAX - short.bytes();
        let with = |more: usize| request(&format!("https://shop.example/{}", "x".repeat(more)));
        assert!(AuthorizationDetails::of(&with(left), false).is_some());
        assert!(AuthorizationDetails::of(&with(left + 1), false).is_none());
    }

    #[test]
    fn event_with_a_value_that_cannot_be_read_gives_no_request() {
        let details = AuthorizationDetails::of(&request("https://shop.example/cb"), false).unwrap();
        let broken = AuthorizationDetails {
            code_challenge: "short".to_owned(),
            ..(*details).clone()
        };
        assert!(details.request(None).is_some());
        assert_eq!(broken.request(None), None);
        assert_eq!(details.request(Some("\"")), None);
    }
}

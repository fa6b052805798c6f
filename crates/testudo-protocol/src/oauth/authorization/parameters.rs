//! The parameters of an authorization request, as they were sent. [RFC6749 §4.1.1]

use super::{AuthorizationRequestError, PushedRequestUri, ResponseMode};
use crate::limits::{IDENTIFIER_BYTES_MAX, STATE_BYTES_MAX};
use crate::oauth::{Form, is_vschar};

/// The three forms of an authorization request. It has no `Debug`: the object and the URI can be used once more.
pub enum SentRequest {
    /// Parameters in the query or in a form.
    Plain(Box<AuthorizationParameters>),
    /// A signed request object; all parameters beside it are ignored. [RFC9101 §6.3]
    Object {
        /// `client_id` beside the object. The object must state the same one.
        client_id: Option<String>,
        /// `request`.
        object: String,
    },
    /// The name of a pushed request; all other parameters are ignored. [RFC9126 §4]
    Pushed {
        /// `client_id`. The request must have been pushed by this client.
        client_id: String,
        /// `request_uri`.
        request_uri: PushedRequestUri,
    },
}

/// The parameters that are evaluated; nothing in them is checked. Unknown ones are ignored. [RFC6749 §3.1]
#[derive(Clone, Default, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the standard's own")]
pub struct AuthorizationParameters {
    pub client_id: Option<String>,
    pub response_type: Option<String>,
    pub response_mode: Option<String>,
    pub redirect_uri: Option<String>,
    pub state: Option<String>,
    pub scope: Option<String>,
    pub resource: Vec<String>,
    pub code_challenge: Option<String>,
    pub code_challenge_method: Option<String>,
    pub prompt: Option<String>,
    pub max_age: Option<String>,
    pub acr_values: Option<String>,
    pub login_hint: Option<String>,
    pub dpop_jkt: Option<String>,
}

impl SentRequest {
    /// Finds the form of a request to the authorization endpoint, in its query or in its body. `client_id` is required.
    /// [RFC6749 §4.1.1] [RFC9101 §5]
    pub fn at_authorization_endpoint(form: &Form) -> Result<SentRequest, AuthorizationRequestError> {
        let client_id = client_id(form)?.ok_or(AuthorizationRequestError::ClientIdMissing)?;
        match (form.get("request"), form.get("request_uri")) {
            (Some(_), Some(_)) => Err(AuthorizationRequestError::ObjectAndUri),
            (None, Some(uri)) => Ok(SentRequest::Pushed {
                client_id: client_id.to_owned(),
                request_uri: PushedRequestUri::parse(uri)?,
            }),
            (Some(object), None) => Ok(SentRequest::Object {
                client_id: Some(client_id.to_owned()),
                object: object.to_owned(),
            }),
            (None, None) => Ok(SentRequest::Plain(Box::new(AuthorizationParameters::parse(form)))),
        }
    }

    /// Finds the form of a request to the endpoint for pushed requests. The client is authenticated there, so its
    /// credential may name it in the place of `client_id`. [RFC9126 §2.1]
    pub fn at_pushed_endpoint(form: &Form) -> Result<SentRequest, AuthorizationRequestError> {
        let client_id = client_id(form)?;
        if form.has("request_uri") {
            return Err(AuthorizationRequestError::UriInPushedRequest);
        }
        match form.get("request") {
            Some(object) => Ok(SentRequest::Object {
                client_id: client_id.map(str::to_owned),
                object: object.to_owned(),
            }),
            None => Ok(SentRequest::Plain(Box::new(AuthorizationParameters::parse(form)))),
        }
    }
}

fn client_id(form: &Form) -> Result<Option<&str>, AuthorizationRequestError> {
    match form.get("client_id") {
        Some(id) if id.len() > IDENTIFIER_BYTES_MAX || !is_vschar(id) => {
            Err(AuthorizationRequestError::ClientIdMalformed)
        }
        found => Ok(found),
    }
}

impl AuthorizationParameters {
    /// Reads the parameters of a query or a form. [`Form`] has refused repeated parameters and left out empty ones.
    pub fn parse(form: &Form) -> AuthorizationParameters {
        let sent = |name: &str| form.get(name).map(str::to_owned);
        AuthorizationParameters {
            client_id: sent("client_id"),
            response_type: sent("response_type"),
            response_mode: sent("response_mode"),
            redirect_uri: sent("redirect_uri"),
            state: sent("state"),
            scope: sent("scope"),
            resource: form.all("resource").map(str::to_owned).collect(),
            code_challenge: sent("code_challenge"),
            code_challenge_method: sent("code_challenge_method"),
            prompt: sent("prompt"),
            max_age: sent("max_age"),
            acr_values: sent("acr_values"),
            login_hint: sent("login_hint"),
            dpop_jkt: sent("dpop_jkt"),
        }
    }

    /// How a response is sent, also one that states that another parameter is wrong. Without `response_mode`, and if it
    /// is unknown, in the query. [MULTIPLE-TYPES §2.1]
    pub fn mode_of_response(&self) -> ResponseMode {
        let sent = self.response_mode.as_deref().map(ResponseMode::parse);
        sent.and_then(Result::ok).unwrap_or_default()
    }

    /// The `state` that a response contains. One that is refused is not repeated.
    pub fn state_of_response(&self) -> Option<&str> {
        self.state
            .as_deref()
            .filter(|state| state.len() <= STATE_BYTES_MAX && is_vschar(state))
    }
}

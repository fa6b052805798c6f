//! What a browser brings to the authorization endpoint.

use super::signed::SignedRequest;
use crate::people::SecretDigest;
use crate::records::{Needs, PushedRequest};
use crate::rejection::{AuthorizationReason, Rejection};
use serde::{Deserialize, Serialize};
use testudo_protocol::oauth::Form;
use testudo_protocol::oauth::authorization::{
    AuthorizationParameters, AuthorizationRequest, AuthorizationRequestError, ResponseMode, SentRequest,
};

/// An authorization request. While a person signs in, it is sealed and kept by the browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// The browser brings the parameters.
    Direct(Box<DirectRequest>),
    /// The browser brings the name of a pushed request. [RFC9126 §4]
    Pushed(PushedName),
    /// The browser brings parameters of which one is wrong. This is never sealed: the answer is the error.
    #[serde(skip)]
    Wrong(Box<WrongRequest>),
}

/// A request as it arrives.
pub enum Arriving {
    /// Its parameters are known.
    Asked(Asked),
    /// Its parameters are in an object whose signature must be verified first.
    Signed(Box<SignedRequest>),
}

/// A request whose parameters are right by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectRequest {
    /// `client_id`. Nothing proves that the request is of this client, unless it is signed.
    pub client_id: String,
    /// The parameters.
    pub request: AuthorizationRequest,
    /// True if a key of the client signed it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub is_signed: bool,
}

/// The name of a pushed request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedName {
    /// `client_id` beside `request_uri`.
    pub client_id: String,
    /// SHA-256 of `request_uri`.
    pub digest: SecretDigest,
}

/// A request with a wrong parameter, and what is needed to return the error to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongRequest {
    /// `client_id`.
    pub client_id: String,
    /// `redirect_uri`.
    pub redirect_uri: Option<String>,
    /// `state`, if it is not what is wrong.
    pub state: Option<String>,
    /// How the response is sent.
    pub mode: ResponseMode,
    /// What is wrong.
    pub error: AuthorizationRequestError,
}

impl Arriving {
    /// Reads the query or the form of a request. The error is shown on a page, because it is not known to whom a response
    /// would be sent. [RFC6749 §4.1.2.1]
    pub fn parse(form: &Form) -> Result<Arriving, Rejection> {
        let sent = SentRequest::at_authorization_endpoint(form);
        match sent.map_err(AuthorizationReason::ParametersWrong)? {
            SentRequest::Plain(parameters) => {
                let client_id = parameters.client_id.clone().unwrap_or_default();
                Ok(Arriving::Asked(Asked::of_parameters(
                    client_id,
                    &parameters,
                    false,
                )))
            }
            SentRequest::Pushed {
                client_id,
                request_uri,
            } => Ok(Arriving::Asked(Asked::Pushed(PushedName {
                client_id,
                digest: SecretDigest::of_bytes(request_uri.digest()),
            }))),
            SentRequest::Object { client_id, object } => {
                let client_id = client_id.unwrap_or_default();
                let signed = SignedRequest::parse(&client_id, &object)?;
                Ok(Arriving::Signed(Box::new(signed)))
            }
        }
    }
}

impl Asked {
    /// The request that a client signed.
    pub fn of_signed(signed: &SignedRequest, parameters: &AuthorizationParameters) -> Asked {
        Asked::of_parameters(signed.client_id().to_owned(), parameters, true)
    }

    fn of_parameters(client_id: String, parameters: &AuthorizationParameters, is_signed: bool) -> Asked {
        match AuthorizationRequest::parse(parameters) {
            Ok(request) => Asked::Direct(Box::new(DirectRequest {
                client_id,
                request,
                is_signed,
            })),
            Err(error) => Asked::Wrong(Box::new(WrongRequest {
                client_id,
                redirect_uri: parameters.redirect_uri.clone(),
                state: parameters.state_of_response().map(str::to_owned),
                mode: parameters.mode_of_response(),
                error,
            })),
        }
    }

    /// `client_id`.
    pub fn client_id(&self) -> &str {
        match self {
            Asked::Direct(direct) => &direct.client_id,
            Asked::Pushed(pushed) => &pushed.client_id,
            Asked::Wrong(wrong) => &wrong.client_id,
        }
    }

    /// The records with which the client is found: the pushed request, which names the key of its client.
    pub fn needs(&self) -> Needs<'_> {
        match self.pushed() {
            Some(digest) => Needs::one::<PushedRequest>(digest.key()),
            None => Needs::default(),
        }
    }

    /// The key of the pushed request, if it is one.
    pub(super) fn pushed(&self) -> Option<&SecretDigest> {
        match self {
            Asked::Pushed(pushed) => Some(&pushed.digest),
            Asked::Direct(_) | Asked::Wrong(_) => None,
        }
    }
}

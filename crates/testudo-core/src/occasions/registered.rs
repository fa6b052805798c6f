//! The result of any kind of registration: the client, and the content of the answer.

use crate::identity::CredentialKind;
use crate::records::Client;
use testudo_protocol::oauth::ScopeSet;

/// The result of a registration.
#[derive(Debug)]
pub struct Registered {
    /// The client after the registration.
    pub client: Client,
    /// The registered values that the answer contains.
    pub answer: Answer,
    /// True where the client is new.
    pub is_new: bool,
}

/// The effective values, which the answer must contain. [RFC7591 §3.2.1]
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of RFC 7591")]
pub struct Answer {
    pub redirect_uris: Vec<String>,
    pub grant_types: Vec<String>,
    pub response_types: Vec<String>,
    pub scope: ScopeSet,
    pub token_endpoint_auth_method: &'static str,
    /// The only kind of credential that is accepted from the client, if it registered one.
    pub only: Option<CredentialKind>,
    pub must_bind_tokens: bool,
    pub dpop_bound_access_tokens: bool,
    pub must_push: bool,
    pub must_sign_requests: bool,
}

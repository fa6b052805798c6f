//! Grants: what can be asked for at the token endpoint.
//!
//! Every grant file has the same items: the struct, `parse`, and `judge`, which is step 9 of admission.

mod client_credentials;
mod granted;
mod parameters;

pub use client_credentials::ClientCredentials;
pub use granted::Granted;

use crate::admission::placed::Placed;
use crate::policy::Policy;
use crate::records::Registration;
use crate::rejection::{Rejection, RequestReason};
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::{Form, GRANT_CLIENT_CREDENTIALS, Resource, ScopeSet};

/// A grant request, parsed.
#[derive(Debug, Clone)]
pub enum GrantRequest {
    /// The client acts for itself. [RFC6749 §4.4]
    ClientCredentials(ClientCredentials),
}

impl GrantRequest {
    /// Parses the part of a token request that says what is wanted.
    pub fn parse(form: &Form) -> Result<GrantRequest, Rejection> {
        match form.get("grant_type") {
            None => Err(RequestReason::MissingGrantType.into()),
            Some(GRANT_CLIENT_CREDENTIALS) => {
                ClientCredentials::parse(form).map(GrantRequest::ClientCredentials)
            }
            // [RFC9700 §2.4] The password grant is among those that will never be here.
            Some(_) => Err(RequestReason::UnsupportedGrantType.into()),
        }
    }

    /// The grant's name in `grant_type` and in a rule's `grant_types`.
    pub fn name(&self) -> &'static str {
        match self {
            GrantRequest::ClientCredentials(_) => GRANT_CLIENT_CREDENTIALS,
        }
    }

    /// Step 9 of admission: is this request allowed to this client?
    pub fn judge(
        &self,
        placed: &Placed<'_>,
        registration: Option<&Registration>,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Granted, Rejection> {
        match self {
            GrantRequest::ClientCredentials(request) => request.judge(placed, registration, policy, now),
        }
    }

    /// What was asked for, for events.
    pub fn scope_asked(&self) -> Option<String> {
        match self {
            GrantRequest::ClientCredentials(request) => request.scope.as_ref().map(ScopeSet::to_string),
        }
    }

    /// What was asked for, for events.
    pub fn resource_asked(&self) -> Option<String> {
        match self {
            GrantRequest::ClientCredentials(request) => request.resource.as_ref().map(Resource::to_string),
        }
    }
}

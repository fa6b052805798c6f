//! Grants: what can be asked for at the token endpoint.
//!
//! Every grant file has the same items: the struct, `parse`, and `decide`, which is step 9 of admission.

mod client_credentials;
mod granted;
mod parameters;

pub use client_credentials::ClientCredentials;
pub use granted::Granted;

use crate::admission::governed::GovernedIdentity;
use crate::decision::Moment;
use crate::decision::Resolution;
use crate::records::{Batch, Conflict, Loaded, Needs, Registration};
use crate::rejection::{Rejection, RequestReason};
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

    /// Adds the records of its own that the grant needs.
    pub fn needs<'n>(&'n self, needs: Needs<'n>) -> Needs<'n> {
        match self {
            GrantRequest::ClientCredentials(_) => needs,
        }
    }

    /// Step 9 of admission: is this request allowed to this client? What the grant changes of its own records is in
    /// the batch.
    pub fn decide(
        &self,
        governed: &GovernedIdentity<'_>,
        registration: Option<&Registration>,
        _loaded: &Loaded<'_>,
        at: &Moment<'_>,
    ) -> Result<(Granted, Batch), Rejection> {
        match self {
            GrantRequest::ClientCredentials(request) => {
                let granted = request.decide(governed, registration, at)?;
                Ok((granted, Batch::default()))
            }
        }
    }

    /// What a conflict means that is about the grant's own records; nothing where it is not.
    pub fn conflict(&self, _on: &Conflict) -> Option<Resolution> {
        match self {
            GrantRequest::ClientCredentials(_) => None,
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

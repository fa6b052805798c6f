//! Grants: what can be asked for at the token endpoint.
//!
//! Every grant file has the same items: the struct, `parse`, and `judge`, which is step 9 of admission.

mod client_credentials;

pub use client_credentials::ClientCredentials;

use crate::admission::admit::Placed;
use crate::policy::Policy;
use crate::records::Registration;
use crate::rejection::Rejection;
use std::fmt;
use testudo_protocol::limits::RESOURCES_MAX;
use testudo_protocol::oauth::{Form, GRANT_CLIENT_CREDENTIALS, Resource, ScopeSet};
use testudo_protocol::{Seconds, Timestamp};

/// A grant request, parsed.
#[derive(Debug, Clone)]
pub enum GrantRequest {
    /// The client acts for itself. [RFC6749 §4.4]
    ClientCredentials(ClientCredentials),
}

/// What a token will say that depends on the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Scope, possibly empty.
    pub scope: ScopeSet,
    /// The one audience.
    pub resource: Resource,
    /// Life of the token.
    pub lifetime: Seconds,
    /// Certificate that the token is bound to. [RFC8705 §3]
    pub certificate_thumbprint: Option<[u8; 32]>,
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "scope `{}` for {} during {} s",
            self.scope, self.resource, self.lifetime.0
        )
    }
}

impl GrantRequest {
    /// Parses the part of a token request that says what is wanted.
    pub fn parse(form: &Form) -> Result<GrantRequest, Rejection> {
        match form.get("grant_type") {
            None => Err(Rejection::MissingGrantType),
            Some(GRANT_CLIENT_CREDENTIALS) => {
                ClientCredentials::parse(form).map(GrantRequest::ClientCredentials)
            }
            // [RFC9700 §2.4] The password grant is among those that will never be here.
            Some(_) => Err(Rejection::UnsupportedGrantType),
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

/// `scope`, by its syntax.
fn parse_scope(form: &Form) -> Result<Option<ScopeSet>, Rejection> {
    form.get("scope")
        .map(|text| ScopeSet::parse(text).map_err(Rejection::MalformedScope))
        .transpose()
}

/// `resource` and `audience` pass one gate (decision 0012), and a token has one audience.
fn parse_resource(form: &Form) -> Result<Option<Resource>, Rejection> {
    let mut wanted: Option<Resource> = None;
    for text in form
        .all("resource")
        .chain(form.all("audience"))
        .take(RESOURCES_MAX + 1)
    {
        let resource = Resource::parse(text).map_err(Rejection::MalformedResource)?;
        match &wanted {
            Some(known) if *known != resource => return Err(Rejection::SeveralResources),
            _ => wanted = Some(resource),
        }
    }
    Ok(wanted)
}

//! The grants of the token endpoint.
//!
//! A grant is a file with a struct, `parse` and `decide` (step 9 of admission), a variant of [`GrantRequest`], and a
//! row in the table of supported grants. Code that all grants share is in other files: whether the client may use the
//! grant (`requester`), lifetime and binding of the token (`binding`), and the parameters `scope` and `resource`
//! (`scope_and_resource`).

mod binding;
mod client_credentials;
mod granted;
mod requester;
mod scope_and_resource;

pub use binding::Binding;
pub use client_credentials::ClientCredentials;
pub use granted::Granted;
pub use scope_and_resource::ScopeAndResource;

use crate::admission::governed::GovernedIdentity;
use crate::decision::Moment;
use crate::decision::Resolution;
use crate::records::{Batch, Conflict, Loaded, Needs, Registration};
use crate::rejection::{Rejection, RequestReason};
use requester::Requester;
use testudo_protocol::oauth::{Form, GRANT_CLIENT_CREDENTIALS, Resource, ScopeSet};

/// A grant request, parsed.
#[derive(Debug, Clone)]
pub enum GrantRequest {
    /// The client acts for itself. [RFC6749 §4.4]
    ClientCredentials(ClientCredentials),
}

/// Reads the parameters of one grant.
type Parse = fn(&Form) -> Result<GrantRequest, Rejection>;

/// The supported grants, by their names in `grant_type`. [RFC9700 §2.4] The password grant must never be added.
const SERVED: [(&str, Parse); 1] = [(GRANT_CLIENT_CREDENTIALS, |form| {
    ClientCredentials::parse(form).map(GrantRequest::ClientCredentials)
})];

/// The part of the result that differs between grants.
struct Allowed {
    scope: ScopeSet,
    resource: Resource,
    /// Changes of the grant's own records.
    batch: Batch,
}

/// Names of the grants that the token endpoint supports.
pub fn served() -> impl Iterator<Item = &'static str> {
    SERVED.into_iter().map(|(name, _)| name)
}

/// True if the token endpoint supports the grant. A client may register other grants, but cannot use them.
pub fn is_served(name: &str) -> bool {
    served().any(|served| served == name)
}

impl GrantRequest {
    /// Parses the grant and its parameters in a token request.
    pub fn parse(form: &Form) -> Result<GrantRequest, Rejection> {
        let name = form.get("grant_type").ok_or(RequestReason::MissingGrantType)?;
        let served = SERVED.into_iter().find(|(served, _)| *served == name);
        let (_, parse) = served.ok_or(RequestReason::UnsupportedGrantType)?;
        parse(form)
    }

    /// The grant's name in `grant_type` and in a rule's `grant_types`.
    pub fn name(&self) -> &'static str {
        match self {
            GrantRequest::ClientCredentials(_) => GRANT_CLIENT_CREDENTIALS,
        }
    }

    /// Adds the grant's own records that it needs.
    pub fn needs<'n>(&'n self, needs: Needs<'n>) -> Needs<'n> {
        match self {
            GrantRequest::ClientCredentials(_) => needs,
        }
    }

    /// Step 9 of admission: whether this client may make this request. Changes of the grant's own records are in the
    /// batch.
    pub fn decide(
        &self,
        governed: &GovernedIdentity<'_>,
        registration: Option<&Registration>,
        _loaded: &Loaded<'_>,
        at: &Moment<'_>,
    ) -> Result<(Granted, Batch), Rejection> {
        let requester = Requester {
            governed,
            registration,
        };
        requester.may_use(self.name())?;
        let binding = Binding::check(&requester)?;
        let allowed = match self {
            GrantRequest::ClientCredentials(request) => request.decide(&requester, at.policy)?,
        };
        let life = requester.token_lifetime(at.policy.tokens.access_token_lifetime);
        let granted = Granted {
            scope: allowed.scope,
            resource: allowed.resource,
            lifetime: match &binding {
                Some(binding) => binding.limited(life, &requester, at.now),
                None => life,
            },
            binding,
        };
        Ok((granted, allowed.batch))
    }

    /// How a conflict of the grant's own records is resolved; `None` for other records.
    pub fn conflict(&self, _on: &Conflict) -> Option<Resolution> {
        match self {
            GrantRequest::ClientCredentials(_) => None,
        }
    }

    /// Requested scope and resource, for events.
    pub fn asked(&self) -> &ScopeAndResource {
        match self {
            GrantRequest::ClientCredentials(request) => &request.asked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grant_in_the_metadata_is_parsed_under_its_name() {
        assert!(is_served(GRANT_CLIENT_CREDENTIALS));
        for name in served() {
            let form = Form::parse(format!("grant_type={name}").as_bytes()).unwrap();
            // A required parameter of the grant may be missing here, but the grant must be known.
            match GrantRequest::parse(&form) {
                Ok(request) => assert_eq!(request.name(), name),
                Err(refusal) => assert_ne!(refusal, RequestReason::UnsupportedGrantType.into(), "{name}"),
            }
        }
        for name in ["password", "implicit", "CLIENT_CREDENTIALS"] {
            let form = Form::parse(format!("grant_type={name}").as_bytes()).unwrap();
            let refusal = GrantRequest::parse(&form).unwrap_err();
            assert_eq!(refusal, RequestReason::UnsupportedGrantType.into(), "{name}");
            assert!(!is_served(name), "{name}");
        }
    }
}

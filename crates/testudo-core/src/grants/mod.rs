//! Grants: what can be asked for at the token endpoint.
//!
//! A grant is a file with a struct, `parse` and `decide`, which is step 9 of admission; a variant of [`GrantRequest`];
//! and a line in the table of those that are served. What every grant has in common is not in its file: whether the
//! client may use it (`requester`), life and binding of the token (`binding`), and the parameters `scope` and
//! `resource` (`scope_and_resource`).

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

/// The grants that are served, by their names in `grant_type`. [RFC9700 §2.4] The password grant is among those that
/// will never be here.
const SERVED: [(&str, Parse); 1] = [(GRANT_CLIENT_CREDENTIALS, |form| {
    ClientCredentials::parse(form).map(GrantRequest::ClientCredentials)
})];

/// What a grant itself allows. The rest of what is granted is the same for all of them.
struct Allowed {
    scope: ScopeSet,
    resource: Resource,
    /// What the grant changes of its own records.
    batch: Batch,
}

/// Names of the grants that the token endpoint serves.
pub fn served() -> impl Iterator<Item = &'static str> {
    SERVED.into_iter().map(|(name, _)| name)
}

/// True where the token endpoint serves the grant. Others can be registered, and not used.
pub fn is_served(name: &str) -> bool {
    served().any(|served| served == name)
}

impl GrantRequest {
    /// Parses the part of a token request that says what is wanted.
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
        let requester = Requester {
            governed,
            registration,
        };
        requester.may_use(self.name())?;
        let binding = Binding::judge(&requester)?;
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

    /// What a conflict means that is about the grant's own records; nothing where it is not.
    pub fn conflict(&self, _on: &Conflict) -> Option<Resolution> {
        match self {
            GrantRequest::ClientCredentials(_) => None,
        }
    }

    /// What was asked for, for events.
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
    fn grant_that_is_announced_as_served_is_parsed_under_its_name() {
        assert!(is_served(GRANT_CLIENT_CREDENTIALS));
        for name in served() {
            let form = Form::parse(format!("grant_type={name}").as_bytes()).unwrap();
            // A parameter that the grant needs may be missing; the grant itself is known.
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

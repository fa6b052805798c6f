//! The client acts for itself. [RFC6749 §4.4]

use super::Allowed;
use super::requester::Requester;
use super::scope_and_resource::ScopeAndResource;
use crate::policy::Policy;
use crate::records::Batch;
use crate::rejection::Rejection;
use testudo_protocol::oauth::Form;

/// A client_credentials request.
#[derive(Debug, Clone, Default)]
pub struct ClientCredentials {
    /// `scope` and `resource`.
    pub asked: ScopeAndResource,
}

impl ClientCredentials {
    /// Parses the request.
    pub fn parse(form: &Form) -> Result<ClientCredentials, Rejection> {
        Ok(ClientCredentials {
            asked: ScopeAndResource::parse(form)?,
        })
    }

    /// Decides scope and resource of the token.
    pub(super) fn decide(&self, requester: &Requester<'_>, policy: &Policy) -> Result<Allowed, Rejection> {
        Ok(Allowed {
            scope: self.asked.scope(requester)?,
            resource: self.asked.resource(requester, policy)?,
            batch: Batch::default(),
        })
    }
}

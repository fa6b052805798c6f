//! The client acts for itself. [RFC6749 §4.4]

use super::grant::{Allowed, Grant, Refusal};
use super::granted::Members;
use super::requester::Requester;
use super::scope_and_resource::ScopeAndResource;
use crate::decision::Moment;
use crate::records::{Batch, Loaded};
use crate::rejection::Rejection;
use testudo_protocol::oauth::{Form, GRANT_CLIENT_CREDENTIALS};

/// A client_credentials request.
#[derive(Debug, Clone, Default)]
pub struct ClientCredentials {
    /// `scope` and `resource`.
    pub asked: ScopeAndResource,
}

impl Grant for ClientCredentials {
    const NAME: &'static str = GRANT_CLIENT_CREDENTIALS;

    fn parse(form: &Form) -> Result<ClientCredentials, Rejection> {
        Ok(ClientCredentials {
            asked: ScopeAndResource::parse(form)?,
        })
    }

    fn recorded(asked: ScopeAndResource) -> Option<ClientCredentials> {
        Some(ClientCredentials { asked })
    }

    fn decide(
        &self,
        requester: &Requester<'_>,
        _loaded: &Loaded<'_>,
        at: &Moment<'_>,
    ) -> Result<Allowed, Refusal> {
        Ok(Allowed {
            scope: self.asked.scope(requester)?,
            resource: self.asked.resource(requester, at.policy)?,
            members: Members::default(),
            person: None,
            batch: Batch::default(),
        })
    }

    fn asked(&self) -> &ScopeAndResource {
        &self.asked
    }
}

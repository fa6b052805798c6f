//! The interface of a grant, and its results.

use super::granted::{Members, OfPerson};
use super::requester::Requester;
use super::scope_and_resource::ScopeAndResource;
use crate::decision::{Moment, Resolution};
use crate::records::{Batch, Conflict, Loaded, Needs};
use crate::rejection::Rejection;
use testudo_protocol::oauth::{Form, Resource, ScopeSet};

/// One grant. Whether the client may use it, and lifetime and binding of the token, are decided for all grants alike.
pub(super) trait Grant: Sized {
    /// Its name in `grant_type`, and in a rule's `grant_types`.
    const NAME: &'static str;

    /// Parses its parameters.
    fn parse(form: &Form) -> Result<Self, Rejection>;

    /// The request that an event records, so that `explain` can decide it again. `None` for a grant that cannot be
    /// decided without parameters that no event contains, such as a code or a refresh token.
    fn recorded(asked: ScopeAndResource) -> Option<Self>;

    /// Adds its own records that it needs.
    fn needs<'n>(&'n self, needs: Needs<'n>) -> Needs<'n> {
        needs
    }

    /// Step 9 of admission: whether this client may make this request.
    fn decide(
        &self,
        requester: &Requester<'_>,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
    ) -> Result<Allowed, Refusal>;

    /// What is written if the request is refused, for whatever reason: a code is deleted, so that it cannot be tried again.
    fn given_up(&self, _loaded: &Loaded<'_>) -> Batch {
        Batch::default()
    }

    /// How a conflict of its own records is resolved; `None` for other records.
    fn conflict(&self, _on: &Conflict) -> Option<Resolution> {
        None
    }

    /// Requested scope and resource, for events.
    fn asked(&self) -> &ScopeAndResource;
}

/// The part of the result that differs between grants.
pub(super) struct Allowed {
    pub scope: ScopeSet,
    pub resource: Resource,
    /// Members that the answer contains beside the token.
    pub members: Members,
    /// The person for whom the client acts.
    pub person: Option<Box<OfPerson>>,
    /// Changes of the grant's own records.
    pub batch: Batch,
}

/// Why no token is granted, and what is written nevertheless: a single-use record that is presented twice was stolen, so
/// all records that were made from it must end although the request is refused.
#[derive(Debug)]
pub struct Refusal {
    /// The reason.
    pub rejection: Rejection,
    /// What is written; empty for most refusals.
    pub batch: Batch,
}

impl<R: Into<Rejection>> From<R> for Refusal {
    fn from(rejection: R) -> Refusal {
        Refusal {
            rejection: rejection.into(),
            batch: Batch::default(),
        }
    }
}

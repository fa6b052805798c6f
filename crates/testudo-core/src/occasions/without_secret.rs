//! A redemption or a refresh without its code or refresh token: what `testudo explain` can decide again of a token request
//! for a person. An event contains no secret, so whether the code or the token is accepted, and what the person granted,
//! is left out. The other checks are those of a token request.

use super::admitted::{Admission, Admitted, Given};
use super::caller::Caller;
use super::occasion::Occasion;
use crate::admission::known::StoredClient;
use crate::decision::{Decision, Moment, Resolution};
use crate::grants::{ScopeAndResource, allowed_to_client};
use crate::records::{Batch, Conflict, Loaded, Needs, RequestRef};
use crate::rejection::Rejection;
use crate::trace::Trace;
use testudo_protocol::oauth::ScopeSet;

/// A token request for a person, without its code or refresh token.
#[derive(Debug, Clone, Copy)]
pub struct RequestWithoutSecret<'a> {
    /// The client.
    pub caller: Caller<'a>,
    /// The name of the grant.
    pub grant: &'a str,
    /// What it asked for.
    pub asked: &'a ScopeAndResource,
    /// The scope that the client got of the grant, where the request was allowed.
    pub granted: Option<&'a ScopeSet>,
    /// For events.
    pub request: RequestRef<'a>,
}

/// The grant that a client may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MayUse {
    /// The grant, with what is left of the scope that the client got, or else the requested scope, or else all that the
    /// client may have.
    pub described: String,
    /// True where the client is new.
    pub is_new: bool,
}

impl Occasion for RequestWithoutSecret<'_> {
    /// The error is that of a request which is refused and has writes of its own.
    type Outcome = Result<MayUse, Rejection>;

    fn needs(&self) -> Needs<'_> {
        StoredClient::needs(self.caller.governed).from_memory()
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        trace: &mut Trace,
    ) -> Result<Decision<Self::Outcome>, Rejection> {
        let admission = Admission {
            caller: self.caller,
            request: self.request,
            loaded,
            at,
        };
        let decided = admission.admit(trace, |requester, _| {
            let scope = allowed_to_client(self.grant, &requester, self.asked, self.granted, at)?;
            Ok(Given {
                scope: scope.to_string(),
                resource: String::new(),
                value: format!("grant `{}`, scope `{scope}`", self.grant),
                batch: Batch::default(),
            })
        })?;
        Ok(decided.map(|outcome| match outcome {
            Admitted::Given { value, is_new, .. } => Ok(MayUse {
                described: value,
                is_new,
            }),
            Admitted::Refused(rejection, _) => Err(rejection),
        }))
    }

    fn conflict(&self, on: &Conflict) -> Resolution {
        self.caller.conflict(on)
    }
}

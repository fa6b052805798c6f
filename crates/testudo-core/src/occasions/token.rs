//! A token request: the identity is a client or becomes one, and receives a token. The checks and their order are in
//! the table of `occasions/mod.rs`.

use super::admitted::{Admission, Admitted, Given};
use super::caller::Caller;
use super::occasion::Occasion;
use crate::admission::known::StoredClient;
use crate::decision::{Decision, Moment, Resolution};
use crate::grants::{GrantRequest, Granted};
use crate::records::{Conflict, Event, Loaded, Needs, RequestRef};
use crate::rejection::Rejection;
use crate::trace::Trace;

/// A token request of a proven identity whose rule is known.
#[derive(Debug, Clone, Copy)]
pub struct TokenRequest<'a> {
    /// The client that requests the token.
    pub caller: Caller<'a>,
    /// The grant.
    pub grant: &'a GrantRequest,
    /// For events.
    pub request: RequestRef<'a>,
}

/// The outcome.
#[derive(Debug)]
pub enum TokenOutcome {
    /// The client may have a token.
    Granted(TokenGrant),
    /// The request is refused, and the batch is committed nevertheless. Where first use is only observed, the event
    /// records what would have happened.
    Refused(Rejection, Option<Box<Event>>),
}

/// The content of the token.
#[derive(Debug)]
pub struct TokenGrant {
    /// The claims that depend on the request.
    pub granted: Granted,
    /// True where the client is new.
    pub is_new: bool,
    /// The client's id, if the rule of today would give another one; otherwise the id follows from the identity.
    pub earlier_client_id: Option<String>,
}

impl Occasion for TokenRequest<'_> {
    type Outcome = TokenOutcome;

    fn needs(&self) -> Needs<'_> {
        self.grant
            .needs(StoredClient::needs(self.caller.governed).from_memory())
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        trace: &mut Trace,
    ) -> Result<Decision<TokenOutcome>, Rejection> {
        match self.admit(loaded, at, trace) {
            Err(rejection) => self.give_up(rejection, None, loaded),
            Ok(Decision {
                outcome: TokenOutcome::Refused(rejection, event),
                batch,
                ..
            }) if batch.is_empty() => self.give_up(rejection, event, loaded),
            decided => decided,
        }
    }

    fn conflict(&self, on: &Conflict) -> Resolution {
        let of_grant = self.grant.conflict(on);
        of_grant.unwrap_or_else(|| self.caller.conflict(on))
    }

    /// A guess saves a read: the write detects existing records anyway, and many first uses can arrive at the same
    /// moment.
    /// [decision 0003]
    fn may_guess(&self) -> bool {
        true
    }
}

impl TokenRequest<'_> {
    /// Refuses the request. Whatever the reason is, a code whose redemption is refused must not be tried again.
    fn give_up(
        &self,
        rejection: Rejection,
        event: Option<Box<Event>>,
        loaded: &Loaded<'_>,
    ) -> Result<Decision<TokenOutcome>, Rejection> {
        let batch = self.grant.given_up(loaded);
        if batch.is_empty() && event.is_none() {
            return Err(rejection);
        }
        Ok(Decision {
            batch,
            ..Decision::of(TokenOutcome::Refused(rejection, event))
        })
    }

    fn admit(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        trace: &mut Trace,
    ) -> Result<Decision<TokenOutcome>, Rejection> {
        let admission = Admission {
            caller: self.caller,
            request: self.request,
            loaded,
            at,
        };
        let decided = admission.admit(trace, |requester, _| {
            let (granted, batch) = self.grant.decide(requester, loaded, at)?;
            Ok(Given {
                scope: granted.scope.to_string(),
                resource: granted.resource.to_string(),
                value: granted,
                batch,
            })
        })?;
        Ok(decided.map(|outcome| match outcome {
            Admitted::Given {
                value,
                is_new,
                earlier_client_id,
            } => TokenOutcome::Granted(TokenGrant {
                granted: value,
                is_new,
                earlier_client_id,
            }),
            Admitted::Refused(rejection, would) => TokenOutcome::Refused(rejection, would),
        }))
    }
}

//! The event of a first use that is only observed: which client would have been registered, or why not.

use crate::admission::create::event_of_request;
use crate::admission::governed::GovernedIdentity;
use crate::decision::Moment;
use crate::records::RequestRef;
use crate::records::{ClientMetadata, Event, EventKind};
use crate::rejection::Rejection;

pub(crate) fn would_register(
    governed: &GovernedIdentity<'_>,
    request: RequestRef<'_>,
    outcome: &Result<(ClientMetadata, String, String), Rejection>,
    at: &Moment<'_>,
) -> Event {
    let mut event = event_of_request(governed, request, EventKind::ClientWouldRegister, at);
    match outcome {
        Ok((metadata, scope, resource)) => {
            event.scope = Some(scope.clone());
            event.resource = Some(resource.clone());
            event.detail = serde_json::to_string(metadata).ok();
        }
        Err(rejection) => {
            event.reason = Some(rejection.name().to_owned());
            event.detail = Some(rejection.to_string());
        }
    }
    event
}

//! The event of a first use that is only observed: which client would have been registered, or why not.

use crate::admission::create::event_of_request;
use crate::admission::governed::GovernedIdentity;
use crate::decision::Moment;
use crate::grants::Granted;
use crate::records::RequestRef;
use crate::records::{ClientMetadata, Event, EventKind};
use crate::rejection::Rejection;

pub(crate) fn would_register(
    governed: &GovernedIdentity<'_>,
    request: RequestRef<'_>,
    outcome: &Result<(ClientMetadata, Granted), Rejection>,
    at: &Moment<'_>,
) -> Event {
    let mut event = event_of_request(governed, request, EventKind::ClientWouldRegister, at);
    match outcome {
        Ok((metadata, granted)) => {
            event.scope = Some(granted.scope.to_string());
            event.resource = Some(granted.resource.to_string());
            event.detail = serde_json::to_string(metadata).ok();
        }
        Err(rejection) => {
            event.reason = Some(rejection.name().to_owned());
            event.detail = Some(rejection.to_string());
        }
    }
    event
}

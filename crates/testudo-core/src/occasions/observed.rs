//! First use that is only observed: the event that says which client would have been registered, or why not.

use crate::admission::create::event_about;
use crate::admission::placed::Placed;
use crate::entropy::Entropy;
use crate::grants::Granted;
use crate::identity::Occasion;
use crate::records::{ClientMetadata, Event, EventKind};
use crate::rejection::Rejection;
use testudo_protocol::Timestamp;

pub(crate) fn would_register(
    placed: &Placed<'_>,
    asked: (Occasion, &str),
    outcome: &Result<(ClientMetadata, Granted), Rejection>,
    entropy: &Entropy,
    now: Timestamp,
) -> Event {
    let mut event = event_about(placed, asked, EventKind::ClientWouldRegister, entropy, now);
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

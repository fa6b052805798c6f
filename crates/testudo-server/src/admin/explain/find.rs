//! Finds the event of a request by the id of the request.
//!
//! The id begins with the time at which the request arrived, and events are stored in the order of their time. So the
//! search begins at the first event that the request can have caused, and its cost does not depend on the number of
//! later events.

use crate::admin::events::{REQUEST_MILLIS_MAX, Searched, newest_of_request, own_time};
use crate::admin::reply::ErrorAnswer;
use crate::state::app::App;
use crate::state::refused;
use testudo_core::records::{Event, EventKind, Kind};
use testudo_protocol::Timestamp;
use testudo_store::LIST_MAX;

/// Maximum number of pages of [`LIST_MAX`] events that one search reads.
const PAGES_MAX: usize = 200;

pub(super) async fn event_of(app: &App, request_id: &str) -> Result<Event, ErrorAnswer> {
    let Some(time) = own_time(request_id, app.now()) else {
        return by_another_id(app, request_id).await;
    };
    let (mut after, end) = (time.key_before_events(), time.key_after(REQUEST_MILLIS_MAX));
    let mut found: Option<Event> = None;
    for _ in 0..PAGES_MAX {
        let page = app.store.list(Kind::Event, &after, LIST_MAX).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.key);
        let is_late = after > end;
        for event in readable(page) {
            if event.request_id.as_deref() == Some(request_id) && is_better(&event, found.as_ref()) {
                found = Some(event);
            }
        }
        if is_late || found.is_some() {
            break;
        }
    }
    found.ok_or_else(|| not_found(request_id, Some(time.seconds())))
}

/// A request has one event, or two with `first_use = "observe"`. If there are two, the event of the refusal is used, because
/// it contains the answer that the caller got.
fn is_better(event: &Event, found: Option<&Event>) -> bool {
    match found {
        None => true,
        Some(found) => {
            found.event == EventKind::ClientWouldRegister && event.event != EventKind::ClientWouldRegister
        }
    }
}

/// Finds an event by its own id, which is its key, or by the id of a proxy, which contains no time.
async fn by_another_id(app: &App, id: &str) -> Result<Event, ErrorAnswer> {
    if let Some(stored) = app.store.get(Kind::Event, id.as_bytes()).await?
        && let Some(event) = readable(vec![stored]).pop()
    {
        return match &event.request_id {
            Some(_) => Ok(event),
            None => Err(ErrorAnswer::bad_request(
                format!(
                    "{id:?} is the id of an event {}, which was not caused by a request",
                    event.event.name()
                ),
                Some("`testudo event list` shows the event".to_owned()),
            )),
        };
    }
    let Searched { events, ended_at } = newest_of_request(app, id).await?;
    let mut found: Option<Event> = None;
    for event in events {
        if is_better(&event, found.as_ref()) {
            found = Some(event);
        }
    }
    found.ok_or_else(|| match ended_at {
        Some(time) => ErrorAnswer::not_found(
            format!("no event since {time} has {id:?} as the id of a proxy; older events were not searched"),
            "`testudo event list --request ID` searches all events",
        ),
        None => not_found(id, None),
    })
}

fn readable(stored: Vec<testudo_store::Stored>) -> Vec<Event> {
    stored
        .into_iter()
        .filter_map(|stored| refused::readable::<Event>(stored).map(|event| event.record))
        .collect()
}

fn not_found(request_id: &str, time: Option<Timestamp>) -> ErrorAnswer {
    let error = match time {
        Some(time) => format!("there is no event of request {request_id:?}, which arrived at {time}"),
        None => format!(
            "{request_id:?} is neither a Request-Id of this server nor the id of an event, and no event has it as the id of a proxy"
        ),
    };
    ErrorAnswer::not_found(
        error,
        "events are written for first uses, for changes and for a sample of refusals; for another request, explain its credential: testudo explain --credential FILE",
    )
}

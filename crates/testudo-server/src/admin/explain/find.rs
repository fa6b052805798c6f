//! The event of a request, by the request's id alone.
//!
//! The id begins with the time at which the request came, and events are stored in the order of their time: the search
//! begins at the first event that can be of the request, however many there are since.

use crate::admin::reply::Failure;
use crate::state::app::App;
use crate::state::clock::request_id::RequestTime;
use crate::state::refused;
use testudo_core::records::{Event, EventKind, Kind};
use testudo_protocol::Timestamp;
use testudo_store::LIST_MAX;

/// The last event of a request is written within this time of its arrival: longer than all deadlines of a request.
pub(in crate::admin) const REQUEST_MILLIS_MAX: u64 = 120_000;

/// Pages of [`LIST_MAX`] events that one question reads at most. Within the time of a request there are fewer, unless
/// a crowd of first uses came.
const PAGES_MAX: usize = 200;

pub(super) async fn event_of(app: &App, request_id: &str) -> Result<Event, Failure> {
    let Some(time) = RequestTime::of_id(request_id) else {
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

/// A request has one event, or two where first use is observed: the refusal says what the caller was told.
fn is_better(event: &Event, found: Option<&Event>) -> bool {
    match found {
        None => true,
        Some(found) => {
            found.event == EventKind::ClientWouldRegister && event.event != EventKind::ClientWouldRegister
        }
    }
}

/// The id of an event is its key. Ids of a proxy say nothing of the time.
async fn by_another_id(app: &App, id: &str) -> Result<Event, Failure> {
    if let Some(stored) = app.store.get(Kind::Event, id.as_bytes()).await?
        && let Some(event) = readable(vec![stored]).pop()
    {
        return match &event.request_id {
            Some(_) => Ok(event),
            None => Err(Failure::bad_request(
                format!(
                    "{id:?} is the id of {}, which is no event of a request",
                    event.event.name()
                ),
                Some("testudo event list shows it".to_owned()),
            )),
        };
    }
    let latest = readable(app.store.list_back(Kind::Event, None, LIST_MAX).await?);
    let is_it = |event: &Event| {
        let details = event.request.as_deref();
        details.and_then(|details| details.proxy_request_id.as_deref()) == Some(id)
    };
    latest.into_iter().find(is_it).ok_or_else(|| not_found(id, None))
}

fn readable(stored: Vec<testudo_store::Stored>) -> Vec<Event> {
    stored
        .into_iter()
        .filter_map(|stored| refused::readable::<Event>(stored).map(|event| event.record))
        .collect()
}

fn not_found(request_id: &str, time: Option<Timestamp>) -> Failure {
    let error = match time {
        Some(time) => format!("no event of request {request_id:?}, which came at {time}"),
        None => format!(
            "{request_id:?} is neither a Request-Id of this server nor the id of an event, and none of the latest {LIST_MAX} events has it as the id of a proxy"
        ),
    };
    Failure::not_found(
        error,
        "events are kept of first uses, of changes and of a sample of refusals; for others, explain the credential: testudo explain --credential FILE",
    )
}

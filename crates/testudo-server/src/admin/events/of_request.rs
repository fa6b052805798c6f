//! Finds the newest event of a request by an id that contains no time, such as the one that a proxy gave the request.

use super::filter::Filters;
use super::scan::{Range, scan};
use crate::admin::reply::ErrorAnswer;
use crate::state::app::App;
use std::time::{Duration, Instant};
use testudo_core::records::Event;

/// Maximum time of one search. It reads the store in the parts of `scan.rs`, so other requests read between them.
const SEARCH_TIME_MAX: Duration = Duration::from_secs(5);

/// A request may have two events, one after the other.
const EVENTS_OF_REQUEST_MAX: usize = 2;

/// The result of a search.
pub(in crate::admin) struct Searched {
    /// The events that were found, the newest first.
    pub events: Vec<Event>,
    /// Where the search ended without reading all events: the time of the last event that it read.
    pub ended_at: Option<String>,
}

/// Searches all events for those of one request, the newest first.
pub(in crate::admin) async fn newest_of_request(app: &App, id: &str) -> Result<Searched, ErrorAnswer> {
    let filters = Filters::of_request(id);
    let started = Instant::now();
    let mut before = None;
    loop {
        let page = scan(app, &filters, Range::back_from(before), EVENTS_OF_REQUEST_MAX).await?;
        let is_late = started.elapsed() >= SEARCH_TIME_MAX;
        if !page.events.is_empty() || page.next.is_none() || is_late {
            return Ok(Searched {
                ended_at: page.next.and(page.searched_to),
                events: page.events,
            });
        }
        before = page.next;
    }
}

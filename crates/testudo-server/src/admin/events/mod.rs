//! Searches audit events by time, kind and the fields of the event, page by page.
//!
//! The store has no index of the fields of records. The key of an event is its id, which begins with its time. So `since`
//! and `until` are ranges of keys, and the other filters are applied to one event after another. For one answer, a
//! bounded number of events is read, and the answer states where to continue (`scan.rs`). The filters are in `filter.rs`.

mod filter;
mod of_request;
mod scan;

pub(super) use of_request::{Searched, newest_of_request};
pub(super) use scan::{REQUEST_MILLIS_MAX, own_time};

use super::input::{Json, Query};
use super::operation::Operation;
use super::reply::{ErrorAnswer, Reply};
use crate::state::app::App;
use axum::extract::State;
use axum::routing::get;
use filter::Filters;
use scan::{Range, scan};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use testudo_core::records::Event;
use testudo_store::LIST_MAX;

/// The operations of this file.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read::<EventPage>("/admin/v1/events", "Audit events, page by page.", get(list))
            .by_query::<Search>(),
    ]
}

/// Maximum number of events in an answer if the request has no `limit`.
const LIMIT_DEFAULT: usize = 100;

/// Which events are searched for. `*` in a text matches any characters.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Search {
    /// Only events at or after this time: RFC 3339, or a duration before now such as `24h`.
    #[schemars(regex(
        pattern = "^([0-9]{1,6}[smhd]|20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?)$"
    ))]
    since: Option<String>,
    /// Only events before this time: RFC 3339, or a duration before now.
    #[schemars(regex(
        pattern = "^([0-9]{1,6}[smhd]|20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?)$"
    ))]
    until: Option<String>,
    /// Kinds of events, separated by commas, such as `client.refused`.
    #[serde(rename = "type")]
    #[schemars(schema_with = "filter::kinds_schema")]
    kinds: Option<String>,
    /// Identity of the event, or its `instance`.
    identity: Option<String>,
    /// `client_id` of the event; of a refused request, the one that the request contained.
    client: Option<String>,
    /// Name of a rule.
    rule: Option<String>,
    /// Name of the rejection, or the reason that an administrator gave.
    reason: Option<String>,
    /// The actor who made the change.
    actor: Option<String>,
    /// `Request-Id` of the request, or what a trusted proxy sent with it: `X-Request-Id`, `traceparent` or the trace id
    /// in that.
    request: Option<String>,
    /// Events later than the one with this id.
    #[schemars(regex(pattern = "^[0-9a-fA-F]*$"))]
    after: Option<String>,
    /// Events earlier than the one with this id.
    #[schemars(regex(pattern = "^[0-9a-fA-F]*$"))]
    before: Option<String>,
    /// Default: `oldest` with `after`, otherwise `newest`.
    order: Option<Order>,
    /// Maximum number of events in the answer, 1 to 1,000. Default: 100.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    limit: Option<u32>,
}

/// The order of the events in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// The newest event first.
    Newest,
    /// The oldest event first.
    Oldest,
}

/// A page of events.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub(super) struct EventPage {
    /// The events that were found, in the requested order.
    pub events: Vec<Event>,
    /// Where to continue: the value of `before` in the order `newest`, of `after` in the order `oldest`. Absent where
    /// the search is complete.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
    /// How many events were read for this answer.
    pub searched: usize,
    /// Time of the last event that was read, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub searched_to: Option<String>,
}

async fn list(State(app): State<Arc<App>>, Query(search): Query<Search>) -> Reply<EventPage> {
    let filters = Filters::of(&search)?;
    let range = Range::of(&search, app.now())?;
    let limit = match search.limit.map_or(LIMIT_DEFAULT, |limit| limit as usize) {
        0 => return Err(ErrorAnswer::bad_request("limit must be at least 1", None)),
        limit => limit.min(LIST_MAX),
    };
    Ok(Json(scan(&app, &filters, range, limit).await?))
}

//! Audit events: found by time, kind and what they name, page by page.
//!
//! The store knows no fields of records, and the key of an event is its id, which begins with its time. So `since` and
//! `until` are ranges of keys, and the other filters look at one event after another. One answer looks at a bounded
//! number of them and says where to go on (`scan.rs`); what an event must be is in `wanted.rs`.

mod scan;
mod wanted;

use super::input::{Json, Query};
use super::operation::Operation;
use super::reply::{Failure, Reply};
use crate::state::app::App;
use axum::extract::State;
use axum::routing::get;
use scan::{Range, scan};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use testudo_core::records::Event;
use testudo_store::LIST_MAX;
use wanted::Wanted;

/// The operations of this file.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read::<EventPage>("/admin/v1/events", "Audit events, page by page.", get(list))
            .by_query::<Search>(),
    ]
}

/// Events of one answer, unless more are asked for.
const LIMIT_DEFAULT: usize = 100;

/// Which events are asked for. `*` in a text stands for any characters.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Search {
    /// Events of this moment or later: RFC 3339, or a duration before now such as `24h`.
    #[schemars(regex(
        pattern = "^([0-9]{1,6}[smhd]|20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?)$"
    ))]
    since: Option<String>,
    /// Events before this moment: RFC 3339, or a duration before now.
    #[schemars(regex(
        pattern = "^([0-9]{1,6}[smhd]|20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?)$"
    ))]
    until: Option<String>,
    /// Kinds of events, separated by commas, such as `client.refused`.
    #[serde(rename = "type")]
    #[schemars(schema_with = "wanted::kinds_schema")]
    kinds: Option<String>,
    /// Identity, or instance of one.
    identity: Option<String>,
    /// `client_id`; of a refused request the one that it named.
    client: Option<String>,
    /// Name of a rule.
    rule: Option<String>,
    /// Name of the reason to refuse, or the reason that an administrator gave.
    reason: Option<String>,
    /// Who made the change.
    actor: Option<String>,
    /// Request-Id of a request, or the id that a trusted proxy gave it.
    request: Option<String>,
    /// Events later than the one with this id.
    #[schemars(regex(pattern = "^[0-9a-fA-F]*$"))]
    after: Option<String>,
    /// Events earlier than the one with this id.
    #[schemars(regex(pattern = "^[0-9a-fA-F]*$"))]
    before: Option<String>,
    /// By default `oldest` with `after`, else `newest`.
    order: Option<Order>,
    /// Events of the answer, at most 1,000.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    limit: Option<u32>,
}

/// Which event is the first of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// The newest one.
    Newest,
    /// The oldest one.
    Oldest,
}

/// A page of events.
#[derive(Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EventPage {
    /// In the order that was asked for.
    pub events: Vec<Event>,
    /// Where to go on: as `before` in the order `newest`, as `after` in the order `oldest`. Absent where everything
    /// that was asked for was looked at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
    /// How many events were looked at.
    pub searched: usize,
    /// Time of the last event that was looked at, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub searched_to: Option<String>,
}

async fn list(State(app): State<Arc<App>>, Query(search): Query<Search>) -> Reply<EventPage> {
    let wanted = Wanted::of(&search)?;
    let range = Range::of(&search, app.now())?;
    let limit = match search.limit.map_or(LIMIT_DEFAULT, |limit| limit as usize) {
        0 => return Err(Failure::bad_request("limit must be at least 1", None)),
        limit => limit.min(LIST_MAX),
    };
    Ok(Json(scan(&app, &wanted, range, limit).await?))
}

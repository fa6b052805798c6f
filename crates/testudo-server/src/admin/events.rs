//! Audit events, by time.

use super::input::{Json, Query};
use super::operation::Operation;
use super::reply::Reply;
use crate::state::app::App;
use crate::state::refused;
use axum::extract::State;
use axum::routing::get;
use serde::Deserialize;
use std::sync::Arc;
use testudo_core::records::{Event, Kind};

/// The operations of this file.
pub(super) fn operations() -> Vec<Operation> {
    vec![Operation::read::<Vec<Event>>("/admin/v1/events", "Audit events.", get(list)).by_query::<Since>()]
}

/// Events of one answer, unless more are asked for.
const LIMIT_DEFAULT: usize = 100;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    /// Events after this one; without it, the latest.
    after: Option<String>,
    #[schemars(range(max = 4_294_967_295_u32))]
    limit: Option<u32>,
}

pub(super) async fn list(State(app): State<Arc<App>>, Query(since): Query<Since>) -> Reply<Vec<Event>> {
    let limit = since.limit.map_or(LIMIT_DEFAULT, |limit| limit as usize);
    let stored = match &since.after {
        Some(after) => app.store.list(Kind::Event, after.as_bytes(), limit).await?,
        None => {
            let mut latest = app.store.last(Kind::Event, limit).await?;
            latest.reverse();
            latest
        }
    };
    let events = stored.into_iter().filter_map(refused::readable::<Event>);
    Ok(Json(events.map(|event| event.record).collect()))
}

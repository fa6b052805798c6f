//! Identities that are kept out.

use super::acting::By;
use super::reply::{Done, Failure, Reply, carry_out};
use crate::state::app::App;
use crate::state::switches;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use std::sync::Arc;
use testudo_core::admin::block::{self as order, Held};
use testudo_core::records::{Block, Kind};
use testudo_store::{Stored, typed};

pub(super) async fn list(State(app): State<Arc<App>>) -> Reply<Vec<Block>> {
    let (blocks, _) = switches::blocks(&app.store).await?;
    Ok(Json(blocks))
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(super) struct BlockRequest {
    identity: String,
    reason: Option<String>,
}

pub(super) async fn block(
    State(app): State<Arc<App>>,
    by: By,
    Json(wanted): Json<BlockRequest>,
) -> Reply<Done> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    let (policy, switches) = (app.policy.load(), app.switches.load());
    let identity = order::canonical(&wanted.identity, &policy);
    let held = app.store.get(Kind::Block, identity.as_bytes()).await?.map(held);
    let decided = order::block(&change.order()?, &identity, held, &policy, &switches.blocks)?;
    carry_out(&change, decided).await
}

pub(super) async fn unblock(
    State(app): State<Arc<App>>,
    by: By,
    Json(wanted): Json<BlockRequest>,
) -> Reply<Done> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    let canonical = order::canonical(&wanted.identity, &app.policy.load());
    for identity in [wanted.identity.clone(), canonical] {
        // Whether or not the record can be read.
        if let Some(stored) = app.store.get(Kind::Block, identity.as_bytes()).await? {
            let decided = order::unblock(&change.order()?, &identity, stored.version);
            return carry_out(&change, decided).await;
        }
    }
    Err(Failure::not_found(
        format!("{:?} is not blocked", wanted.identity),
        "`testudo identity list` shows what is; a block is removed by the text it was made with",
    ))
}

fn held(stored: Stored) -> Held {
    let version = stored.version;
    let block = typed::<Block>(stored).ok().map(|held| held.record);
    Held { version, block }
}

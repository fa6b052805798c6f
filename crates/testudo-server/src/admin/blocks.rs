//! Blocks of identities and patterns.
use super::acting::Administrator;
use super::input::Json;
use super::operation::Operation;
use super::reply::{Done, Reply, carry_out};
use crate::state::app::App;
use crate::state::switches;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Deserialize;
use std::sync::Arc;
use testudo_core::admin::block::{self as order, Held};
use testudo_core::records::{Block, Kind};
use testudo_store::{Stored, typed};

/// The operations of this file.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read::<Vec<Block>>(
            "/admin/v1/blocks",
            "Blocks of identities, patterns and authorities.",
            get(list),
        ),
        Operation::act::<Done>(
            "/admin/v1/blocks",
            "Block an identity, a pattern or an authority.",
            post(block),
        )
        .by_body::<BlockRequest>(),
        Operation::act::<Done>("/admin/v1/blocks/remove", "Remove a block.", post(unblock))
            .by_body::<BlockRequest>(),
    ]
}

pub(super) async fn list(State(app): State<Arc<App>>) -> Reply<Vec<Block>> {
    let (blocks, _) = switches::blocks(&app.store).await?;
    Ok(Json(blocks))
}

/// The forms of what can be blocked. The server checks the details.
const IDENTITY: &str = "^(spiffe://[a-z0-9._-]{1,255}(/([A-Za-z0-9_-][A-Za-z0-9._-]{0,63}|\\*)){0,8}(/\\*\\*)?\
                        |[a-z][a-z0-9-]{0,31}:([A-Za-z0-9_-][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){0,8})?\
                        |[A-Za-z0-9._-]{1,64})$";

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BlockRequest {
    /// What to block: an identity, a pattern (whole segments may be `*`, the last one `**`), the name of an authority
    /// for all of its identities, or the client id of a configured client.
    #[schemars(regex(pattern = IDENTITY))]
    identity: String,
    /// The reason, which the event records.
    reason: Option<String>,
}

pub(super) async fn block(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(wanted): Json<BlockRequest>,
) -> Reply<Done> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    let (in_force, switches) = (app.in_force.load_full(), app.switches.load_full());
    let policy = &in_force.policy;
    let identity = order::canonical(&wanted.identity, policy);
    let held = app.store.get(Kind::Block, identity.as_bytes()).await?.map(held);
    let decided = order::block(&change.order()?, &identity, held, policy, &switches.blocks)?;
    carry_out(&change, decided).await
}

pub(super) async fn unblock(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(wanted): Json<BlockRequest>,
) -> Reply<Done> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    let canonical = order::canonical(&wanted.identity, &app.in_force.load().policy);
    let texts = [wanted.identity.as_str(), &canonical];
    let places = texts.map(|text| (Kind::Block, text.as_bytes().to_vec())).to_vec();
    let stored = app.store.get_many(places).await?;
    let held = texts
        .into_iter()
        .zip(stored)
        .find_map(|(text, stored)| Some((text, stored?.version)));
    let decided = order::unblock(&change.order()?, &wanted.identity, held)?;
    carry_out(&change, decided).await
}

fn held(stored: Stored) -> Held {
    let version = stored.version;
    let block = typed::<Block>(stored).ok().map(|held| held.record);
    Held { version, block }
}

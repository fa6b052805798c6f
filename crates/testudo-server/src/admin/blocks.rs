//! Blocks of identities and patterns.
use super::acting::Administrator;
use super::input::Json;
use super::operation::Operation;
use super::reply::{Done, Reply, carry_out};
use crate::state::app::App;
use crate::state::switches;
use axum::extract::State;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use testudo_core::admin::NotDone;
use testudo_core::admin::block::{self as order, Held};
use testudo_core::policy::Policy;
use testudo_core::records::{Block, Kind};
use testudo_store::{Stored, typed};

/// The operations of this file.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read::<Vec<BlockView>>(
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

/// A block, as the admin API shows it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct BlockView {
    /// An identity, a pattern (`spiffe://prod.example/**` for a whole trust domain), or a configured client's id.
    identity: String,
    /// The only instance of the identity that is blocked, where the credentials of the identity name instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// The reason that the administrator gave with the block.
    reason: Option<String>,
    /// The administrator who blocked it.
    by: String,
    /// When it was blocked.
    since: String,
}

pub(super) async fn list(State(app): State<Arc<App>>) -> Reply<Vec<BlockView>> {
    let (blocks, _) = switches::blocks(&app.store).await?;
    let views = blocks.into_iter().map(|block| {
        let (identity, instance) = Block::parts(&block.identity);
        BlockView {
            identity: identity.to_owned(),
            instance: instance.map(str::to_owned),
            reason: block.reason,
            by: block.by,
            since: block.since.to_string(),
        }
    });
    Ok(Json(views.collect()))
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
    /// One instance of the identity, as the claim `instance` of its tokens names it; all other instances are served. The
    /// identity is then that of the workload, or the id of the client that its instances share.
    #[schemars(regex(pattern = "^[!-)+-z|~]{1,255}$"))]
    instance: Option<String>,
    /// The reason, which the event records.
    reason: Option<String>,
}

impl BlockRequest {
    /// The text under which the block is stored.
    fn canonical(&self, policy: &Policy) -> Result<String, NotDone> {
        match &self.instance {
            Some(instance) => order::canonical_of_instance(&self.identity, instance),
            None => Ok(order::canonical(&self.identity, policy)),
        }
    }
}

pub(super) async fn block(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(wanted): Json<BlockRequest>,
) -> Reply<Done> {
    let change = by.change(&app, wanted.reason.as_deref()).await;
    let (in_force, switches) = (app.in_force.load_full(), app.switches.load_full());
    let policy = &in_force.policy;
    let identity = wanted.canonical(policy)?;
    if let Some(instance) = &wanted.instance {
        order::check_instance(&wanted.identity, instance, policy)?;
    }
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
    let canonical = wanted.canonical(&app.in_force.load().policy)?;
    // A block is also found by the text under which an earlier version stored it.
    let asked = wanted.instance.is_none().then_some(wanted.identity.as_str());
    let texts = [asked.unwrap_or(&canonical), &canonical];
    let places = texts.map(|text| (Kind::Block, text.as_bytes().to_vec())).to_vec();
    let stored = app.store.get_many(places).await?;
    let held = texts
        .into_iter()
        .zip(stored)
        .find_map(|(text, stored)| Some((text, stored?.version)));
    let decided = order::unblock(&change.order()?, texts[0], held)?;
    carry_out(&change, decided).await
}

fn held(stored: Stored) -> Held {
    let version = stored.version;
    let block = typed::<Block>(stored).ok().map(|held| held.record);
    Held { version, block }
}

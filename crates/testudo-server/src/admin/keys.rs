//! Operations on signing keys: list, rotate (publish the new key before it signs), and revoke a key that was stolen.

use super::acting::Administrator;
use super::input::Json;
use super::operation::Operation;
use super::reply::{Done, ErrorAnswer, Reply, answer};
use crate::key_changes::{self, NotChanged};
use crate::state::app::App;
use crate::state::keys::ListedKey;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Deserialize;
use std::sync::Arc;
use testudo_core::admin::keys::KeyOrder;

/// The operations of this file.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read::<Vec<ListedKey>>("/admin/v1/keys", "Signing keys.", get(list)),
        Operation::act::<Done>(
            "/admin/v1/keys/rotate",
            "Create a signing key and publish it.",
            post(rotate),
        )
        .by_body::<Rotation>(),
        Operation::act::<Done>(
            "/admin/v1/keys/revoke",
            "Revoke a signing key on every node at once.",
            post(revoke),
        )
        .by_body::<Revocation>(),
    ]
}

pub(super) async fn list(State(app): State<Arc<App>>) -> Json<Vec<ListedKey>> {
    Json(app.keys.load().listed.clone())
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// True to sign with the new key at once and revoke all others.
    #[serde(default)]
    now: bool,
    /// The reason, which the event records.
    reason: Option<String>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    /// Key id of the key to revoke.
    kid: String,
    /// The reason, which the event records.
    reason: Option<String>,
}

pub(super) async fn rotate(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(rotation): Json<Rotation>,
) -> Reply<Done> {
    let change = by.change(&app, rotation.reason.as_deref()).await;
    let wanted = match rotation.now {
        true => KeyOrder::OnlyNew,
        false => KeyOrder::Next,
    };
    Ok(answer(key_changes::carry_out(&app, wanted, &change).await?))
}

pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    by: Administrator,
    Json(revocation): Json<Revocation>,
) -> Reply<Done> {
    let change = by.change(&app, revocation.reason.as_deref()).await;
    let wanted = KeyOrder::Withdrawn(&revocation.kid);
    Ok(answer(key_changes::carry_out(&app, wanted, &change).await?))
}

impl From<NotChanged> for ErrorAnswer {
    fn from(why: NotChanged) -> ErrorAnswer {
        match why {
            NotChanged::NotDone(why) => why.into(),
            NotChanged::Failed(fault) => fault.into(),
        }
    }
}

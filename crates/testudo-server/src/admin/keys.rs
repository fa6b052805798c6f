//! Signing keys: the list, rotation by publishing before use, and withdrawal of a key that was stolen.

use super::acting::By;
use super::reply::{Done, Failure, Reply, done};
use crate::change::Change;
use crate::key_changes::{self, Refused, Which};
use crate::state::app::App;
use crate::state::keys::ListedKey;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use std::sync::Arc;
use testudo_store::StoreFault;

pub(super) async fn list(State(app): State<Arc<App>>) -> Json<Vec<ListedKey>> {
    Json(app.keys.load().listed.clone())
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// Sign with the new key at once, and withdraw all others.
    #[serde(default)]
    now: bool,
    /// Why, for the event.
    reason: Option<String>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    /// Id of the key.
    kid: String,
    /// Why, for the event.
    reason: Option<String>,
}

pub(super) async fn rotate(
    State(app): State<Arc<App>>,
    by: By,
    Json(rotation): Json<Rotation>,
) -> Reply<Done> {
    let change = by.change(&app, rotation.reason.as_deref()).await;
    if rotation.now {
        return withdraw(&app, Which::All, &change).await;
    }
    let made = key_changes::announce(&app, &change).await;
    let (kid, from) = made.map_err(|why| Failure::from(StoreFault(why)))?;
    Ok(done(format!("{kid}: published, signs from {from}")))
}

pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    by: By,
    Json(revocation): Json<Revocation>,
) -> Reply<Done> {
    let change = by.change(&app, revocation.reason.as_deref()).await;
    withdraw(&app, Which::One(&revocation.kid), &change).await
}

async fn withdraw(app: &App, which: Which<'_>, change: &Change<'_>) -> Reply<Done> {
    let withdrawal = key_changes::withdraw(app, which, change).await.map_err(failure)?;
    let withdrawn = format!("withdrawn: {}", withdrawal.withdrawn.join(" "));
    Ok(Json(Done {
        done: match withdrawal.made {
            Some(kid) => format!("{withdrawn}; {kid} signs from now on"),
            None => withdrawn,
        },
        warning: Some(
            "APIs that check signatures by themselves believe a withdrawn key until they fetch /jwks again"
                .to_owned(),
        ),
    }))
}

fn failure(refused: Refused) -> Failure {
    match refused {
        Refused::Unknown => Failure::not_found(
            "no signing key has this id",
            "`testudo key list` shows the keys that are there",
        ),
        Refused::Already(at) => Failure::not_found(
            format!("this signing key was withdrawn already, at {at}"),
            "`testudo key list` shows the keys that are there",
        ),
        Refused::Failed(why) => StoreFault(why).into(),
    }
}

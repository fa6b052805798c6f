//! Signing keys: the list, and rotation by publishing before use.

use super::reply::{Done, Failure, Reply, done};
use super::write_event;
use crate::app::App;
use crate::keys::{ListedKey, PUBLISHED_BEFORE_USE, rotate as make};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use std::sync::Arc;
use testudo_core::records::EventKind;
use testudo_protocol::Seconds;
use testudo_store::StoreFault;

pub(super) async fn list(State(app): State<Arc<App>>) -> Json<Vec<ListedKey>> {
    Json(app.keys.load().listed.clone())
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(super) struct Rotation {
    #[serde(default)]
    now: bool,
}

pub(super) async fn rotate(State(app): State<Arc<App>>, Json(rotation): Json<Rotation>) -> Reply<Done> {
    let _turn = app.admin_turn.lock().await;
    let failed = |why: String| Failure::from(StoreFault(why));
    let wait = if rotation.now {
        Seconds(0)
    } else {
        PUBLISHED_BEFORE_USE
    };
    let (now, algorithm) = (app.now(), app.policy.load().tokens.signing_algorithm);
    let kid = make(&app.store, &app.encryption, algorithm, now + wait, now)
        .await
        .map_err(failed)?;
    app.reload_keys().await.map_err(failed)?;
    write_event(&app, EventKind::KeyCreated, |event| {
        event.detail = Some(format!("{kid}, signs from {}", now + wait));
        event.actor = Some("administrator".into());
    })
    .await;
    Ok(done(format!("{kid}: published, signs from {}", now + wait)))
}

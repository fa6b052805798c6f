//! Identities that are kept out.

use super::acting::By;
use super::reply::{Done, Failure, Reply, commit, done};
use crate::audit::{Note, new_event};
use crate::read_again;
use crate::state::app::App;
use crate::state::standing;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use std::sync::Arc;
use testudo_core::records::{Batch, Block, EventKind, Kind};
use testudo_core::rules::blocks::{BLOCK_PATTERNS_MAX, canonical, pattern};
use testudo_protocol::spiffe::SpiffeId;

pub(super) async fn list(State(app): State<Arc<App>>) -> Reply<Vec<Block>> {
    let (blocks, _) = standing::blocks(&app.store).await?;
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
    Json(request): Json<BlockRequest>,
) -> Reply<Done> {
    let _turn = app.admin_turn.lock().await;
    let identity = canonical_here(&app, &request.identity);
    judge(&app, &identity)?;
    let block = Block {
        identity: identity.clone(),
        reason: request.reason.clone(),
        by: by.because(None).actor.to_string(),
        since: app.now(),
    };
    let mut batch = Batch::default();
    match app.store.get(Kind::Block, identity.as_bytes()).await? {
        None => batch.insert(&block),
        Some(stored) => {
            let version = stored.version;
            match testudo_store::typed::<Block>(stored) {
                Ok(held) if held.record.identity == identity => {
                    return Ok(done(format!("{identity}: blocked already")));
                }
                // It is not what it should be: this one takes its place.
                Ok(_) | Err(_) => batch.replace(&block, version),
            }
        }
    }
    finish(
        &app,
        batch,
        EventKind::IdentityBlocked,
        &identity,
        by.because(request.reason.as_deref()),
    )
    .await?;
    Ok(done(format!("{identity}: blocked")))
}

pub(super) async fn unblock(
    State(app): State<Arc<App>>,
    by: By,
    Json(request): Json<BlockRequest>,
) -> Reply<Done> {
    let _turn = app.admin_turn.lock().await;
    let mut identity = request.identity;
    // Whether or not the record can be read.
    let mut found = app.store.get(Kind::Block, identity.as_bytes()).await?;
    if found.is_none() {
        identity = canonical_here(&app, &identity);
        found = app.store.get(Kind::Block, identity.as_bytes()).await?;
    }
    let Some(stored) = found else {
        return Err(Failure::not_found(
            format!("{identity:?} is not blocked"),
            "`testudo identity list` shows what is; a block is removed by the text it was made with",
        ));
    };
    let mut batch = Batch::default();
    batch.remove(Kind::Block, stored.key, stored.version);
    finish(
        &app,
        batch,
        EventKind::IdentityUnblocked,
        &identity,
        by.because(request.reason.as_deref()),
    )
    .await?;
    Ok(done(format!("{identity}: unblocked")))
}

/// The text under which a block is kept: a bare trust domain means all of its identities.
fn canonical_here(app: &App, identity: &str) -> String {
    let policy = app.policy.load();
    canonical(identity, |name| {
        policy.trust_domains.contains_key(name) && !policy.clients.contains_key(name)
    })
}

/// A SPIFFE ID, a pattern, or a configured client's id. A typo that blocks nobody is worse than an error.
fn judge(app: &App, identity: &str) -> Result<(), Failure> {
    match pattern(identity) {
        Some(Ok(_)) if app.standing.load().blocks.pattern_count() >= BLOCK_PATTERNS_MAX => {
            Err(Failure::bad_request(
                format!("at most {BLOCK_PATTERNS_MAX} patterns can be blocked"),
                None,
            ))
        }
        Some(Ok(_)) => Ok(()),
        Some(Err(fault)) => Err(Failure::bad_request(format!("{identity:?} {fault}"), None)),
        None if app.policy.load().clients.contains_key(identity) => Ok(()),
        None => match SpiffeId::parse(identity) {
            Ok(_) => Ok(()),
            Err(fault) => Err(Failure::bad_request(
                format!("{identity:?} is neither a pattern nor a SPIFFE ID: it {fault}"),
                Some("expected: spiffe://prod.example/ns/x/sa/y, with * and ** for whole segments, or the name of a configured trust domain for all of its identities".into()),
            )),
        },
    }
}

async fn finish(
    app: &App,
    mut batch: Batch,
    kind: EventKind,
    identity: &str,
    note: Note<'_>,
) -> Result<(), Failure> {
    if let Some(event) = new_event(app, kind, |event| {
        event.identity = Some(identity.to_owned());
        event.reason = note.reason.map(str::to_owned);
        event.actor = Some(note.actor.to_string());
    }) {
        batch.insert(&event);
    }
    commit(app, batch).await?;
    read_again::standing(app).await?;
    tracing::info!(identity, "{}", kind.name());
    Ok(())
}

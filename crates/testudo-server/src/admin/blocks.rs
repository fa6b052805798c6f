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
use testudo_core::{Authority, AuthorityKind};

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

/// The text under which a block is kept: the name of an authority means all of its identities.
fn canonical_here(app: &App, identity: &str) -> String {
    let policy = app.policy.load();
    canonical(identity, |name| {
        let authority = policy.authority_named(name);
        authority.filter(|_| !policy.clients.contains_key(name)).cloned()
    })
}

/// An identity, a pattern, or a configured client's id. A typing error is refused: the administrator would believe
/// that the identity is blocked.
fn judge(app: &App, identity: &str) -> Result<(), Failure> {
    match pattern(identity) {
        Some(Ok(_)) if app.standing.load().blocks.pattern_count() >= BLOCK_PATTERNS_MAX => {
            Err(Failure::bad_request(
                format!("at most {BLOCK_PATTERNS_MAX} patterns can be blocked"),
                None,
            ))
        }
        Some(Ok(pattern)) => vouches_here(app, identity, pattern.authority()),
        Some(Err(fault)) => Err(Failure::bad_request(format!("{identity:?} {fault}"), None)),
        None if app.policy.load().clients.contains_key(identity) => Ok(()),
        None => match Authority::of_identity(identity) {
            Ok(authority) => vouches_here(app, identity, &authority),
            Err(fault) => Err(Failure::bad_request(
                format!("{identity:?} is neither a pattern nor an identity: it {fault}"),
                Some("expected: spiffe://prod.example/ns/x/sa/y, with * and ** for whole segments, or the name of a configured trust domain or issuer for all of its identities".into()),
            )),
        },
    }
}

/// Many texts have the form of an issuer's identity; a trust domain may be blocked before it is configured.
fn vouches_here(app: &App, identity: &str, authority: &Authority) -> Result<(), Failure> {
    let is_known = app.policy.load().authority(authority).is_some();
    match authority.kind() {
        AuthorityKind::Issuer if !is_known => Err(Failure::bad_request(
            format!(
                "{identity:?} is of the {}, which is not configured",
                authority.described()
            ),
            Some("`testudo trust list` shows the authorities that are".into()),
        )),
        AuthorityKind::Issuer
        | AuthorityKind::Spiffe
        | AuthorityKind::Configuration
        | AuthorityKind::Registration => Ok(()),
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

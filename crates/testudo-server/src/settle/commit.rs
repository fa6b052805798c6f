//! Loading and committing: the one place where requests write, of clients and of administrators.

use crate::fault::Fault;
use crate::state::app::App;
use std::sync::{Mutex, PoisonError};
use testudo_core::Entropy;
use testudo_core::admission::placed::Placed;
use testudo_core::records::{Batch, Client, Kind, Removed, Versioned, clients_of_authority};
use testudo_core::rejection::{AdmissionReason, CredentialReason, Rejection};
use testudo_core::velocity::Buckets;
use testudo_core::velocity::{Limit, SHARED_PREFIX, seconds_to_next_minute};
use testudo_store::{CommitError, Conflict};

/// Times a request is decided again after a lost race.
pub(super) const ATTEMPTS: usize = 4;

/// What became of a batch that registers.
pub(super) enum Committed {
    Done,
    /// Another node was first, or the record changed: look again.
    Again,
    Refused(Rejection),
}

/// Commits what registers a client. What it took from the buckets goes back where nothing was written.
pub(super) async fn commit_new(
    app: &App,
    placed: &Placed<'_>,
    mut batch: Batch,
    limits: &[Limit],
    entropy: &Entropy,
) -> Result<Committed, Fault> {
    if app.store.is_shared() {
        // Buckets are per node; what all nodes may register in a minute is counted where they meet.
        for limit in limits {
            let (counter, max) = limit.shared_counter(entropy.millis);
            batch.add(counter, 1, Some(max));
        }
    }
    let outcome = commit(app, batch).await;
    if !matches!(outcome, Ok(Ok(()))) {
        lock(&app.buckets).refund(limits);
    }
    Ok(match outcome? {
        Ok(()) => Committed::Done,
        Err(Conflict::Exists(Kind::Client | Kind::Removed | Kind::Event, _) | Conflict::Changed(..)) => {
            Committed::Again
        }
        Err(Conflict::OverLimit(counter)) if counter.starts_with(SHARED_PREFIX) => {
            Committed::Refused(too_fast(limits, &counter, entropy.millis))
        }
        Err(conflict) => Committed::Refused(refusal_of(conflict, placed)),
    })
}

/// A client and its earlier life.
pub(super) type Loaded = (Option<Versioned<Client>>, Option<Versioned<Removed>>);

pub(super) async fn load(app: &App, key: &[u8]) -> Result<Loaded, Fault> {
    let keys = vec![(Kind::Client, key.to_vec()), (Kind::Removed, key.to_vec())];
    let mut found = app.store.get_many(keys).await.map_err(Fault::Store)?.into_iter();
    let client = found
        .next()
        .flatten()
        .map(testudo_store::typed::<Client>)
        .transpose()
        .map_err(Fault::Store)?;
    let removed = found
        .next()
        .flatten()
        .map(testudo_store::typed::<Removed>)
        .transpose()
        .map_err(Fault::Store)?;
    Ok((client, removed))
}

/// Writes a batch, whole or not at all.
pub(crate) async fn write(app: &App, batch: Batch) -> Result<(), CommitError> {
    app.store.commit(batch).await
}

/// Writes a batch for a client; a conflict is for the caller to judge.
pub(super) async fn commit(app: &App, batch: Batch) -> Result<Result<(), Conflict>, Fault> {
    match write(app, batch).await {
        Ok(()) => Ok(Ok(())),
        Err(CommitError::Conflict(conflict)) => Ok(Err(conflict)),
        Err(CommitError::Unavailable(fault)) => Err(Fault::Store(fault)),
        Err(CommitError::Busy) => Err(Fault::Busy),
    }
}

/// What a conflict that deciding again cannot cure means.
pub(super) fn refusal_of(conflict: Conflict, placed: &Placed<'_>) -> Rejection {
    match conflict {
        Conflict::Exists(Kind::Replay, _) => Rejection::Credential(CredentialReason::AssertionReplayed),
        Conflict::Exists(..) | Conflict::Changed(..) => {
            Rejection::Admission(AdmissionReason::ClientIdClash {
                client_id: placed.name.client_id.to_string(),
            })
        }
        Conflict::OverLimit(counter) => {
            let (authority, ..) = placed.identity.governed_as();
            let limit = if counter == clients_of_authority(authority.key()) {
                authority.described()
            } else {
                format!("rule `{}`", placed.found.rule.name)
            };
            Rejection::Admission(AdmissionReason::TooManyClients { limit })
        }
    }
}

/// The refusal of a limit that all nodes share.
fn too_fast(limits: &[Limit], counter: &str, millis: u64) -> Rejection {
    let is_it = |limit: &&Limit| limit.shared_counter(millis).0 == counter;
    Rejection::Admission(AdmissionReason::TooFast {
        limit: limits
            .iter()
            .find(is_it)
            .map(|limit| limit.shown_as.clone())
            .unwrap_or_default(),
        retry_after_seconds: seconds_to_next_minute(millis),
    })
}

pub(super) fn lock(buckets: &Mutex<Buckets>) -> std::sync::MutexGuard<'_, Buckets> {
    buckets.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Committing: the one place where requests write, of clients and of administrators.

use crate::fault::Fault;
use crate::state::app::App;
use std::sync::PoisonError;
use testudo_core::records::{Batch, Conflict};
use testudo_core::rejection::{AdmissionReason, Rejection};
use testudo_core::velocity::{Limit, SHARED_PREFIX, seconds_to_next_minute};
use testudo_store::CommitError;

/// Why a batch was not written, where the store is well.
pub(super) enum Unwritten {
    /// The request's own conflict.
    Conflict(Conflict),
    /// All nodes together have registered what they may in this minute.
    TooFast(Rejection),
}

/// Takes one from the bucket of every limit, or from none.
pub(super) fn take(app: &App, limits: &[Limit]) -> Result<(), Rejection> {
    if limits.is_empty() {
        return Ok(());
    }
    let mut buckets = app
        .first_uses
        .buckets
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    buckets.take(limits, app.clock.steady_millis())
}

/// Gives back what was taken: nothing was written.
pub(super) fn refund(app: &App, limits: &[Limit]) {
    if !limits.is_empty() {
        let mut buckets = app
            .first_uses
            .buckets
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        buckets.refund(limits);
    }
}

/// Commits what was decided. What it took from the buckets goes back where nothing was written.
pub(super) async fn commit_decided(
    app: &App,
    mut batch: Batch,
    limits: &[Limit],
    millis: u64,
) -> Result<Result<(), Unwritten>, Fault> {
    if batch.is_empty() {
        refund(app, limits);
        return Ok(Ok(()));
    }
    if app.store.is_shared() {
        // Buckets are per node; what all nodes may register in a minute is counted where they meet.
        for limit in limits {
            let (counter, max) = limit.shared_counter(millis);
            batch.add(counter, 1, Some(max));
        }
    }
    let Err(error) = app.store.commit(batch).await else {
        return Ok(Ok(()));
    };
    refund(app, limits);
    match error {
        CommitError::Conflict(Conflict::OverLimit(counter)) if counter.starts_with(SHARED_PREFIX) => {
            Ok(Err(Unwritten::TooFast(too_fast(limits, &counter, millis))))
        }
        CommitError::Conflict(conflict) => Ok(Err(Unwritten::Conflict(conflict))),
        CommitError::Unavailable(fault) => Err(Fault::Store(fault)),
        CommitError::Busy => Err(Fault::Busy),
    }
}

/// The refusal of a limit that all nodes share.
pub(super) fn too_fast(limits: &[Limit], counter: &str, millis: u64) -> Rejection {
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

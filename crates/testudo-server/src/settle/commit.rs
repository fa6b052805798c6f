//! Commits batches. All writes of requests are made here, those of clients and those of administrators.

use crate::fault::Fault;
use crate::state::app::App;
use std::sync::PoisonError;
use testudo_core::records::{Batch, Conflict};
use testudo_core::rejection::{AdmissionReason, Rejection};
use testudo_core::velocity::{Limit, SHARED_PREFIX, seconds_to_next_minute};
use testudo_store::CommitError;

/// Why a batch was not written although the store works.
pub(super) enum Unwritten {
    /// A record of the request was changed, or a counter of its own is at its limit.
    Conflict(Conflict),
    /// All nodes together have registered as many clients in this minute as they may.
    TooFast(Rejection),
}

/// Takes one token from the bucket of every limit. Where one of them is empty, it takes from none.
pub(crate) fn take(app: &App, limits: &[Limit]) -> Result<(), Rejection> {
    if limits.is_empty() {
        return Ok(());
    }
    let mut buckets = app
        .first_uses
        .buckets
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(buckets.take(limits, app.clock.steady_millis())?)
}

/// Puts back what was taken, because nothing was written.
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

/// Commits a decision. Where nothing is written, what was taken from the buckets is put back.
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
        // Each node has buckets of its own. The limit of all nodes together is a counter in the store that they share.
        for limit in limits {
            let (counter, max) = limit.shared_counter(millis);
            batch.add(counter, 1, Some(max));
        }
    }
    let Err(error) = app.commit(batch).await else {
        return Ok(Ok(()));
    };
    refund(app, limits);
    match error {
        CommitError::Conflict(Conflict::OverLimit(counter)) if counter.starts_with(SHARED_PREFIX) => {
            Ok(Err(Unwritten::TooFast(too_fast(limits, &counter, millis))))
        }
        CommitError::Conflict(conflict) => Ok(Err(Unwritten::Conflict(conflict))),
        CommitError::Unavailable(_) | CommitError::Busy => Err(error.into()),
    }
}

/// The refusal where the limit of all nodes together is reached.
pub(super) fn too_fast(limits: &[Limit], counter: &str, millis: u64) -> Rejection {
    let is_it = |limit: &&Limit| limit.shared_counter(millis).0 == counter;
    let exceeded = limits.iter().find(is_it);
    Rejection::Admission(AdmissionReason::TooFast {
        setting: exceeded.map_or("registrations_per_minute", |limit| limit.setting),
        limit: exceeded.map(|limit| limit.shown_as.clone()).unwrap_or_default(),
        retry_after_seconds: seconds_to_next_minute(millis),
    })
}

//! The moment up to which this node has applied the changes of all nodes.
//!
//! A change by an administrator must be in force on every node that serves requests. A node that may have missed
//! changes (the database cannot be reached, or a change could not be read) goes on serving for `serve_without_store`
//! [decision 0011], counted from the last moment at which it knew all changes. Then it refuses requests until it knows
//! all changes again.

use crate::fault::Fault;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Read by every request that is about to succeed; written by the task that applies the changes of other nodes.
#[derive(Debug)]
pub struct AppliedChanges {
    started: Instant,
    /// Nanoseconds from `started` to the moment up to which all changes are applied.
    taken_over_until: AtomicU64,
    /// `store.serve_without_store`, in seconds; a reload replaces it.
    limit: AtomicU64,
    /// True where no other node shares the store: then there are no changes of other nodes.
    is_alone: bool,
}

impl AppliedChanges {
    /// For a node that has not yet read its keys, switches and blocks.
    pub(crate) fn new(limit: Duration, is_alone: bool) -> AppliedChanges {
        AppliedChanges {
            started: Instant::now(),
            taken_over_until: AtomicU64::new(0),
            limit: AtomicU64::new(limit.as_secs()),
            is_alone,
        }
    }

    /// Sets `store.serve_without_store` of a reloaded configuration.
    pub(crate) fn set_limit(&self, limit: Duration) {
        self.limit.store(limit.as_secs(), Ordering::Relaxed);
    }

    /// How long this node may serve without knowing all changes.
    pub fn limit(&self) -> Duration {
        Duration::from_secs(self.limit.load(Ordering::Relaxed))
    }

    /// Notes that every change that was committed before this moment is applied on this node.
    pub(crate) fn note(&self, until: Instant) {
        let since_start = until.saturating_duration_since(self.started).as_nanos();
        let nanos = u64::try_from(since_start).unwrap_or(u64::MAX);
        self.taken_over_until.fetch_max(nanos, Ordering::AcqRel);
    }

    /// How long ago this node last knew the changes of all nodes.
    pub fn unsure_for(&self) -> Duration {
        if self.is_alone {
            return Duration::ZERO;
        }
        let until = Duration::from_nanos(self.taken_over_until.load(Ordering::Acquire));
        self.started.elapsed().saturating_sub(until)
    }

    /// Whether this node may serve requests.
    pub fn may_serve(&self) -> bool {
        self.unsure_for() <= self.limit()
    }

    /// The fault with which a request is refused while this node may not serve.
    pub(crate) fn judge(&self) -> Result<(), Fault> {
        match self.may_serve() {
            true => Ok(()),
            false => Err(Fault::Unsure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(limit: Duration, is_alone: bool, age: Duration) -> AppliedChanges {
        AppliedChanges {
            started: Instant::now()
                .checked_sub(age)
                .expect("the machine runs for longer"),
            ..AppliedChanges::new(limit, is_alone)
        }
    }

    #[test]
    fn node_that_missed_changes_for_longer_than_the_limit_stops_serving() {
        let (limit, age) = (Duration::from_secs(20), Duration::from_secs(30));
        let applied_changes = of(limit, false, age);
        assert!(!applied_changes.may_serve());
        assert!(matches!(applied_changes.judge(), Err(Fault::Unsure)));
        // All changes are known again; an older moment that is noted late does not undo that.
        applied_changes.note(Instant::now());
        applied_changes.note(applied_changes.started);
        assert!(applied_changes.may_serve() && applied_changes.unsure_for() < limit);
    }

    #[test]
    fn age_of_known_changes_counts_from_the_moment_of_the_change_and_not_of_its_reading() {
        let applied_changes = of(Duration::from_secs(20), false, Duration::from_secs(30));
        applied_changes.note(applied_changes.started + Duration::from_secs(9));
        assert!(!applied_changes.may_serve(), "21 s ago, noted now");
        applied_changes.note(applied_changes.started + Duration::from_secs(15));
        assert!(applied_changes.may_serve(), "15 s ago");
    }

    #[test]
    fn node_that_shares_its_store_with_no_other_always_serves() {
        assert!(of(Duration::ZERO, true, Duration::from_secs(30)).may_serve());
    }
}

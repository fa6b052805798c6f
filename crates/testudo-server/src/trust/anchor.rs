//! The trust anchor of one authority: the bundle that is held, how long it may be used, and when to look again.

use crate::config::BundleSource;
use crate::state::moment::Moment;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use testudo_core::admin::bundle::{Floor, HeldBack};
use testudo_fetch::{Kept, Pauses};
use testudo_protocol::Seconds;
use testudo_protocol::jose::sha256;
use testudo_protocol::spiffe::Bundle;
use tokio::sync::{Notify, watch};

/// Pause between fetches where the bundle gives no hint. [SPIFFE-BUNDLE §4.1.2]
const REFRESH_DEFAULT: Duration = Duration::from_secs(300);
/// A file is looked at that often, a Workload API asked, and any source while nothing usable is held: every request
/// of the domain is refused then.
const REFRESH_SOON: Duration = Duration::from_secs(5);
/// However short the maximum age: a source is asked no more often than that.
const REFRESH_MIN: Duration = Duration::from_millis(500);
/// Pause between early fetches for an unknown `kid`: a caller can invent any number of them.
const EARLY_REFRESH_PAUSE: Seconds = Seconds(30);
/// So long a request waits for an early fetch. The fetch goes on without it.
const EARLY_REFRESH_DEADLINE: Duration = Duration::from_secs(3);

/// The trust anchor of one authority.
pub struct Anchor {
    pub(super) source: BundleSource,
    pub(super) kept: Kept<Taken, Moment>,
    /// When an early fetch was last asked for.
    pub(super) early: Mutex<Option<Moment>>,
    /// The lowest sequence that is taken, as far as this node knows; nothing before the store was asked.
    pub(super) floor: Mutex<Option<Floor>>,
    /// An administrator accepted a bundle on another node, and no event of this node has stated it yet.
    pub(super) is_accepted_elsewhere: AtomicBool,
    pub(super) trouble: Mutex<Option<Trouble>>,
    /// Why the stored record of the floor is not used.
    pub(super) refused_floor: Mutex<Option<String>>,
    /// One refresh at a time, so that what is fetched, judged, stored and said belongs together.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Asks the loop that keeps the bundle fresh not to wait.
    pub(super) wanted: Notify,
    /// Counts refreshes that have ended.
    pub(super) ended: watch::Sender<u64>,
}

/// A bundle in force, with the digest of its document.
pub(super) struct Taken {
    pub(super) bundle: Arc<Bundle>,
    pub(super) digest: [u8; 32],
}

/// The loop that keeps a bundle fresh has intervals of its own.
const NO_PAUSES: Pauses = Pauses {
    between: Duration::ZERO,
    after_failure: Duration::ZERO,
    after_failure_max: Duration::ZERO,
};

/// A bundle that was fetched and is not in force.
pub(super) struct Read {
    pub(super) bundle: Arc<Bundle>,
    pub(super) digest: [u8; 32],
    /// What the source does not name any more, and an administrator accepts.
    pub(super) lost: Option<&'static str>,
}

/// What keeps a bundle from being confirmed, and what has been said of it: each thing once per outage.
#[derive(Debug, Clone, Default)]
pub(super) struct Trouble {
    pub(super) why: String,
    pub(super) is_failure_said: bool,
    pub(super) held_back_said: Option<HeldBack>,
    pub(super) held_back: Option<HeldBack>,
}

/// What a refresh found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// Another bundle than before is in force.
    Updated,
    /// The same bundle, confirmed.
    Unchanged,
    /// A bundle is in force although it would have been held back: an administrator accepted it.
    Accepted(String),
    /// A lower sequence than was taken before, or none after one: not applied.
    HeldBack(HeldBack),
    /// Nothing usable came.
    Failed(String),
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Anchor {
    /// An anchor that holds nothing yet.
    pub fn new(source: BundleSource) -> Anchor {
        Anchor {
            source,
            kept: Kept::new(NO_PAUSES),
            early: Mutex::default(),
            floor: Mutex::default(),
            is_accepted_elsewhere: AtomicBool::new(false),
            trouble: Mutex::default(),
            refused_floor: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            wanted: Notify::new(),
            ended: watch::Sender::new(0),
        }
    }

    /// Where the bundle comes from.
    pub fn source(&self) -> &BundleSource {
        &self.source
    }

    /// The bundle, while it may be used.
    pub fn current(&self, now: Moment) -> Option<Arc<Bundle>> {
        self.kept
            .map_younger_than(self.age_max(), now, |held| held.value.bundle.clone())
    }

    /// True where a bundle was put in force once, however old it is by now.
    pub fn held_keys_once(&self) -> bool {
        self.kept.held().is_some()
    }

    /// The stated maximum age holds, whatever the publisher hints.
    fn age_max(&self) -> Duration {
        Duration::from_secs(self.source.max_staleness.0.unsigned_abs())
    }

    /// Pause until the next scheduled fetch. A longer hint is shortened to half of the maximum age, so that one
    /// failed fetch does not end the use of the bundle.
    pub fn interval(&self, now: Moment) -> Duration {
        let hint = self
            .kept
            .map_younger_than(self.age_max(), now, |held| held.value.bundle.refresh_hint);
        let wanted = match hint {
            Some(hint) if !self.source.origin.is_on_this_machine() => {
                hint.map_or(REFRESH_DEFAULT, |hint| Duration::from_secs(hint.0.unsigned_abs()))
            }
            Some(_) | None => REFRESH_SOON,
        };
        wanted.min(self.age_max() / 2).max(REFRESH_MIN)
    }

    /// Waits for an early fetch, because a `kid` is not in the bundle: at most one per 30 s for all requests. The loop
    /// that keeps the bundle fresh does it, so a caller that hangs up ends nothing.
    pub async fn refresh_early(&self, now: Moment) {
        if !self.take_early_turn(now) {
            return;
        }
        let mut ended = self.ended.subscribe();
        self.wanted.notify_one();
        // A request that waits too long is judged by the bundle that is held.
        let _ = tokio::time::timeout(EARLY_REFRESH_DEADLINE, ended.changed()).await;
    }

    pub(super) fn take_early_turn(&self, now: Moment) -> bool {
        let mut early = locked(&self.early);
        if early.is_some_and(|last| last.age(now) < EARLY_REFRESH_PAUSE) {
            return false;
        }
        *early = Some(now);
        true
    }

    /// The bundle of a document: the very object that is held, where the document is the same.
    pub(super) fn read(&self, document: &[u8]) -> Result<Read, String> {
        let digest = sha256(document);
        let held = self.kept.held();
        let bundle = match held.filter(|held| held.value.digest == digest) {
            Some(held) => held.value.bundle.clone(),
            None => Arc::new(Bundle::parse(document).map_err(|fault| fault.to_string())?),
        };
        Ok(Read {
            bundle,
            digest,
            lost: None,
        })
    }

    /// True where the document is the one that is in force.
    pub(super) fn holds(&self, read: &Read) -> bool {
        let held = self.kept.held();
        held.is_some_and(|held| held.value.digest == read.digest)
    }

    /// Puts a bundle in force, or confirms the one that is.
    pub(super) fn put_in_force(&self, read: Read, now: Moment) -> Refreshed {
        let is_same = self.holds(&read);
        let taken = Taken {
            bundle: read.bundle,
            digest: read.digest,
        };
        self.kept.keep(Arc::new(taken), now);
        if is_same {
            Refreshed::Unchanged
        } else {
            Refreshed::Updated
        }
    }

    /// Takes over what an anchor of the same source held: a reload forgets nothing.
    pub fn inherit(&self, earlier: &Anchor) {
        self.kept.inherit(&earlier.kept);
        *locked(&self.early) = *locked(&earlier.early);
        *locked(&self.floor) = *locked(&earlier.floor);
        let is_accepted_elsewhere = earlier.is_accepted_elsewhere.load(Ordering::Relaxed);
        self.is_accepted_elsewhere
            .store(is_accepted_elsewhere, Ordering::Relaxed);
        (*locked(&self.trouble)).clone_from(&locked(&earlier.trouble));
        (*locked(&self.refused_floor)).clone_from(&locked(&earlier.refused_floor));
    }
}

#[cfg(test)]
mod tests;

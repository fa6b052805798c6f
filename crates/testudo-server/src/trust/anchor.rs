//! The trust anchor of one authority: the bundle that is in memory, how long it may be used, and when it is fetched
//! again.

use super::accepted_keys::AcceptedKeys;
use super::first_seen::FirstSeen;
use crate::config::BundleSource;
use crate::state::moment::Moment;
use arc_swap::ArcSwapOption;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use testudo_core::Authority;
use testudo_core::admin::bundle::{Floor, HeldBack};
use testudo_core::doors::AuthorityKeys;
use testudo_fetch::{Kept, Pauses};
use testudo_protocol::jose::sha256;
use testudo_protocol::{Seconds, Timestamp};
use tokio::sync::{Notify, watch};

/// Pause between fetches where the bundle has no `spiffe_refresh_hint`. [SPIFFE-BUNDLE §4.1.2]
const REFRESH_DEFAULT: Duration = Duration::from_secs(300);
/// Pause between reads of a file or a Workload API; and, for every source, between fetches while there is no usable
/// bundle, since every request of the authority is refused then.
const REFRESH_SOON: Duration = Duration::from_secs(5);
/// Shortest pause between fetches, even where the maximum age is shorter.
const REFRESH_MIN: Duration = Duration::from_millis(500);
/// Pause between early fetches for an unknown `kid`: a caller can invent any number of key ids.
const EARLY_REFRESH_PAUSE: Seconds = Seconds(30);
/// How long a request waits for an early fetch. After that the fetch continues in the background.
const EARLY_REFRESH_DEADLINE: Duration = Duration::from_secs(3);

/// How often the keys of any authority of this server changed: what was made from keys is out of date if this number is
/// another one.
#[derive(Default)]
pub struct BundleChanges(AtomicU64);

impl BundleChanges {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn note(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// Limits early fetches for an unknown `kid`.
#[derive(Default)]
pub(super) struct EarlyTurn {
    /// When an early fetch was last requested.
    last: Mutex<Option<Moment>>,
}

impl EarlyTurn {
    /// True if the pause after the last early fetch is over. A new one begins then.
    pub(super) fn take(&self, now: Moment) -> bool {
        let mut last = locked(&self.last);
        if last.is_some_and(|last| last.age(now) < EARLY_REFRESH_PAUSE) {
            return false;
        }
        *last = Some(now);
        true
    }

    fn inherit(&self, earlier: &EarlyTurn) {
        *locked(&self.last) = *locked(&earlier.last);
    }
}

/// The trust anchor of one authority.
pub struct Anchor {
    pub(super) source: BundleSource,
    pub(super) kept: Kept<HeldBundle, Moment>,
    pub(super) early: EarlyTurn,
    /// Counts the changes of the keys of all authorities.
    changes: Arc<BundleChanges>,
    /// The lowest sequence that is accepted, as far as this node knows; `None` until the store was read.
    pub(super) floor: Mutex<Option<Floor>>,
    /// When this server first saw each key of the authority, as far as this node knows.
    pub(super) first_seen: Mutex<FirstSeen>,
    /// The keys that need no acceptance, with `key_change = "hold"`; `None` until the first refresh.
    pub(super) accepted_keys: Mutex<Option<AcceptedKeys>>,
    /// True after an administrator accepted a bundle on another node, until an event of this node has stated it.
    pub(super) is_accepted_elsewhere: AtomicBool,
    pub(super) last_failure: Mutex<Option<LastFailure>>,
    /// Why the stored record of the lowest accepted sequence is not used, where it is not.
    pub(super) refused_floor: Mutex<Option<String>>,
    /// The bundle in the store, as far as this node knows.
    pub(super) shared: Mutex<Option<SharedAt>>,
    /// True if the bundle in the store is not used, because it cannot be decrypted.
    pub(super) is_shared_refused: AtomicBool,
    /// True after a reload removed the authority: a refresh that is running writes nothing then.
    pub(super) is_removed: AtomicBool,
    /// Held during a refresh, so that only one runs at a time: what is fetched, checked, stored and reported is then one
    /// bundle.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Wakes the loop that refreshes the bundle before its pause is over.
    pub(super) wanted: Notify,
    /// The number of refreshes that brought nothing usable.
    pub(super) failures: AtomicU64,
    /// The anchor of the other trust domain whose bundle verifies the server of the source, if one does.
    pub(super) verifier: ArcSwapOption<Anchor>,
    /// The number of refreshes that have ended. A request that waits for an early fetch watches it.
    pub(super) ended: watch::Sender<u64>,
}

/// A bundle that is in force, with the SHA-256 of its document.
pub(super) struct HeldBundle {
    pub(super) keys: AuthorityKeys,
    pub(super) digest: [u8; 32],
    /// True if the first bundle of the source verified the server from which the document came.
    pub(super) is_by_bootstrap: bool,
    /// True if the document was read from the store, and this node has not fetched it since.
    pub(super) is_from_store: bool,
}

/// What this node knows of the bundle in the store.
#[derive(Clone, Copy)]
pub(super) struct SharedAt {
    pub(super) digest: [u8; 32],
    /// The time of the fetch in the record.
    pub(super) confirmed: Timestamp,
    /// When this node wrote or read the record.
    pub(super) seen: Timestamp,
}

/// No pauses: the loop that refreshes a bundle has intervals of its own.
pub(super) const NO_PAUSES: Pauses = Pauses {
    between: Duration::ZERO,
    after_failure: Duration::ZERO,
    after_failure_max: Duration::ZERO,
};

/// A bundle that was fetched and is not yet in force.
pub(super) struct FetchedBundle {
    pub(super) keys: AuthorityKeys,
    pub(super) digest: [u8; 32],
    pub(super) document: Vec<u8>,
    /// True if the first bundle of the source verified the server.
    pub(super) is_by_bootstrap: bool,
    /// The kind of authority that is missing compared with the bundle in force, where an administrator accepts that.
    pub(super) lost: Option<&'static str>,
}

/// Why the last refresh failed, and which events were already written for it: each kind of failure has one event until
/// a refresh succeeds.
#[derive(Debug, Clone, Default)]
pub(super) struct LastFailure {
    pub(super) why: String,
    /// The text of the last line in the log, and when it was written.
    pub(super) line: Option<(String, Moment)>,
    pub(super) is_failure_written: bool,
    pub(super) held_back_written: Option<HeldBack>,
    pub(super) held_back: Option<HeldBack>,
}

/// What a refresh found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// A bundle that differs from the one before is in force.
    Updated,
    /// The source still has the bundle that is in force.
    Unchanged,
    /// A bundle is in force that would have been held back, because an administrator accepted it.
    Accepted(String),
    /// The bundle has a lower sequence than one that was accepted before, or none where an earlier one had one. It is
    /// not put in force.
    HeldBack(HeldBack),
    /// The source could not be read, or what it returned is not a valid bundle.
    Failed(String),
    /// What came could not be taken, because of this server or its store.
    NotTaken(String),
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives each anchor whose server is verified with the bundle of another trust domain the anchor of that one. Called
/// before a set of anchors is put in force.
pub(crate) fn join_verifiers(anchors: &HashMap<Authority, Arc<Anchor>>) {
    for anchor in anchors.values() {
        let other = anchor.source.origin.verified_with();
        let verifier = other.and_then(|other| anchors.get(other));
        anchor.verifier.store(verifier.cloned());
    }
}

impl Anchor {
    /// An anchor that has no bundle yet.
    pub fn new(source: BundleSource, changes: Arc<BundleChanges>) -> Anchor {
        Anchor {
            source,
            kept: Kept::new(NO_PAUSES),
            early: EarlyTurn::default(),
            changes,
            floor: Mutex::default(),
            first_seen: Mutex::default(),
            accepted_keys: Mutex::default(),
            is_accepted_elsewhere: AtomicBool::new(false),
            last_failure: Mutex::default(),
            refused_floor: Mutex::default(),
            shared: Mutex::default(),
            is_shared_refused: AtomicBool::new(false),
            is_removed: AtomicBool::new(false),
            turn: tokio::sync::Mutex::default(),
            wanted: Notify::new(),
            failures: AtomicU64::new(0),
            verifier: ArcSwapOption::empty(),
            ended: watch::Sender::new(0),
        }
    }

    /// Where the bundle comes from.
    pub fn source(&self) -> &BundleSource {
        &self.source
    }

    /// The bundle, while it is not older than `max_staleness`.
    pub fn current(&self, now: Moment) -> Option<AuthorityKeys> {
        self.kept
            .map_younger_than(self.age_max(), now, |held| held.value.keys.clone())
    }

    /// The bundle, however old it is.
    pub fn of_any_age(&self) -> Option<AuthorityKeys> {
        self.kept.held().map(|held| held.value.keys.clone())
    }

    /// The key ids of the keys that sign tokens, of any age.
    pub(super) fn for_each_kid(&self, mut each: impl FnMut(&str)) {
        if let Some(held) = self.kept.held() {
            held.value
                .keys
                .token_keys()
                .iter()
                .filter_map(|key| key.kid())
                .for_each(&mut each);
        }
    }

    /// True where a bundle was put in force once, however old it is by now.
    pub fn held_keys_once(&self) -> bool {
        self.kept.held().is_some()
    }

    /// The configured maximum age. The publisher's hint does not extend it.
    fn age_max(&self) -> Duration {
        Duration::from_secs(self.source.max_staleness.0.unsigned_abs())
    }

    /// Pause until the next scheduled fetch: at most half of the maximum age, so that the bundle stays usable when one
    /// fetch fails.
    pub fn interval(&self, now: Moment) -> Duration {
        let hint = self.kept.map_younger_than(self.age_max(), now, |held| {
            let bundle = held.value.keys.bundle();
            bundle.and_then(|bundle| bundle.refresh_hint)
        });
        let wanted = match hint {
            Some(hint) if !self.source.origin.is_on_this_machine() => {
                hint.map_or(REFRESH_DEFAULT, |hint| Duration::from_secs(hint.0.unsigned_abs()))
            }
            Some(_) | None => REFRESH_SOON,
        };
        wanted.min(self.age_max() / 2).max(REFRESH_MIN)
    }

    /// The number of refreshes that brought nothing usable, since the configuration names this source.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Waits for an early fetch, because a `kid` is not in the bundle: at most one per 30 s for all requests. The loop
    /// that refreshes the bundle fetches it, so the fetch goes on when the caller closes its connection.
    pub async fn refresh_early(&self, now: Moment) {
        if !self.early.take(now) {
            return;
        }
        let mut ended = self.ended.subscribe();
        self.wanted.notify_one();
        // After the deadline, the request is verified with the bundle that is in memory.
        let _ = tokio::time::timeout(EARLY_REFRESH_DEADLINE, ended.changed()).await;
    }

    /// Parses a document with keys. Where it is that of the keys in force, the result is the same object.
    pub(super) fn read(&self, document: Vec<u8>) -> Result<FetchedBundle, String> {
        let digest = sha256(&document);
        let held = self.kept.held();
        let keys = match held.filter(|held| held.value.digest == digest) {
            Some(held) => held.value.keys.clone(),
            None => self.source.read(&document)?,
        };
        Ok(FetchedBundle {
            keys,
            digest,
            document,
            is_by_bootstrap: false,
            lost: None,
        })
    }

    /// Puts a bundle in force. Where it is already in force, only its age begins anew.
    pub(super) fn put_in_force(&self, read: FetchedBundle, now: Moment) -> Refreshed {
        let bundle = HeldBundle {
            keys: read.keys,
            digest: read.digest,
            is_by_bootstrap: read.is_by_bootstrap,
            is_from_store: false,
        };
        match self.keep(bundle, now) {
            true => Refreshed::Updated,
            false => Refreshed::Unchanged,
        }
    }

    /// Puts a bundle in force that its source returned at `confirmed`. Returns true if another document was in force before.
    pub(super) fn keep(&self, bundle: HeldBundle, confirmed: Moment) -> bool {
        let held = self.kept.held();
        let is_new = held.is_none_or(|held| held.value.digest != bundle.digest);
        self.kept.keep(Arc::new(bundle), confirmed);
        if is_new {
            self.changes.note();
        }
        is_new
    }

    /// Takes over the bundle and the state of an earlier anchor of the same source, so that a reload loses nothing.
    pub fn inherit(&self, earlier: &Anchor) {
        self.kept.inherit(&earlier.kept);
        self.failures
            .store(earlier.failures.load(Ordering::Relaxed), Ordering::Relaxed);
        self.early.inherit(&earlier.early);
        *locked(&self.floor) = *locked(&earlier.floor);
        (*locked(&self.first_seen)).clone_from(&locked(&earlier.first_seen));
        (*locked(&self.accepted_keys)).clone_from(&locked(&earlier.accepted_keys));
        let is_accepted_elsewhere = earlier.is_accepted_elsewhere.load(Ordering::Relaxed);
        self.is_accepted_elsewhere
            .store(is_accepted_elsewhere, Ordering::Relaxed);
        (*locked(&self.last_failure)).clone_from(&locked(&earlier.last_failure));
        (*locked(&self.refused_floor)).clone_from(&locked(&earlier.refused_floor));
        *locked(&self.shared) = *locked(&earlier.shared);
        let is_shared_refused = earlier.is_shared_refused.load(Ordering::Relaxed);
        self.is_shared_refused.store(is_shared_refused, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;

//! The clusters that share one issuer string: finds those that have the key that a token names, without a search of all
//! of them, and fetches the keys of some of them again for a key that none has.

use super::anchor::{Anchor, BundleChanges, EarlyTurn, locked};
use crate::state::moment::Moment;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use testudo_core::Authority;
use tokio::task::JoinSet;

/// Clusters whose keys are fetched again at once for a `kid` that none has. The keys of the others are fetched at their
/// own times.
const EARLY_REFRESHES_MAX: usize = 8;

/// The clusters of one issuer.
pub struct ClusterGroup {
    anchors: Vec<Arc<Anchor>>,
    changes: Arc<BundleChanges>,
    index: Mutex<Arc<Index>>,
    /// For all clusters together.
    early: EarlyTurn,
    /// The position of the next cluster to be fetched early.
    next: AtomicUsize,
}

/// Positions of clusters by the key ids that they have.
#[derive(Default)]
struct Index {
    /// The number of changes of keys when the index was made.
    changes: Option<u64>,
    by_kid: HashMap<Box<str>, Vec<usize>>,
}

impl ClusterGroup {
    /// A group of these clusters, whose changes of keys are counted in `changes`.
    pub fn new(mut anchors: Vec<Arc<Anchor>>, changes: Arc<BundleChanges>) -> ClusterGroup {
        anchors.sort_by(|one, other| one.source().authority.cmp(&other.source().authority));
        ClusterGroup {
            anchors,
            changes,
            index: Mutex::default(),
            early: EarlyTurn::default(),
            next: AtomicUsize::new(0),
        }
    }

    /// All clusters.
    pub(crate) fn anchors(&self) -> impl Iterator<Item = &Arc<Anchor>> {
        self.anchors.iter()
    }

    /// The clusters that have the key, by their names.
    pub(crate) fn having(&self, kid: &str) -> Vec<Arc<Anchor>> {
        let index = self.index();
        let positions = index.by_kid.get(kid).into_iter().flatten();
        positions
            .filter_map(|position| self.anchors.get(*position).cloned())
            .collect()
    }

    fn index(&self) -> Arc<Index> {
        // Read before the keys are: a change meanwhile makes the index old.
        let changes = Some(self.changes.count());
        let mut index = locked(&self.index);
        if index.changes != changes {
            let mut by_kid: HashMap<Box<str>, Vec<usize>> = HashMap::new();
            for (position, anchor) in self.anchors.iter().enumerate() {
                anchor.for_each_kid(|kid| by_kid.entry(kid.into()).or_default().push(position));
            }
            *index = Arc::new(Index { changes, by_kid });
        }
        index.clone()
    }

    /// Waits for early fetches of the next few clusters that an administrator did not disable.
    pub(crate) async fn refresh_early(&self, now: Moment, is_enabled: impl Fn(&Authority) -> bool) {
        let count = self.anchors.len();
        if count == 0 || !self.early.take(now) {
            return;
        }
        let first = self
            .next
            .fetch_add(EARLY_REFRESHES_MAX.min(count), Ordering::Relaxed);
        let mut fetches = JoinSet::new();
        for offset in 0..EARLY_REFRESHES_MAX.min(count) {
            let position = first.wrapping_add(offset) % count;
            let anchor = self
                .anchors
                .get(position)
                .filter(|anchor| is_enabled(&anchor.source().authority));
            if let Some(anchor) = anchor.cloned() {
                fetches.spawn(async move { anchor.refresh_early(now).await });
            }
        }
        fetches.join_all().await;
    }
}

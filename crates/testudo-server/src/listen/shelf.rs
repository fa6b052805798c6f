//! Connections in the order of their idleness, so that the oldest idle one is found without looking at all.

use super::memory::Budget;
use super::senders::Share;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// After a look at all that found none idle, the next look waits so long, milliseconds: a flood of newcomers must
/// not make us walk through all connections for each.
const LOOK_AGAIN_MS: u64 = 50;

/// Connections of one address or prefix, and the memory that they may hold.
pub(super) struct Group {
    pub(super) shelf: Shelf,
    /// At the public listeners.
    pub(super) memory: Arc<Budget>,
    /// At `admin.listen`.
    pub(super) admin_memory: Arc<Budget>,
}

impl Group {
    pub(super) fn new(share: &Share) -> Group {
        Group {
            shelf: Shelf::default(),
            memory: Arc::new(Budget::share(share.bytes_max, share.little)),
            admin_memory: Arc::new(Budget::share(share.admin_bytes_max, share.little)),
        }
    }
}

/// Each connection with the time when it was last known to be active. The time is only brought up to date when the
/// connection comes first, so a request costs nothing here; since it can only be too early, the first one whose
/// time is right is the oldest.
#[derive(Default)]
pub(super) struct Shelf {
    order: BTreeSet<(u64, u64)>,
    since: HashMap<u64, u64>,
    look_again: u64,
}

impl Shelf {
    pub(super) fn len(&self) -> usize {
        self.since.len()
    }

    pub(super) fn put(&mut self, id: u64, since: u64) {
        self.take(id);
        self.since.insert(id, since);
        self.order.insert((since, id));
    }

    pub(super) fn take(&mut self, id: u64) {
        if let Some(since) = self.since.remove(&id) {
            self.order.remove(&(since, id));
            self.look_again = 0;
        }
    }

    /// The connection that has been idle longest. `idle_since` says since when one is idle, nothing while a
    /// request runs on it.
    pub(super) fn oldest_idle(&mut self, now: u64, idle_since: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        if now < self.look_again {
            return None;
        }
        // Each is looked at twice at most: once to bring its time up to date, once to be taken.
        for _ in 0..2 * self.order.len() {
            let (known, id) = *self.order.first()?;
            match idle_since(id) {
                Some(since) if since <= known => return Some(id),
                Some(since) => self.put(id, since),
                // All that are left are running.
                None if known > now => break,
                None => self.put(id, now + 1),
            }
        }
        self.look_again = now + LOOK_AGAIN_MS;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oldest(shelf: &mut Shelf, now: u64, active: &[(u64, Option<u64>)]) -> Option<u64> {
        shelf.oldest_idle(now, |id| {
            active
                .iter()
                .find(|(known, _)| *known == id)
                .and_then(|(_, since)| *since)
        })
    }

    #[test]
    fn oldest_connection_is_found_by_its_last_use() {
        let mut shelf = Shelf::default();
        for id in 1..=3 {
            shelf.put(id, id * 10);
        }
        let active = [(1, Some(90)), (2, Some(50)), (3, Some(30))];
        assert_eq!(oldest(&mut shelf, 100, &active), Some(3));
        shelf.take(3);
        assert_eq!(oldest(&mut shelf, 100, &active), Some(2));
        assert_eq!(shelf.len(), 2);
    }

    #[test]
    fn connection_that_runs_a_request_is_never_chosen_and_the_search_not_repeated_at_once() {
        let mut shelf = Shelf::default();
        shelf.put(1, 10);
        shelf.put(2, 20);
        assert_eq!(oldest(&mut shelf, 100, &[(1, None), (2, Some(20))]), Some(2));
        assert_eq!(oldest(&mut shelf, 100, &[(1, None), (2, None)]), None);
        assert_eq!(
            oldest(&mut shelf, 101, &[(1, Some(100)), (2, None)]),
            None,
            "too soon"
        );
        assert_eq!(oldest(&mut shelf, 200, &[(1, Some(100)), (2, None)]), Some(1));
        shelf.take(1);
        shelf.take(2);
        assert_eq!(oldest(&mut shelf, 300, &[]), None);
    }
}

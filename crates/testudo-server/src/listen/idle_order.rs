//! Connections ordered by the time of their last activity, so that the one that has been idle longest is found without
//! reading the state of every connection.

use super::memory::Budget;
use super::shares::Share;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Milliseconds between a search that found no idle connection and the next search. Without this pause, each new
/// connection of a flood would make the server go through all open connections.
const SEARCH_PAUSE_MS: u64 = 50;

/// The connections of one address or one address prefix, and the memory that their requests may use.
pub(super) struct Group {
    pub(super) idle_order: IdleOrder,
    /// Memory of requests to the public listeners.
    pub(super) memory: Arc<Budget>,
    /// Memory of requests to `admin.listen`.
    pub(super) admin_memory: Arc<Budget>,
}

impl Group {
    pub(super) fn new(share: &Share) -> Group {
        Group {
            idle_order: IdleOrder::default(),
            memory: Arc::new(Budget::share(share.bytes_max, share.little)),
            admin_memory: Arc::new(Budget::share(share.admin_bytes_max, share.little)),
        }
    }
}

/// Each connection with the recorded time of its last activity. A request does not change the order: the recorded time
/// may be too early, and is corrected only when the connection is first in the order. It is never too late; so the
/// first connection whose recorded time is correct has been idle longest.
#[derive(Default)]
pub(super) struct IdleOrder {
    order: BTreeSet<(u64, u64)>,
    since: HashMap<u64, u64>,
    next_search: u64,
}

impl IdleOrder {
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
            self.next_search = 0;
        }
    }

    /// The connection that has been idle longest. `idle_since` returns the time since when a connection has been
    /// idle, and `None` while a request runs on it.
    pub(super) fn oldest_idle(&mut self, now: u64, idle_since: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        if now < self.next_search {
            return None;
        }
        // Each connection is visited twice at most: once to correct its time, and once to be chosen.
        for _ in 0..2 * self.order.len() {
            let (known, id) = *self.order.first()?;
            match idle_since(id) {
                Some(since) if since <= known => return Some(id),
                Some(since) => self.put(id, since),
                // A request runs on all other connections.
                None if known > now => break,
                None => self.put(id, now + 1),
            }
        }
        self.next_search = now + SEARCH_PAUSE_MS;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oldest(idle_order: &mut IdleOrder, now: u64, active: &[(u64, Option<u64>)]) -> Option<u64> {
        idle_order.oldest_idle(now, |id| {
            active
                .iter()
                .find(|(known, _)| *known == id)
                .and_then(|(_, since)| *since)
        })
    }

    #[test]
    fn connection_that_has_been_idle_longest_is_found() {
        let mut idle_order = IdleOrder::default();
        for id in 1..=3 {
            idle_order.put(id, id * 10);
        }
        let active = [(1, Some(90)), (2, Some(50)), (3, Some(30))];
        assert_eq!(oldest(&mut idle_order, 100, &active), Some(3));
        idle_order.take(3);
        assert_eq!(oldest(&mut idle_order, 100, &active), Some(2));
        assert_eq!(idle_order.len(), 2);
    }

    #[test]
    fn connection_with_a_running_request_is_never_chosen_and_a_failed_search_is_repeated_after_a_pause() {
        let mut idle_order = IdleOrder::default();
        idle_order.put(1, 10);
        idle_order.put(2, 20);
        assert_eq!(oldest(&mut idle_order, 100, &[(1, None), (2, Some(20))]), Some(2));
        assert_eq!(oldest(&mut idle_order, 100, &[(1, None), (2, None)]), None);
        assert_eq!(
            oldest(&mut idle_order, 101, &[(1, Some(100)), (2, None)]),
            None,
            "the pause is not over"
        );
        assert_eq!(
            oldest(&mut idle_order, 200, &[(1, Some(100)), (2, None)]),
            Some(1)
        );
        idle_order.take(1);
        idle_order.take(2);
        assert_eq!(oldest(&mut idle_order, 300, &[]), None);
    }
}

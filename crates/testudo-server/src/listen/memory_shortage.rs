//! Chooses the connections to close when the memory of requests is nearly full: those that use most memory while the
//! server has waited longest for their client. So a client that does not read its answers or send its bodies loses its
//! own connection, and no other client does.

use super::connection_state::ConnectionState;
use super::memory::Budget;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// A client is slow if a request has waited for it for at least so many sixteenths of the request's deadline.
const WAITED_PARTS_MIN: u64 = 2;

/// The connections to close so that no budget is nearly full any more. A connection whose requests all wait for this
/// server is never chosen, because its client is not slow.
pub(super) fn connections_to_close<'a>(
    open: impl Iterator<Item = (u64, &'a Arc<ConnectionState>)>,
    now: u64,
) -> Vec<u64> {
    // Counted from the open connections, because the budgets still contain the memory of connections that are closing.
    let mut used: HashMap<*const Budget, usize> = HashMap::new();
    let mut candidates = Vec::new();
    for (id, state) in open {
        let held = state.memory.held();
        if held == 0 {
            continue;
        }
        for budget in state.memory.budgets() {
            *used.entry(Arc::as_ptr(budget)).or_default() += held;
        }
        if let Some(parts) = state.waited_parts(now) {
            let weight = (held as u64).saturating_mul(parts + 1);
            candidates.push((Reverse(weight), id, held, parts, state));
        }
    }
    candidates.sort_by_key(|(weight, id, ..)| (*weight, *id));
    let mut closed = Vec::new();
    for (_, id, held, parts, state) in candidates {
        let budgets = || state.memory.budgets().map(|budget| (budget, Arc::as_ptr(budget)));
        let must_close = budgets().any(|(budget, key)| {
            let used = used.get(&key).copied().unwrap_or_default();
            match parts >= WAITED_PARTS_MIN {
                true => budget.is_crowded(used),
                false => budget.is_overfull(used),
            }
        });
        if must_close {
            for (_, key) in budgets() {
                if let Some(used) = used.get_mut(&key) {
                    *used = used.saturating_sub(held);
                }
            }
            closed.push(id);
        }
    }
    closed
}

#[cfg(test)]
mod tests {
    use super::super::connection_state::ticks;
    use super::super::memory::ConnectionMemory;
    use super::*;
    use crate::config::ConnectionLimits;

    struct OpenConnections {
        all: Arc<Budget>,
        open: Vec<(u64, Arc<ConnectionState>)>,
    }

    impl OpenConnections {
        fn new(bytes_max: usize) -> OpenConnections {
            OpenConnections {
                all: Arc::new(Budget::of_all(bytes_max)),
                open: Vec::new(),
            }
        }

        /// Opens a connection whose request uses so many bytes.
        fn connection_with(&mut self, bytes: usize) -> Arc<ConnectionState> {
            let memory = ConnectionMemory::new(self.all.clone(), Vec::new());
            let state = Arc::new(ConnectionState::new(&ConnectionLimits::default(), memory));
            state.request_begins(true);
            state.memory.charge(bytes);
            self.open.push((self.open.len() as u64, state.clone()));
            state
        }

        fn closed_after(&self, seconds: u64) -> Vec<u64> {
            let open = self.open.iter().map(|(id, state)| (*id, state));
            connections_to_close(open, ticks() + seconds * 1000)
        }
    }

    #[test]
    fn connection_that_uses_most_memory_is_closed_and_no_more_than_needed() {
        let mut connections = OpenConnections::new(8_000);
        for bytes in [1_000, 4_000, 1_500] {
            connections.connection_with(bytes).request_is_answered();
        }
        assert_eq!(connections.closed_after(5), vec![1]);
        assert_eq!(
            connections.closed_after(0),
            Vec::<u64>::new(),
            "no request has waited long enough"
        );
    }

    #[test]
    fn no_connection_is_closed_while_memory_is_left_or_while_its_requests_wait_for_the_server() {
        let mut connections = OpenConnections::new(8_000);
        connections.connection_with(6_000).request_is_answered();
        assert_eq!(connections.closed_after(19), Vec::<u64>::new(), "memory is left");
        let mut connections = OpenConnections::new(8_000);
        connections.connection_with(7_000);
        connections.connection_with(100).body_wait_begins();
        assert_eq!(connections.closed_after(9), vec![1]);
    }

    #[test]
    fn connection_over_the_memory_limit_is_closed_at_once() {
        let mut connections = OpenConnections::new(8_000);
        connections.connection_with(7_500).request_is_answered();
        assert_eq!(connections.closed_after(0), vec![0]);
    }
}

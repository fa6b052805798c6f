//! Which connections are ended when the memory of requests is nearly full: those that hold most memory for longest
//! while the server waits for their client. So a client that does not read its answers, or does not send its bodies,
//! loses its own connection and not that of another client.

use super::conversation::Conversation;
use super::memory::Budget;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// A client is called slow when a request has waited for it for so many sixteenths of the request's deadline.
const WAITED_PARTS_MIN: u64 = 2;

/// The connections to end so that no budget is nearly full any more. A connection whose requests wait for this server
/// only is never chosen: its client is not slow.
pub(super) fn connections_to_end<'a>(
    open: impl Iterator<Item = (u64, &'a Arc<Conversation>)>,
    now: u64,
) -> Vec<u64> {
    // Counted from the open connections: a budget still contains the memory of those that were ended a moment ago.
    let mut used: HashMap<*const Budget, usize> = HashMap::new();
    let mut holders = Vec::new();
    for (id, conversation) in open {
        let held = conversation.memory.held();
        if held == 0 {
            continue;
        }
        for budget in conversation.memory.budgets() {
            *used.entry(Arc::as_ptr(budget)).or_default() += held;
        }
        if let Some(parts) = conversation.waited_parts(now) {
            let weight = (held as u64).saturating_mul(parts + 1);
            holders.push((Reverse(weight), id, held, parts, conversation));
        }
    }
    holders.sort_by_key(|(weight, id, ..)| (*weight, *id));
    let mut ended = Vec::new();
    for (_, id, held, parts, conversation) in holders {
        let budgets = || {
            conversation
                .memory
                .budgets()
                .map(|budget| (budget, Arc::as_ptr(budget)))
        };
        let must_end = budgets().any(|(budget, key)| {
            let used = used.get(&key).copied().unwrap_or_default();
            match parts >= WAITED_PARTS_MIN {
                true => budget.is_crowded(used),
                false => budget.is_overfull(used),
            }
        });
        if must_end {
            for (_, key) in budgets() {
                if let Some(used) = used.get_mut(&key) {
                    *used = used.saturating_sub(held);
                }
            }
            ended.push(id);
        }
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::super::conversation::ticks;
    use super::super::memory::ConnectionMemory;
    use super::*;
    use crate::config::ConnectionLimits;

    struct Scene {
        all: Arc<Budget>,
        open: Vec<(u64, Arc<Conversation>)>,
    }

    impl Scene {
        fn new(bytes_max: usize) -> Scene {
            Scene {
                all: Arc::new(Budget::of_all(bytes_max)),
                open: Vec::new(),
            }
        }

        /// A connection whose request holds so many bytes.
        fn holder(&mut self, bytes: usize) -> Arc<Conversation> {
            let memory = ConnectionMemory::new(self.all.clone(), Vec::new());
            let conversation = Arc::new(Conversation::new(&ConnectionLimits::default(), memory));
            conversation.request_begins(true);
            conversation.memory.charge(bytes);
            self.open.push((self.open.len() as u64, conversation.clone()));
            conversation
        }

        fn ended_after(&self, seconds: u64) -> Vec<u64> {
            let open = self.open.iter().map(|(id, conversation)| (*id, conversation));
            connections_to_end(open, ticks() + seconds * 1000)
        }
    }

    #[test]
    fn connection_that_holds_most_memory_is_closed_first_and_no_more_than_needed() {
        let mut scene = Scene::new(8_000);
        for bytes in [1_000, 4_000, 1_500] {
            scene.holder(bytes).request_is_answered();
        }
        assert_eq!(scene.ended_after(5), vec![1]);
        assert_eq!(scene.ended_after(0), Vec::<u64>::new(), "none waits for long");
    }

    #[test]
    fn no_connection_is_closed_while_there_is_room_or_while_it_waits_for_the_server() {
        let mut scene = Scene::new(8_000);
        scene.holder(6_000).request_is_answered();
        assert_eq!(scene.ended_after(19), Vec::<u64>::new(), "room");
        let mut scene = Scene::new(8_000);
        scene.holder(7_000);
        scene.holder(100).body_waits();
        assert_eq!(scene.ended_after(9), vec![1]);
    }

    #[test]
    fn connection_over_the_memory_limit_is_closed_at_once() {
        let mut scene = Scene::new(8_000);
        scene.holder(7_500).request_is_answered();
        assert_eq!(scene.ended_after(0), vec![0]);
    }
}

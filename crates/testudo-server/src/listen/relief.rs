//! Who must go when memory is nearly full: the connection that holds most for longest while its client lets it
//! wait. So a few that do not read their answers, or do not send their bodies, cost themselves and not others.

use super::conversation::Conversation;
use super::memory::Budget;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// A client that let its requests wait for less than so many sixteenths of their deadline is not called slow.
const WAITED_PARTS_MIN: u64 = 2;

/// The connections to end, so that no budget is nearly full any more. One whose requests wait for this server is
/// never chosen: its client does nothing wrong.
pub(super) fn victims<'a>(open: impl Iterator<Item = (u64, &'a Arc<Conversation>)>, now: u64) -> Vec<u64> {
    // Counted here: what was ended a moment ago may still be on its way out.
    let mut used: HashMap<*const Budget, usize> = HashMap::new();
    let mut holders = Vec::new();
    for (id, conversation) in open {
        let held = conversation.purse.held();
        if held == 0 {
            continue;
        }
        for budget in conversation.purse.budgets() {
            *used.entry(Arc::as_ptr(budget)).or_default() += held;
        }
        if let Some(parts) = conversation.waited_parts(now) {
            let weight = (held as u64).saturating_mul(parts + 1);
            holders.push((Reverse(weight), id, held, parts, conversation));
        }
    }
    holders.sort_by_key(|(weight, id, ..)| (*weight, *id));
    let mut victims = Vec::new();
    for (_, id, held, parts, conversation) in holders {
        let budgets = || {
            conversation
                .purse
                .budgets()
                .map(|budget| (budget, Arc::as_ptr(budget)))
        };
        let must_go = budgets().any(|(budget, key)| {
            let used = used.get(&key).copied().unwrap_or_default();
            match parts >= WAITED_PARTS_MIN {
                true => budget.is_crowded(used),
                false => budget.is_overfull(used),
            }
        });
        if must_go {
            for (_, key) in budgets() {
                if let Some(used) = used.get_mut(&key) {
                    *used = used.saturating_sub(held);
                }
            }
            victims.push(id);
        }
    }
    victims
}

#[cfg(test)]
mod tests {
    use super::super::conversation::ticks;
    use super::super::memory::Purse;
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

        /// A connection that holds so much.
        fn holder(&mut self, bytes: usize) -> Arc<Conversation> {
            let purse = Purse::new(self.all.clone(), Vec::new());
            let conversation = Arc::new(Conversation::new(&ConnectionLimits::default(), purse));
            conversation.request_begins(true);
            conversation.purse.charge(bytes);
            self.open.push((self.open.len() as u64, conversation.clone()));
            conversation
        }

        fn victims_after(&self, seconds: u64) -> Vec<u64> {
            let open = self.open.iter().map(|(id, conversation)| (*id, conversation));
            victims(open, ticks() + seconds * 1000)
        }
    }

    #[test]
    fn connection_that_holds_most_memory_is_closed_first_and_no_more_than_needed() {
        let mut scene = Scene::new(8_000);
        for bytes in [1_000, 4_000, 1_500] {
            scene.holder(bytes).request_is_answered();
        }
        assert_eq!(scene.victims_after(5), vec![1]);
        assert_eq!(scene.victims_after(0), Vec::<u64>::new(), "none waits for long");
    }

    #[test]
    fn no_connection_is_closed_while_there_is_room_or_while_it_waits_for_the_server() {
        let mut scene = Scene::new(8_000);
        scene.holder(6_000).request_is_answered();
        assert_eq!(scene.victims_after(19), Vec::<u64>::new(), "room");
        let mut scene = Scene::new(8_000);
        scene.holder(7_000);
        scene.holder(100).body_waits();
        assert_eq!(scene.victims_after(9), vec![1]);
    }

    #[test]
    fn connection_over_the_memory_limit_is_closed_at_once() {
        let mut scene = Scene::new(8_000);
        scene.holder(7_500).request_is_answered();
        assert_eq!(scene.victims_after(0), vec![0]);
    }
}

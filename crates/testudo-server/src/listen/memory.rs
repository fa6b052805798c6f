//! How much memory the requests in flight may use, for heads, bodies and answers, in bytes.
//!
//! The memory is counted in total, per address and per address prefix, so that one client cannot use the memory that
//! others need. A part of the total is reserved for clients that use little. If no memory is left, a request is answered
//! 503 and not read; if a budget is nearly full, connections are closed (see `memory_shortage.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A limit of memory, in bytes, and how much of it is used.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    bytes_max: usize,
    /// Bytes of `bytes_max` that only clients may use whose requests use little memory.
    reserve: usize,
    /// A client uses little memory if it uses at most so many bytes of this share.
    little: usize,
}

impl Budget {
    /// The memory of all clients together, unused. An eighth of it is reserved.
    pub fn of_all(bytes_max: usize) -> Budget {
        Budget {
            used: AtomicUsize::new(0),
            bytes_max,
            reserve: bytes_max / 8,
            little: bytes_max,
        }
    }

    /// The share of one address or prefix.
    pub fn share(bytes_max: usize, little: usize) -> Budget {
        Budget {
            used: AtomicUsize::new(0),
            bytes_max,
            reserve: 0,
            little,
        }
    }

    /// Takes `bytes` if so many are left, and returns how many are used then.
    fn take(&self, bytes: usize, has_reserve: bool) -> Option<usize> {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let reserve = if has_reserve { 0 } else { self.reserve };
        if used > self.bytes_max - reserve {
            self.give_back(bytes);
            return None;
        }
        Some(used)
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that are used now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// True if the budget is nearly full: then connections of slow clients are closed.
    pub(super) fn is_crowded(&self, used: usize) -> bool {
        let common = self.bytes_max - self.reserve;
        used > common - common / 8
    }

    /// True if more is used than the part that is not reserved. This is possible because the bytes of an answer are always
    /// counted.
    pub(super) fn is_overfull(&self, used: usize) -> bool {
        let common = self.bytes_max - self.reserve;
        used > common + common / 16
    }
}

/// The result of taking memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// There was enough.
    Yes,
    /// There was enough, and not much is left.
    NearlyFull,
    /// There was not enough: nothing is taken.
    No,
}

/// The memory that the requests of one connection use, and the budgets in which it is counted.
#[derive(Debug)]
pub(super) struct ConnectionMemory {
    all: Arc<Budget>,
    /// The budgets of the client's address and of its prefix.
    shares: Vec<Arc<Budget>>,
    held: AtomicUsize,
}

impl ConnectionMemory {
    pub(super) fn new(all: Arc<Budget>, shares: Vec<Arc<Budget>>) -> ConnectionMemory {
        ConnectionMemory {
            all,
            shares,
            held: AtomicUsize::new(0),
        }
    }

    /// Counts bytes of a request in all budgets, if each of them has enough left.
    pub(super) fn take(&self, bytes: usize) -> Taken {
        let (mut holds_little, mut is_crowded) = (true, false);
        for (position, share) in self.shares.iter().enumerate() {
            let Some(used) = share.take(bytes, true) else {
                return self.undo(position, bytes);
            };
            holds_little &= used <= share.little;
            is_crowded |= share.is_crowded(used);
        }
        let Some(used) = self.all.take(bytes, holds_little) else {
            return self.undo(self.shares.len(), bytes);
        };
        self.held.fetch_add(bytes, Ordering::Relaxed);
        match is_crowded || self.all.is_crowded(used) {
            true => Taken::NearlyFull,
            false => Taken::Yes,
        }
    }

    fn undo(&self, shares: usize, bytes: usize) -> Taken {
        for share in self.shares.iter().take(shares) {
            share.give_back(bytes);
        }
        Taken::No
    }

    /// Counts the bytes of an answer. This never fails, because the answer already exists.
    pub(super) fn charge(&self, bytes: usize) -> Taken {
        let mut is_crowded = false;
        for budget in self.budgets() {
            let used = budget.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
            is_crowded |= budget.is_crowded(used);
        }
        self.held.fetch_add(bytes, Ordering::Relaxed);
        match is_crowded {
            true => Taken::NearlyFull,
            false => Taken::Yes,
        }
    }

    /// Gives back bytes that were counted.
    pub(super) fn give_back(&self, bytes: usize) {
        for budget in self.budgets() {
            budget.give_back(bytes);
        }
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that the requests of this connection use now.
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(super) fn budgets(&self) -> impl Iterator<Item = &Arc<Budget>> {
        std::iter::once(&self.all).chain(&self.shares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_do_not_fit_into_one_budget_are_counted_in_none() {
        let all = Arc::new(Budget::of_all(8_000));
        let share = Arc::new(Budget::share(1_000, 100));
        let memory = ConnectionMemory::new(all.clone(), vec![share.clone()]);
        assert_eq!(memory.take(800), Taken::Yes);
        assert_eq!(memory.take(200), Taken::NearlyFull, "the share is exactly full");
        assert_eq!(memory.take(1), Taken::No, "one byte more than the share");
        assert_eq!((all.used(), share.used(), memory.held()), (1_000, 1_000, 1_000));
        memory.charge(500);
        assert_eq!((all.used(), share.used(), memory.held()), (1_500, 1_500, 1_500));
        memory.give_back(1_500);
        assert_eq!((all.used(), share.used(), memory.held()), (0, 0, 0));
    }

    #[test]
    fn memory_reserve_is_only_for_clients_that_use_little() {
        let all = Arc::new(Budget::of_all(8_000));
        let client =
            |little| ConnectionMemory::new(all.clone(), vec![Arc::new(Budget::share(8_000, little))]);
        let large = client(100);
        assert_eq!(large.take(7_000), Taken::NearlyFull);
        assert_eq!(large.take(1), Taken::No);
        let small = client(100);
        assert_eq!(small.take(100), Taken::NearlyFull);
        assert_eq!(small.take(1), Taken::No, "the client uses more than `little`");
        assert_eq!(
            ConnectionMemory::new(all, Vec::new()).take(900),
            Taken::NearlyFull
        );
    }
}

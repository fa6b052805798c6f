//! How much memory requests that are in flight may hold: heads, bodies and answers, counted by bytes.
//!
//! Counted in all, and by address and prefix, so that one sender cannot use up what others need. Where nothing
//! is left, a request is answered 503 at once instead of being read.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that may be held at once.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    bytes_max: usize,
}

impl Budget {
    /// With nothing used.
    pub fn new(bytes_max: usize) -> Budget {
        Budget {
            used: AtomicUsize::new(0),
            bytes_max,
        }
    }

    /// Takes as many bytes, if so many are left.
    pub fn take(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.bytes_max;
        if !fits {
            self.give_back(bytes);
        }
        fits
    }

    /// Takes them in any case: for an answer that exists already.
    pub fn charge(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns what was taken.
    pub fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes held now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    #[test]
    fn what_does_not_fit_is_not_taken() {
        let budget = Budget::new(100);
        assert!(budget.take(60));
        assert!(budget.take(40), "exactly full");
        assert!(!budget.take(1), "one past it");
        assert_eq!(budget.used(), 100);
        budget.give_back(60);
        assert!(budget.take(1));
        budget.charge(500);
        assert_eq!(budget.used(), 541);
        assert!(!budget.take(1));
    }
}

//! How long the requests of one connection have waited for their client, without a list of the requests.
//!
//! Time is divided into parts of a sixteenth of the deadline, and each request is counted in the part in which it began
//! to wait. So the longest wait is known with an error of a sixteenth, and a request costs one atomic addition and one
//! subtraction.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The number of parts in one deadline.
const DEADLINE_PARTS: u64 = 16;
/// The number of counters: two deadlines, so that a request whose deadline is over is found before its counter is used
/// for a later part.
const PARTS: usize = 32;

/// Counts the waiting requests of a connection by the time at which they began to wait.
#[derive(Debug)]
pub(super) struct Waiting {
    counts: [AtomicU32; PARTS],
    part_ms: u64,
}

/// The part in which a request is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part(u8);

impl Part {
    /// As a number, for an atomic.
    pub(super) fn number(self) -> u8 {
        self.0
    }

    /// The part with this [`Part::number`].
    pub(super) fn of_number(number: u8) -> Part {
        Part(number)
    }
}

impl Waiting {
    pub(super) fn new(deadline: Duration) -> Waiting {
        let deadline = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        Waiting {
            counts: [const { AtomicU32::new(0) }; PARTS],
            part_ms: deadline.div_ceil(DEADLINE_PARTS).max(1),
        }
    }

    /// A request begins to wait.
    pub(super) fn enter(&self, now: u64) -> Part {
        let part = Part(((now / self.part_ms) % PARTS as u64) as u8);
        self.count(part).fetch_add(1, Ordering::Relaxed);
        part
    }

    /// A request that was counted in this part waits no longer.
    pub(super) fn leave(&self, part: Part) {
        self.count(part).fetch_sub(1, Ordering::Relaxed);
    }

    /// The client read a part of the answer: the wait of this request begins again now.
    pub(super) fn advance(&self, part: Part, now: u64) -> Part {
        let later = self.enter(now);
        self.leave(part);
        later
    }

    /// How many parts ago the request that has waited longest began to wait; `None` if none waits.
    pub(super) fn oldest_parts(&self, now: u64) -> Option<u64> {
        let current = now / self.part_ms;
        (0..PARTS as u64).rev().find(|ago| {
            let part = Part((current.wrapping_sub(*ago) % PARTS as u64) as u8);
            self.count(part).load(Ordering::Relaxed) != 0
        })
    }

    /// True if a request has waited for the whole deadline. Never true too early, and at most a sixteenth too late.
    pub(super) fn is_over(&self, now: u64) -> bool {
        self.oldest_parts(now).is_some_and(|ago| ago > DEADLINE_PARTS)
    }

    fn count(&self, part: Part) -> &AtomicU32 {
        &self.counts[usize::from(part.0) % PARTS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_unread_answer_sets_the_deadline() {
        let waiting = Waiting::new(Duration::from_secs(16));
        assert_eq!(waiting.oldest_parts(5_500), None);
        let old = waiting.enter(5_500);
        for second in 6..22 {
            waiting.enter(second * 1000);
        }
        assert!(!waiting.is_over(21_400), "the deadline is not over");
        assert!(waiting.is_over(22_500));
        assert_eq!(waiting.oldest_parts(22_500), Some(17));
        waiting.leave(old);
        assert!(
            !waiting.is_over(22_500),
            "the request that began to wait at 6 s is within its deadline"
        );
        assert!(waiting.is_over(23_500));
    }

    #[test]
    fn answer_read_in_part_starts_its_deadline_again() {
        let waiting = Waiting::new(Duration::from_secs(16));
        let part = waiting.enter(1_000);
        let part = waiting.advance(part, 15_000);
        assert!(!waiting.is_over(20_000));
        assert!(waiting.is_over(32_500));
        waiting.leave(part);
        assert_eq!(waiting.oldest_parts(32_500), None);
    }
}

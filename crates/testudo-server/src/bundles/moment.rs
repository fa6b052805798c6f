//! Ages that a clock which is set back cannot make younger.

use std::time::Instant;
use testudo_protocol::{Seconds, Timestamp};

/// When something happened, by two clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    steady: Instant,
    wall: Timestamp,
}

impl Moment {
    /// This moment, which the wall clock calls `now`.
    pub(crate) fn at(now: Timestamp) -> Moment {
        Moment {
            steady: Instant::now(),
            wall: now,
        }
    }

    /// Time since then: the longer of what the two clocks say. The steady clock goes on when the wall clock is set
    /// back; it stands still while the machine sleeps, and then the wall clock knows better.
    pub(crate) fn age(&self, now: Timestamp) -> Seconds {
        let steady = i64::try_from(self.steady.elapsed().as_secs()).unwrap_or(i64::MAX);
        Seconds(steady.max(now.0.saturating_sub(self.wall.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_clock_that_is_set_back_makes_nothing_younger() {
        let hour = Duration::from_secs(3600);
        let Some(steady) = Instant::now().checked_sub(hour) else {
            // A machine that was started a moment ago has no hour to look back on.
            return;
        };
        let moment = Moment {
            steady,
            wall: Timestamp(10_000),
        };
        assert_eq!(moment.age(Timestamp(10_000 - 86_400)), Seconds(3600));
        assert_eq!(moment.age(Timestamp(10_000)), Seconds(3600));
        assert_eq!(moment.age(Timestamp(10_000 + 7_200)), Seconds(7_200));
    }
}

//! Ages of values in memory that do not shrink when the wall clock is set back.

use crate::state::clock::Clock;
use std::time::Duration;
use testudo_protocol::{Seconds, Timestamp};

/// A moment, by the wall clock and the steady clock.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Negative for a moment before the clock began to count.
    steady_millis: i64,
    wall: Timestamp,
}

impl Moment {
    /// This moment.
    pub fn now(clock: &Clock) -> Moment {
        Moment {
            steady_millis: i64::try_from(clock.steady_millis()).unwrap_or(i64::MAX),
            wall: clock.now(),
        }
    }

    /// A moment at which both clocks show `seconds`.
    #[cfg(test)]
    pub(crate) fn of(seconds: i64) -> Moment {
        Moment {
            steady_millis: seconds * 1000,
            wall: Timestamp(seconds),
        }
    }

    /// The moment by the wall clock.
    pub fn wall(self) -> Timestamp {
        self.wall
    }

    /// The moment that was `by` earlier, which may be before the start of this process.
    pub fn earlier(self, by: Seconds) -> Moment {
        Moment {
            steady_millis: self.steady_millis.saturating_sub(by.0.saturating_mul(1000)),
            wall: Timestamp(self.wall.0.saturating_sub(by.0)),
        }
    }

    /// How long ago this moment was: the longer of the ages by both clocks. The steady clock is right when the wall
    /// clock is set back; the wall clock is right after the machine was suspended, during which the steady clock stops.
    pub fn age(&self, now: Moment) -> Seconds {
        let steady = now.steady_millis.saturating_sub(self.steady_millis) / 1000;
        Seconds(steady.max(0).max(now.wall.0.saturating_sub(self.wall.0)))
    }
}

impl testudo_fetch::Moment for Moment {
    fn age(&self, now: Moment) -> Duration {
        Duration::from_secs(Moment::age(self, now).0.max(0).unsigned_abs())
    }

    fn later(&self, by: Duration) -> Moment {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let seconds = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        Moment {
            steady_millis: self.steady_millis.saturating_add(millis),
            wall: Timestamp(self.wall.0.saturating_add(seconds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_that_is_set_back_does_not_make_a_value_younger() {
        let clock = Clock::default();
        let moment = Moment::now(&clock);
        clock.shift(3600);
        assert!(moment.age(Moment::now(&clock)) >= Seconds(3600));
        clock.step(-86_400);
        assert!(moment.age(Moment::now(&clock)) >= Seconds(3600));
        clock.step(2 * 86_400);
        assert!(
            moment.age(Moment::now(&clock)) >= Seconds(86_400),
            "as after the machine was suspended"
        );
    }

    #[test]
    fn value_from_before_the_start_of_the_process_does_not_become_younger_when_the_clock_is_set_back() {
        let clock = Clock::default();
        let moment = Moment::now(&clock).earlier(Seconds(3600));
        assert!(moment.age(Moment::now(&clock)) >= Seconds(3600));
        clock.step(-86_400);
        assert!(moment.age(Moment::now(&clock)) >= Seconds(3600));
    }
}

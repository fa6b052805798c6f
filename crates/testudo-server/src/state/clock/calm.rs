//! Whether the wall clock has gone evenly for a while.

/// A difference between the clocks that is a jump, milliseconds. Time servers slew less than that between two looks.
const JUMP_MILLIS: u64 = 2_000;

/// How long nothing is dropped after a start or a jump, milliseconds. Longer than a single-use assertion lives (10
/// minutes): one whose mark would be dropped by a clock that is wrong for a moment is over before it is dropped.
const CALM_AFTER_MILLIS: u64 = 15 * 60 * 1000;

/// What was seen at the last look.
#[derive(Debug, Default)]
pub(super) struct Calm {
    /// Wall clock less steady clock.
    offset: Option<i128>,
    /// Since when the offset has been the same, by the steady clock.
    since: u64,
}

impl Calm {
    /// Looks at both clocks. True where they have gone together for long enough.
    pub(super) fn look(&mut self, wall: u64, steady: u64) -> bool {
        let offset = i128::from(wall) - i128::from(steady);
        let is_even = self
            .offset
            .is_some_and(|before| before.abs_diff(offset) <= u128::from(JUMP_MILLIS));
        self.offset = Some(offset);
        if !is_even {
            self.since = steady;
        }
        steady - self.since.min(steady) >= CALM_AFTER_MILLIS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_800_000_000_000;

    #[test]
    fn clock_is_trusted_after_a_quarter_of_an_hour_without_a_jump() {
        let mut calm = Calm::default();
        assert!(!calm.look(START, 0));
        assert!(!calm.look(START + CALM_AFTER_MILLIS - 1, CALM_AFTER_MILLIS - 1));
        assert!(calm.look(START + CALM_AFTER_MILLIS, CALM_AFTER_MILLIS));
        let later = CALM_AFTER_MILLIS + 5_000;
        // Slewed by two seconds: no jump. By more, in either direction: one.
        assert!(calm.look(START + later + JUMP_MILLIS, later));
        for jump in [3_600_000i64, -3_600_000] {
            let mut calm = Calm::default();
            calm.look(START, 0);
            assert!(calm.look(START + CALM_AFTER_MILLIS, CALM_AFTER_MILLIS));
            assert!(!calm.look((START + later).saturating_add_signed(jump), later));
            // Set right again: one more jump.
            assert!(!calm.look(START + later + 5_000, later + 5_000));
            let end = later + 5_000 + CALM_AFTER_MILLIS;
            assert!(!calm.look(START + end - 1, end - 1));
            assert!(calm.look(START + end, end));
        }
    }
}

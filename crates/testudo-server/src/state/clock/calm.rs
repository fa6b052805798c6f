//! Whether the wall clock ran without a jump for a while.

/// A change of the difference between both clocks that counts as a jump, in milliseconds. A time server that slews the
/// clock changes less than that between two checks.
const JUMP_MILLIS: u64 = 2_000;

/// How long no record is deleted after a start or a jump, in milliseconds. It is longer than the lifetime of a
/// single-use assertion (10 minutes): by the time its mark is deleted, the assertion has expired by the correct clock
/// too.
const CALM_AFTER_MILLIS: u64 = 15 * 60 * 1000;

/// The state at the last check.
#[derive(Debug, Default)]
pub(super) struct Calm {
    /// Wall clock minus steady clock.
    offset: Option<i128>,
    /// Since when the offset has not jumped, by the steady clock.
    since: u64,
}

impl Calm {
    /// Compares both clocks. True where the wall clock did not jump for [`CALM_AFTER_MILLIS`].
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
        // A change by two seconds is no jump; more, in either direction, is one.
        assert!(calm.look(START + later + JUMP_MILLIS, later));
        for jump in [3_600_000i64, -3_600_000] {
            let mut calm = Calm::default();
            calm.look(START, 0);
            assert!(calm.look(START + CALM_AFTER_MILLIS, CALM_AFTER_MILLIS));
            assert!(!calm.look((START + later).saturating_add_signed(jump), later));
            // The correction is a jump as well.
            assert!(!calm.look(START + later + 5_000, later + 5_000));
            let end = later + 5_000 + CALM_AFTER_MILLIS;
            assert!(!calm.look(START + end - 1, end - 1));
            assert!(calm.look(START + end, end));
        }
    }
}

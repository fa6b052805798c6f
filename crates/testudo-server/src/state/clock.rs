//! The clock and the source of randomness. No other file of the server reads either.
//!
//! There are two clocks. The wall clock of the system gives the time of day; an administrator or a time server may set
//! it forward and back. The steady clock gives how much time has passed, and is never set. Velocity limits use the
//! steady clock: if they used a wall clock that was ahead for a moment and then set back, registration would be refused
//! until the wall clock had caught up.

mod calm;
pub(crate) mod request_id;
#[cfg(feature = "test-clock")]
mod test_offset;

use calm::Calm;
use request_id::request_id;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use testudo_core::Entropy;
use testudo_protocol::Timestamp;

/// The clocks. Tests can change them.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    /// How far a test set the wall clock forward or back, and how much time it let pass on both clocks.
    stepped_seconds: AtomicI64,
    passed_seconds: AtomicI64,
    calm: Mutex<Calm>,
    /// The latest time up to which single-use marks were deleted.
    dropped_until: AtomicI64,
    sequence: AtomicU32,
    /// Random, so that ids of two nodes differ.
    node: u32,
}

impl Default for Clock {
    fn default() -> Clock {
        let mut node = [0; 4];
        // Without random bytes no request is served, since each one needs entropy.
        let _ = aws_lc_rs::rand::fill(&mut node);
        Clock {
            node: u32::from_be_bytes(node),
            started: Instant::now(),
            stepped_seconds: AtomicI64::new(0),
            passed_seconds: AtomicI64::new(0),
            calm: Mutex::default(),
            dropped_until: AtomicI64::new(i64::MIN),
            sequence: AtomicU32::new(0),
        }
    }
}

impl Clock {
    /// Milliseconds since the epoch, by the wall clock.
    pub fn millis(&self) -> u64 {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let moved = self.stepped_seconds.load(Ordering::Relaxed)
            + self.passed_seconds.load(Ordering::Relaxed)
            + offset_seconds();
        u64::try_from(elapsed.as_millis())
            .unwrap_or(u64::MAX)
            .saturating_add_signed(moved.saturating_mul(1000))
    }

    /// The time by the wall clock, in whole seconds.
    pub fn now(&self) -> Timestamp {
        Timestamp((self.millis() / 1000) as i64)
    }

    /// Milliseconds since the start of the server, by the steady clock.
    pub fn steady_millis(&self) -> u64 {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let passed = self.passed_seconds.load(Ordering::Relaxed).max(0).unsigned_abs();
        elapsed.saturating_add(passed.saturating_mul(1000))
    }

    /// The time up to which expired records may be deleted. `None` for a while after a start or a jump of the wall
    /// clock: the clock may be wrong and corrected a moment later. Call it regularly: a jump is noticed by comparing
    /// with the call before.
    pub fn time_to_drop(&self) -> Option<Timestamp> {
        let (wall, steady) = (self.millis(), self.steady_millis());
        let is_calm = self
            .calm
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .look(wall, steady);
        is_calm.then_some(Timestamp((wall / 1000) as i64))
    }

    /// Notes that the marks of single-use credentials that had to be kept until `time` were deleted.
    pub fn note_dropped(&self, time: Timestamp) {
        self.dropped_until.fetch_max(time.0, Ordering::Relaxed);
    }

    /// True where a single-use mark with this `keep_until` may already be deleted, because the wall clock was set back
    /// after the deletion. Then the store can no longer tell whether the credential was used before.
    pub fn may_have_dropped(&self, keep_until: Timestamp) -> bool {
        keep_until.0 <= self.dropped_until.load(Ordering::Relaxed)
    }

    /// Lets time pass on both clocks, for tests.
    pub fn shift(&self, seconds: i64) {
        self.passed_seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Sets the wall clock forward or back, as a wrong time server does, for tests.
    pub fn step(&self, seconds: i64) {
        self.stepped_seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Random bytes and ids for one decision; `None` where the operating system gives no random bytes.
    pub fn entropy(&self) -> Option<Entropy> {
        let mut random = [0; Entropy::RANDOM_BYTES];
        aws_lc_rs::rand::fill(&mut random).ok()?;
        Some(Entropy {
            millis: self.millis(),
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
            random,
        })
    }

    /// A new request id.
    pub fn request_id(&self) -> String {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        request_id(self.millis(), self.node, sequence)
    }
}

#[cfg(feature = "test-clock")]
fn offset_seconds() -> i64 {
    test_offset::seconds()
}

#[cfg(not(feature = "test-clock"))]
fn offset_seconds() -> i64 {
    0
}

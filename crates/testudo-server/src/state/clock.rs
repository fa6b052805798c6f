//! The clock and the source of randomness: the only places that read either.
//!
//! Two clocks, for two questions. What time it is comes from the system, and an administrator or a time server may
//! set it, back and forth. How much time has passed comes from a clock that only runs forward: velocity is measured
//! by it, so that a wall clock which was ahead for a moment does not stop registration until time has caught up.

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

/// Time, shiftable by tests.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    /// What tests moved the wall clock by, and let pass.
    stepped_seconds: AtomicI64,
    passed_seconds: AtomicI64,
    calm: Mutex<Calm>,
    /// The latest time up to which marks were dropped.
    dropped_until: AtomicI64,
    sequence: AtomicU32,
    /// Random, so that ids of two nodes differ.
    node: u32,
}

impl Default for Clock {
    fn default() -> Clock {
        let mut node = [0; 4];
        // Where the system has no randomness to give, nothing is served that needs an id.
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

    /// Now by the wall clock, whole seconds.
    pub fn now(&self) -> Timestamp {
        Timestamp((self.millis() / 1000) as i64)
    }

    /// Milliseconds that have passed since the start. Nothing sets this clock.
    pub fn steady_millis(&self) -> u64 {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let passed = self.passed_seconds.load(Ordering::Relaxed).max(0).unsigned_abs();
        elapsed.saturating_add(passed.saturating_mul(1000))
    }

    /// The time up to which what is over may be dropped for good; nothing near a start or a jump of the wall clock,
    /// which may be set right again a moment later. To be asked regularly: a jump is seen by asking.
    pub fn time_to_drop(&self) -> Option<Timestamp> {
        let (wall, steady) = (self.millis(), self.steady_millis());
        let is_calm = self
            .calm
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .look(wall, steady);
        is_calm.then_some(Timestamp((wall / 1000) as i64))
    }

    /// Notes that marks of single-use credentials were dropped which had to be kept until `time`.
    pub fn note_dropped(&self, time: Timestamp) {
        self.dropped_until.fetch_max(time.0, Ordering::Relaxed);
    }

    /// True where the mark of a credential, to be kept until `keep_until`, may have been dropped already: the wall
    /// clock was set back since. The store can then no longer tell whether such a credential was used before.
    pub fn may_have_dropped(&self, keep_until: Timestamp) -> bool {
        keep_until.0 <= self.dropped_until.load(Ordering::Relaxed)
    }

    /// Lets time pass: for tests of what happens in a month.
    pub fn shift(&self, seconds: i64) {
        self.passed_seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Sets the wall clock forward or back, as a wrong time server does: for tests.
    pub fn step(&self, seconds: i64) {
        self.stepped_seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Fresh randomness for one decision, or `None` where the system fails to give any.
    pub fn entropy(&self) -> Option<Entropy> {
        let mut random = [0; 20];
        aws_lc_rs::rand::fill(&mut random).ok()?;
        Some(Entropy {
            millis: self.millis(),
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
            random,
        })
    }

    /// An id for one request.
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

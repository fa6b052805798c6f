//! The clock and the source of randomness: the only places that read either.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use testudo_core::Entropy;
use testudo_protocol::Timestamp;

/// Time, shiftable by tests.
#[derive(Debug, Default)]
pub struct Clock {
    shift_seconds: AtomicI64,
    sequence: AtomicU32,
}

impl Clock {
    /// Milliseconds since the epoch.
    pub fn millis(&self) -> u64 {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let shift = self.shift_seconds.load(Ordering::Relaxed).saturating_mul(1000);
        u64::try_from(elapsed.as_millis())
            .unwrap_or(u64::MAX)
            .saturating_add_signed(shift)
    }

    /// Now, whole seconds.
    pub fn now(&self) -> Timestamp {
        Timestamp((self.millis() / 1000) as i64)
    }

    /// Moves the clock: for tests of what happens in a month.
    pub fn shift(&self, seconds: i64) {
        self.shift_seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Fresh randomness for one decision, or nothing where the system has none to give.
    pub fn entropy(&self) -> Option<Entropy> {
        let mut random = [0; 20];
        aws_lc_rs::rand::fill(&mut random).ok()?;
        Some(Entropy {
            millis: self.millis(),
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
            random,
        })
    }

    /// A name for one request: unique on this node, sortable, not secret.
    pub fn request_id(&self) -> String {
        format!(
            "{:012x}{:08x}",
            self.millis(),
            self.sequence.fetch_add(1, Ordering::Relaxed)
        )
    }
}

//! The share of each client in something of which one client could use too much, at one node.

use std::sync::{Mutex, PoisonError};
use testudo_core::velocity::{Buckets, Exhausted, Limit, Rate};

/// The shares that clients have used.
pub struct Shares {
    rate: Rate,
    used: Mutex<Buckets>,
}

impl Shares {
    /// Every client has this share.
    pub fn of(rate: Rate) -> Shares {
        Shares {
            rate,
            used: Mutex::default(),
        }
    }

    /// Takes one from the share with this name. The error is the number of seconds after which there is one again.
    pub fn take(&self, name: String, now_millis: u64) -> Result<(), i64> {
        let limits = [Limit {
            bucket: name,
            setting: "",
            shown_as: String::new(),
            rate: self.rate,
        }];
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let after = |exhausted: Exhausted<'_>| exhausted.retry_after_seconds;
        used.take(&limits, now_millis).map_err(after)
    }
}

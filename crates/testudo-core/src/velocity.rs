//! Rate limits for new clients: token buckets per authority, per rule and per path prefix. Buckets belong to prefixes
//! of identities and not to clients, so deleting a client refills no bucket.

use crate::rejection::{AdmissionReason, Rejection};
use std::collections::HashMap;

/// Maximum number of buckets, about 200 bytes each, 2 MB together. Full buckets are dropped first, since an absent
/// bucket counts as full.
const BUCKETS_MAX: usize = 10_000;

/// A rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Refill per minute.
    pub per_minute: u32,
    /// Size of the bucket.
    pub burst: u32,
}

impl Rate {
    /// A rate whose burst defaults to the number per minute.
    pub fn new(per_minute: u32, burst: Option<u32>) -> Rate {
        Rate {
            per_minute,
            burst: burst.unwrap_or(per_minute),
        }
    }
}

/// A limit that a new client must pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The key of the bucket.
    pub bucket: String,
    /// The key of the configuration that sets it.
    pub setting: &'static str,
    /// The name of the limit for administrators.
    pub shown_as: String,
    /// Its rate.
    pub rate: Rate,
}

/// Prefix of the counters that limit the rate of a cluster: `velocity/MINUTE/BUCKET`.
pub const SHARED_PREFIX: &str = "velocity/";

impl Limit {
    /// The counter of this limit in this minute, and its maximum: how many clients all nodes together may register. The
    /// bucket of a node spreads registrations over time; the counter bounds their number.
    pub fn shared_counter(&self, now_millis: u64) -> (String, u64) {
        let ceiling = self.rate.per_minute.max(self.rate.burst);
        (
            format!("{SHARED_PREFIX}{:012}/{}", now_millis / 60_000, self.bucket),
            u64::from(ceiling),
        )
    }
}

/// Seconds until the next minute begins, when the counters of a cluster start at zero.
pub fn seconds_to_next_minute(now_millis: u64) -> i64 {
    60 - ((now_millis / 1000) % 60) as i64
}

/// A limit that has no room, with the time until it has.
#[derive(Debug, PartialEq, Eq)]
pub struct Exhausted<'l> {
    /// The limit; of several, the one with the longest time.
    pub limit: &'l Limit,
    /// When the limit has room again.
    pub retry_after_seconds: i64,
}

impl From<Exhausted<'_>> for Rejection {
    fn from(exhausted: Exhausted<'_>) -> Rejection {
        AdmissionReason::TooFast {
            setting: exhausted.limit.setting,
            limit: exhausted.limit.shown_as.clone(),
            retry_after_seconds: exhausted.retry_after_seconds,
        }
        .into()
    }
}

/// All buckets of one node.
#[derive(Debug, Default)]
pub struct Buckets {
    buckets: HashMap<String, Bucket>,
}

/// Levels are in thousandths of a client, so that slow rates refill in small steps.
#[derive(Debug)]
struct Bucket {
    level: u64,
    filled_millis: u64,
    rate: Rate,
}

/// The level of a full bucket.
fn full(rate: Rate) -> u64 {
    u64::from(rate.burst) * 1000
}

impl Bucket {
    /// The level at this time, at most that of a full bucket.
    fn level_at(&self, rate: Rate, now_millis: u64) -> u64 {
        let elapsed = now_millis.saturating_sub(self.filled_millis);
        // per_minute * 1000 / 60_000 thousandths per millisecond.
        let gained = elapsed.saturating_mul(u64::from(rate.per_minute)) / 60;
        self.level.saturating_add(gained).min(full(rate))
    }

    fn refill(&mut self, rate: Rate, now_millis: u64) {
        self.rate = rate;
        let level = self.level_at(rate, now_millis);
        // Time during which a bucket is full does not count.
        if level != self.level || level == full(rate) {
            self.filled_millis = now_millis;
        }
        self.level = level;
    }

    fn is_full(&self, now_millis: u64) -> bool {
        self.level_at(self.rate, now_millis) >= full(self.rate)
    }

    fn millis_to_full(&self, now_millis: u64) -> u64 {
        let missing = full(self.rate).saturating_sub(self.level);
        let wait = missing.saturating_mul(60) / u64::from(self.rate.per_minute).max(1);
        (self.filled_millis + wait).saturating_sub(now_millis)
    }
}

impl Buckets {
    /// Fails if one of the limits is exhausted. Nothing is taken from the buckets.
    pub fn check<'l>(&self, limits: &'l [Limit], now_millis: u64) -> Result<(), Exhausted<'l>> {
        let mut exhausted: Option<Exhausted<'l>> = None;
        for limit in limits {
            // An absent bucket is full. Buckets are created only by successes, so that refused requests use no memory.
            let level = match self.buckets.get(&limit.bucket) {
                Some(bucket) => bucket.level_at(limit.rate, now_millis),
                None => full(limit.rate),
            };
            if level < 1000 {
                let missing = 1000 - level;
                let wait_millis = (missing * 60).div_ceil(u64::from(limit.rate.per_minute).max(1));
                let retry_after_seconds = wait_millis.div_ceil(1000).max(1) as i64;
                let is_longer = |longest: &Exhausted<'_>| retry_after_seconds > longest.retry_after_seconds;
                if exhausted.as_ref().is_none_or(is_longer) {
                    exhausted = Some(Exhausted {
                        limit,
                        retry_after_seconds,
                    });
                }
            }
        }
        exhausted.map_or(Ok(()), Err)
    }

    /// Takes one from every limit's bucket, or from none.
    pub fn take<'l>(&mut self, limits: &'l [Limit], now_millis: u64) -> Result<(), Exhausted<'l>> {
        self.check(limits, now_millis)?;
        for limit in limits {
            let bucket = self
                .buckets
                .entry(limit.bucket.clone())
                .or_insert_with(|| Bucket {
                    level: full(limit.rate),
                    filled_millis: now_millis,
                    rate: limit.rate,
                });
            bucket.refill(limit.rate, now_millis);
            bucket.level = bucket.level.saturating_sub(1000);
        }
        if self.buckets.len() > BUCKETS_MAX {
            self.make_room(now_millis);
        }
        Ok(())
    }

    /// Drops the full buckets. If too many are in use, drops the quarter that will be full soonest, so that the next
    /// registrations need not do this again.
    fn make_room(&mut self, now_millis: u64) {
        self.buckets.retain(|_, bucket| !bucket.is_full(now_millis));
        if self.buckets.len() <= BUCKETS_MAX {
            return;
        }
        let mut waits: Vec<(u64, String)> = self
            .buckets
            .iter()
            .map(|(name, bucket)| (bucket.millis_to_full(now_millis), name.clone()))
            .collect();
        let quarter = waits.len() / 4;
        waits.select_nth_unstable(quarter);
        for (_, name) in waits.into_iter().take(quarter) {
            self.buckets.remove(&name);
        }
    }

    /// Returns one to every limit, after a registration that was not written.
    pub fn refund(&mut self, limits: &[Limit]) {
        for limit in limits {
            if let Some(bucket) = self.buckets.get_mut(&limit.bucket) {
                bucket.level = (bucket.level + 1000).min(full(limit.rate));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Endpoint;

    fn limit(name: &str, per_minute: u32, burst: u32) -> Limit {
        Limit {
            bucket: name.into(),
            setting: "registrations_per_minute",
            shown_as: name.into(),
            rate: Rate { per_minute, burst },
        }
    }

    // Row RF-63.
    #[test]
    fn registrations_beyond_the_burst_are_refused_until_refilled() {
        let mut buckets = Buckets::default();
        let limits = [limit("a", 60, 5)];
        for _ in 0..5 {
            assert_eq!(buckets.take(&limits, 1_000), Ok(()));
        }
        let refused = Rejection::from(buckets.take(&limits, 1_000).unwrap_err());
        assert_eq!(refused.answer(Endpoint::None).retry_after_seconds, Some(1));
        assert_eq!(buckets.take(&limits, 2_000), Ok(()));
        assert!(buckets.take(&limits, 2_000).is_err());
    }

    #[test]
    fn time_during_which_a_bucket_is_full_does_not_increase_the_burst() {
        let mut buckets = Buckets::default();
        let limits = [limit("a", 1, 1)];
        buckets.take(&limits, 0).unwrap();
        buckets.refund(&limits);
        assert_eq!(buckets.take(&limits, 60_000), Ok(()));
        assert!(
            buckets.take(&limits, 60_000).is_err(),
            "the burst allows one registration"
        );
        assert_eq!(buckets.take(&limits, 120_000), Ok(()));
    }

    // Row RF-64.
    #[test]
    fn exhausted_prefix_does_not_limit_other_prefixes() {
        let mut buckets = Buckets::default();
        let evil = [limit("authority", 600, 100), limit("evil", 60, 2)];
        let pay = [limit("authority", 600, 100), limit("pay", 60, 2)];
        let admitted = (0..1000).filter(|_| buckets.take(&evil, 0).is_ok()).count();
        assert_eq!(admitted, 2);
        assert_eq!(buckets.take(&pay, 0), Ok(()));
    }

    #[test]
    fn number_of_rate_limit_buckets_is_bounded() {
        let mut buckets = Buckets::default();
        for number in 0..50_000u64 {
            buckets
                .take(&[limit(&format!("b{number}"), 600, 10)], number)
                .unwrap();
        }
        assert!(buckets.buckets.len() <= BUCKETS_MAX + 1);
        // The number is bounded even if no bucket is full at that time.
        let mut buckets = Buckets::default();
        for number in 0..50_000u64 {
            buckets
                .take(&[limit(&format!("b{number}"), 1, 1)], number / 1_000)
                .unwrap();
        }
        assert!(buckets.buckets.len() <= BUCKETS_MAX + 1);
        assert!(
            buckets.take(&[limit("b49999", 1, 1)], 50).is_err(),
            "the latest bucket must still be empty"
        );
    }

    #[test]
    fn refused_request_leaves_no_rate_limit_bucket() {
        let mut buckets = Buckets::default();
        let of = |number: u64| {
            [
                limit("rule/registration.open", 1, 1),
                limit(&format!("address/{number}"), 10, 10),
            ]
        };
        assert_eq!(buckets.take(&of(0), 0), Ok(()));
        for number in 1..200_000 {
            assert!(buckets.take(&of(number), 0).is_err());
        }
        assert_eq!(
            buckets.buckets.len(),
            2,
            "only the buckets of the admitted request exist"
        );
    }
}

//! Limits how often one host is asked for key sets, for all `jwks_uri` of clients together: a client must not be able
//! to use this server to flood a third party with requests.

use crate::state::moment::Moment;
use quick_cache::sync::Cache;
use std::sync::{Arc, Mutex, PoisonError};
use testudo_protocol::Seconds;

/// Fetches from one host within [`WINDOW`].
pub(super) const FETCHES_PER_HOST_MAX: u32 = 60;
const WINDOW: Seconds = Seconds(60);
/// Most hosts that are counted at the same time; the least used one is dropped first.
const HOSTS_MAX: usize = 1_000;

pub(super) struct Hosts(Cache<String, Arc<Mutex<(Moment, u32)>>>);

impl Default for Hosts {
    fn default() -> Hosts {
        Hosts(Cache::new(HOSTS_MAX))
    }
}

impl Hosts {
    /// Counts one fetch. False where the host was already asked [`FETCHES_PER_HOST_MAX`] times within [`WINDOW`].
    pub(super) fn may_visit(&self, host: &str, now: Moment) -> bool {
        let new = || Ok::<_, std::convert::Infallible>(Arc::new(Mutex::new((now, 0))));
        let counted = match self.0.get_or_insert_with(host, new) {
            Ok(counted) => counted,
            Err(never) => match never {},
        };
        let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.0.age(now) >= WINDOW {
            *counted = (now, 0);
        }
        counted.1 = counted.1.saturating_add(1);
        counted.1 <= FETCHES_PER_HOST_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetches_per_host_and_minute_are_limited() {
        let hosts = Hosts::default();
        for _ in 0..FETCHES_PER_HOST_MAX {
            assert!(hosts.may_visit("keys.example", Moment::of(0)));
        }
        assert!(!hosts.may_visit("keys.example", Moment::of(59)));
        assert!(hosts.may_visit("other.example", Moment::of(59)));
        assert!(hosts.may_visit("keys.example", Moment::of(60)));
    }
}

//! Clients that the store did not have when a request named them. A caller that sends an assertion with valid claims can name
//! the identity of a client that never registered: while the name is in this memory, the store is not read again for it.
//!
//! A client that registers is removed from this memory on every node, so that it is not refused afterwards
//! (`Batch::announces_clients`).

use crate::state::moment::Moment;
use quick_cache::sync::Cache;
use testudo_protocol::Seconds;
use testudo_protocol::jose::sha256;

/// How long the store is not read again.
const ABSENT_FOR: Seconds = Seconds(5);

/// Most names in memory, of 32 bytes each: the SHA-256 of the key of the client's record.
const NAMES_MAX: usize = 16_384;

/// The memory, whose parts expire.
pub(crate) struct AbsentClients {
    since: Cache<[u8; 32], Moment>,
}

impl Default for AbsentClients {
    fn default() -> AbsentClients {
        AbsentClients {
            since: Cache::new(NAMES_MAX),
        }
    }
}

impl AbsentClients {
    /// True if the store did not have the client some seconds ago.
    pub(crate) fn contains(&self, key: &[u8], now: Moment) -> bool {
        let since = self.since.get(&sha256(key));
        since.is_some_and(|since| since.age(now) < ABSENT_FOR)
    }

    /// The store does not have the client.
    pub(crate) fn insert(&self, key: &[u8], now: Moment) {
        self.since.insert(sha256(key), now);
    }

    /// The client may exist.
    pub(crate) fn remove(&self, key: &[u8]) {
        self.since.remove(&sha256(key));
    }

    /// Any client may exist.
    pub(crate) fn clear(&self) {
        self.since.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_forgotten_after_five_seconds_and_when_its_client_may_exist() {
        let (absent, noted) = (AbsentClients::default(), Moment::of(100));
        absent.insert(b"a", noted);
        absent.insert(b"b", noted);
        assert!(absent.contains(b"a", Moment::of(104)) && !absent.contains(b"c", noted));
        assert!(!absent.contains(b"a", Moment::of(105)));
        absent.remove(b"a");
        assert!(!absent.contains(b"a", noted) && absent.contains(b"b", noted));
        absent.clear();
        assert!(!absent.contains(b"b", noted));
    }

    #[test]
    fn number_of_names_is_bounded() {
        let absent = AbsentClients::default();
        for number in 0..2 * NAMES_MAX {
            absent.insert(&number.to_be_bytes(), Moment::of(0));
        }
        assert!(absent.since.len() <= NAMES_MAX);
    }
}

//! The list of accepted signing keys and of withdrawn ones. The server encrypts it under the key-encryption key, in one
//! record that every change of the keys replaces.
//!
//! If two nodes change the keys at the same moment, only one of them can replace the record. The list contains every
//! field of a key that the server uses, so that an attacker who can write the database cannot bring back a withdrawn
//! key or change when a key signs.

use crate::records::StoredSigningKey;
use serde::{Deserialize, Serialize};
use testudo_protocol::{Seconds, Timestamp};

/// For this time after the list was created, keys that are not in it are added to it. During a rollout, nodes of a
/// version without the list run beside this one, and a key that an administrator rotates there must be published here.
/// After that time, a row that is not in the list can only come from an attacker who writes to the database.
pub const ROLLOUT: Seconds = Seconds(86_400);
/// Number of withdrawn keys in the list, the latest ones. Keys that are not in the list are refused in any case; the
/// entries give events a reason, and are needed during a rollout.
const WITHDRAWN_MAX: usize = 1_000;

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyList {
    /// When the list was created.
    begun: Timestamp,
    /// Number of changes.
    pub sequence: u64,
    keys: Vec<Entry>,
    withdrawn: Vec<Withdrawal>,
}

/// All trusted fields of a key except the private key, whose encryption is bound to the key id only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    kid: String,
    algorithm: String,
    created: Timestamp,
    active_from: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Withdrawal {
    kid: String,
    at: Timestamp,
}

impl Entry {
    fn of(key: &StoredSigningKey) -> Entry {
        Entry {
            kid: key.kid.clone(),
            algorithm: key.algorithm.clone(),
            created: key.created,
            active_from: key.active_from,
        }
    }
}

/// The result of comparing a stored key with the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// The list has this key with the same fields.
    Same,
    /// The list has a key with this id, but with another algorithm or other times.
    Altered,
    /// The list has no key with this id.
    Absent,
}

impl KeyList {
    /// A new list for a store without a list.
    pub fn begin(now: Timestamp) -> KeyList {
        KeyList {
            begun: now,
            sequence: 0,
            keys: Vec::new(),
            withdrawn: Vec::new(),
        }
    }

    /// A new list that replaces one that cannot be read. It is empty, so no stored key is accepted.
    pub fn begin_anew() -> KeyList {
        KeyList::begin(Timestamp(0))
    }

    /// True while keys of a version without the list are added to it.
    pub fn takes_over(&self, now: Timestamp) -> bool {
        now < self.begun + ROLLOUT
    }

    /// Compares a stored key with the list.
    pub fn listing(&self, key: &StoredSigningKey) -> Listing {
        match self.keys.iter().find(|entry| entry.kid == key.kid) {
            None => Listing::Absent,
            Some(entry) if *entry == Entry::of(key) => Listing::Same,
            Some(_) => Listing::Altered,
        }
    }

    /// True if a key with this id is accepted.
    pub fn lists(&self, kid: &str) -> bool {
        self.keys.iter().any(|entry| entry.kid == kid)
    }

    /// Adds a new key.
    pub fn add(&mut self, key: &StoredSigningKey) {
        self.keys.push(Entry::of(key));
    }

    /// Removes a key that is no longer published.
    pub fn remove(&mut self, kid: &str) {
        self.keys.retain(|entry| entry.kid != kid);
    }

    /// Removes keys that are not in the store.
    pub fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.keys.retain(|entry| is_there(&entry.kid));
    }

    /// Withdraws a key: it is no longer accepted, and the list contains the time.
    pub fn withdraw(&mut self, kid: &str, at: Timestamp) {
        self.remove(kid);
        if self.withdrawn_at(kid).is_some() {
            return;
        }
        self.withdrawn.push(Withdrawal {
            kid: kid.to_owned(),
            at,
        });
        if self.withdrawn.len() > WITHDRAWN_MAX {
            let oldest = self.withdrawn.iter().enumerate().min_by_key(|(_, gone)| gone.at);
            if let Some((place, _)) = oldest {
                self.withdrawn.remove(place);
            }
        }
    }

    /// True if the list is full and a withdrawal at this time is not newer than the oldest one in it: it was dropped,
    /// and a list without it is complete. If such a withdrawal were added again, each node would drop another one and
    /// write the list, without end.
    pub fn has_dropped(&self, at: Timestamp) -> bool {
        let oldest = self.withdrawn.iter().map(|gone| gone.at).min();
        self.withdrawn.len() >= WITHDRAWN_MAX && oldest.is_some_and(|oldest| at <= oldest)
    }

    /// When a key was withdrawn, if the list still has the withdrawal.
    pub fn withdrawn_at(&self, kid: &str) -> Option<Timestamp> {
        let gone = self.withdrawn.iter().find(|gone| gone.kid == kid);
        gone.map(|gone| gone.at)
    }

    /// Ids of the withdrawn keys in the list.
    pub fn withdrawn(&self) -> impl Iterator<Item = &str> {
        self.withdrawn.iter().map(|gone| gone.kid.as_str())
    }

    /// Adds the withdrawals of a list that was read earlier, but those that this list has dropped. Returns true if this
    /// list lacked any of them.
    pub fn remember(&mut self, seen: &KeyList) -> bool {
        let forgotten: Vec<&Withdrawal> = seen
            .withdrawn
            .iter()
            .filter(|gone| self.withdrawn_at(&gone.kid).is_none() && !self.has_dropped(gone.at))
            .collect();
        let has_forgotten = !forgotten.is_empty();
        for gone in forgotten {
            self.withdraw(&gone.kid, gone.at);
        }
        has_forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyList, WITHDRAWN_MAX};
    use testudo_protocol::{Seconds, Timestamp};

    const START: Timestamp = Timestamp(1_800_000_000);

    fn full() -> KeyList {
        let mut list = KeyList::begin(START);
        for number in 0..WITHDRAWN_MAX as i64 {
            list.withdraw(&format!("key-{number}"), START + Seconds(number));
        }
        list
    }

    #[test]
    fn withdrawal_that_a_full_list_dropped_does_not_count_as_forgotten() {
        let seen = full();
        let mut list = seen.clone();
        list.withdraw("one more", START + Seconds(5_000));
        assert_eq!(list.withdrawn().count(), WITHDRAWN_MAX);
        assert_eq!(list.withdrawn_at("key-0"), None);
        let written = list.clone();
        assert!(!list.remember(&seen));
        assert_eq!(list, written);
    }

    #[test]
    fn withdrawal_that_is_missing_in_a_full_list_is_remembered() {
        let (mut seen, mut list) = (full(), full());
        seen.withdraw("seen", START + Seconds(5_000));
        list.withdraw("written", START + Seconds(5_001));
        assert!(list.remember(&seen));
        assert!(list.withdrawn_at("seen").is_some() && list.withdrawn_at("written").is_some());
        assert!(!list.remember(&seen));
    }

    #[test]
    fn oldest_withdrawal_is_dropped_in_whatever_order_they_were_made() {
        let mut list = KeyList::begin(START);
        for number in (0..=WITHDRAWN_MAX as i64).rev() {
            list.withdraw(&format!("key-{number}"), START + Seconds(number));
        }
        assert_eq!(list.withdrawn_at("key-0"), None);
        assert!(list.withdrawn_at("key-1").is_some());
        assert!(list.has_dropped(START) && !list.has_dropped(START + Seconds(2)));
    }
}

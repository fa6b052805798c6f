//! The list of the signing keys that are accepted, and of those that were withdrawn. The server seals it under the
//! key-encryption key, in one record that every change of the keys replaces.
//!
//! It decides which node was first where two nodes change the keys at the same moment, and it covers every field of a
//! key that is used: an attacker who can write the database cannot bring back a withdrawn key, or change when a key
//! signs.

use crate::records::StoredSigningKey;
use serde::{Deserialize, Serialize};
use testudo_protocol::{Seconds, Timestamp};

/// How long after the list was begun keys that it does not list are taken over. Nodes of a version without the list
/// may run beside this one during a rollout, and an administrator may rotate there: this node must publish that key.
/// Afterwards nothing but a writer of the database makes such a row.
pub const ROLLOUT: Seconds = Seconds(86_400);
/// Withdrawn keys that the list names, the latest ones. What is not listed is refused in any case; the names let
/// an event state the reason, and count during a rollout.
const WITHDRAWN_MAX: usize = 1_000;

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyList {
    /// When it was begun.
    begun: Timestamp,
    /// Counts changes.
    pub sequence: u64,
    keys: Vec<Entry>,
    withdrawn: Vec<Gone>,
}

/// All that is believed of a key besides the private key, which is wrapped for its id alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    kid: String,
    algorithm: String,
    created: Timestamp,
    active_from: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Gone {
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

/// What the list says of a stored key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// It is the key that was listed.
    Same,
    /// A key of this id is listed, with another algorithm or other times.
    Altered,
    /// No key of this id is listed.
    Absent,
}

impl KeyList {
    /// The list of a store that has none.
    pub fn begin(now: Timestamp) -> KeyList {
        KeyList {
            begun: now,
            sequence: 0,
            keys: Vec::new(),
            withdrawn: Vec::new(),
        }
    }

    /// The list in the place of one that cannot be read: it has no key, so no key of the store is accepted.
    pub fn begin_anew() -> KeyList {
        KeyList::begin(Timestamp(0))
    }

    /// True while rows of a version without the list are taken over.
    pub fn takes_over(&self, now: Timestamp) -> bool {
        now < self.begun + ROLLOUT
    }

    /// What it says of a stored key.
    pub fn listing(&self, key: &StoredSigningKey) -> Listing {
        match self.keys.iter().find(|entry| entry.kid == key.kid) {
            None => Listing::Absent,
            Some(entry) if *entry == Entry::of(key) => Listing::Same,
            Some(_) => Listing::Altered,
        }
    }

    /// True where a key of this id is accepted.
    pub fn lists(&self, kid: &str) -> bool {
        self.keys.iter().any(|entry| entry.kid == kid)
    }

    /// A key was made.
    pub fn add(&mut self, key: &StoredSigningKey) {
        self.keys.push(Entry::of(key));
    }

    /// A key retired by the clock.
    pub fn remove(&mut self, kid: &str) {
        self.keys.retain(|entry| entry.kid != kid);
    }

    /// Keeps the keys that are in the store.
    pub fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.keys.retain(|entry| is_there(&entry.kid));
    }

    /// A key was withdrawn: it is accepted no longer, and the list states since when.
    pub fn withdraw(&mut self, kid: &str, at: Timestamp) {
        self.remove(kid);
        if self.withdrawn_at(kid).is_some() {
            return;
        }
        self.withdrawn.push(Gone {
            kid: kid.to_owned(),
            at,
        });
        let surplus = self.withdrawn.len().saturating_sub(WITHDRAWN_MAX);
        self.withdrawn.drain(..surplus);
    }

    /// When a key was withdrawn, as far as the list still names it.
    pub fn withdrawn_at(&self, kid: &str) -> Option<Timestamp> {
        let gone = self.withdrawn.iter().find(|gone| gone.kid == kid);
        gone.map(|gone| gone.at)
    }

    /// Ids of the withdrawn keys that it names.
    pub fn withdrawn(&self) -> impl Iterator<Item = &str> {
        self.withdrawn.iter().map(|gone| gone.kid.as_str())
    }

    /// Takes over the withdrawals of a list that was seen before. True where this one had forgotten any.
    pub fn remember(&mut self, seen: &KeyList) -> bool {
        let forgotten: Vec<&Gone> = seen
            .withdrawn
            .iter()
            .filter(|gone| self.withdrawn_at(&gone.kid).is_none())
            .collect();
        let has_forgotten = !forgotten.is_empty();
        for gone in forgotten {
            self.withdraw(&gone.kid, gone.at);
        }
        has_forgotten
    }
}

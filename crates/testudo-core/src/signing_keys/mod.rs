//! The set of signing keys: which key signs, until when each is published, and which are accepted. The private keys
//! stay encrypted here.

mod list;
mod status;

pub use list::{KeyList, Listing};
pub use status::{KeyState, KeyStatus, PUBLISHED_BEFORE_USE, chosen, key_statuses};

use crate::records::{StoredSigningKey, Versioned};
use std::collections::HashMap;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::Algorithm;

/// The signing keys of the store, after the server has checked them.
#[derive(Clone)]
pub struct SigningKeys {
    /// The accepted keys, newest first. Keys of the same second are ordered by their ids, so that all nodes choose the
    /// same key.
    pub accepted: Vec<Versioned<StoredSigningKey>>,
    /// Key and version of refused rows. The key of such a row need not be text.
    pub rejected: Vec<(Vec<u8>, u64)>,
    /// Ids of keys with a record of their withdrawal, with its time if the record can be read.
    pub marked: HashMap<String, Option<Timestamp>>,
    /// The list with all changes that have to be stored.
    pub list: KeyList,
}

impl SigningKeys {
    /// True if no accepted key has this algorithm, so that a key must be created: at the first start, or at the first
    /// start after `signing_algorithm` changed.
    pub fn lacks(&self, algorithm: Algorithm) -> bool {
        let is_of_it = |key: &Versioned<StoredSigningKey>| key.record.algorithm == algorithm.name();
        !self.accepted.iter().any(is_of_it)
    }
}

/// Describes a new key, for its event.
pub fn describe_made(key: &StoredSigningKey) -> String {
    let StoredSigningKey { kid, algorithm, .. } = key;
    format!("{kid}, {algorithm}, signs from {}", key.active_from)
}

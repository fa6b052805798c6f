//! Signing keys as a set: which one signs, until when each is published, and which are accepted. The private keys stay
//! wrapped: no function here opens one.

mod life;
mod list;

pub use life::{KeyState, Life, PUBLISHED_BEFORE_USE, chosen, lives};
pub use list::{KeyList, Listing};

use crate::records::{StoredSigningKey, Versioned};
use std::collections::HashMap;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::Algorithm;

/// The signing keys of the store, as the server judged them.
#[derive(Clone)]
pub struct SigningKeys {
    /// The keys that are accepted, newest first. Where two were made at the same second, by name: all nodes choose the
    /// same.
    pub accepted: Vec<Versioned<StoredSigningKey>>,
    /// Rows that are refused: key and version. The key of such a row need not be text.
    pub rejected: Vec<(Vec<u8>, u64)>,
    /// Ids of the keys that have a mark of their withdrawal, and since when, where the mark can be read.
    pub marked: HashMap<String, Option<Timestamp>>,
    /// The list as it should be.
    pub list: KeyList,
}

impl SigningKeys {
    /// True where no accepted key is of this algorithm: the first start, or the first one after `signing_algorithm`
    /// changed. A key has to be made.
    pub fn lacks(&self, algorithm: Algorithm) -> bool {
        let is_of_it = |key: &Versioned<StoredSigningKey>| key.record.algorithm == algorithm.name();
        !self.accepted.iter().any(is_of_it)
    }
}

/// A key that was made, for its event.
pub fn describe_made(key: &StoredSigningKey) -> String {
    let StoredSigningKey { kid, algorithm, .. } = key;
    format!("{kid}, {algorithm}, signs from {}", key.active_from)
}

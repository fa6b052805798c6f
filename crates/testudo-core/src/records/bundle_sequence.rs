//! The highest `spiffe_sequence` that was taken of a trust domain, so that no restart and no other node takes an
//! earlier bundle.

use super::Kind;
use super::record::{Announced, Held, Record};
use serde::{Deserialize, Serialize};

/// The highest sequence of one authority. The number is inside the seal, so that an attacker who can write the
/// database cannot lower it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleSequence {
    /// Key of the authority. It is inside the seal as well.
    pub authority: String,
    /// Sealed under the key-encryption key; see `trust/floor.rs` of the server.
    pub sealed: String,
}

impl Record for BundleSequence {
    const KIND: Kind = Kind::BundleSequence;
    const ANNOUNCED: Announced = Announced::Always(Held::Bundles);
    fn key(&self) -> Vec<u8> {
        self.authority.as_bytes().to_vec()
    }
}

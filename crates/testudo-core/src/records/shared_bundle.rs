//! The bundle of an authority as a node fetched it, for nodes that start while its source does not answer.

use super::Kind;
use super::record::{Announced, Record};
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;

/// The last good bundle of one authority. An attacker who can write to the database must not become a trust anchor, so
/// the document is inside the seal, with its authority, its source and the time of the fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedBundle {
    /// Key of the authority. It is inside the seal as well.
    pub authority: String,
    /// When the record may be deleted.
    pub keep_until: Timestamp,
    /// Sealed under the key-encryption key; see `trust/shared.rs` of the server.
    pub sealed: String,
}

impl Record for SharedBundle {
    const KIND: Kind = Kind::SharedBundle;
    /// A node reads it only when it has no usable bundle of its own.
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.authority.as_bytes().to_vec()
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.keep_until)
    }
}

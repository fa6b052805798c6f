//! The trait of records: a document of one kind, with a key, and which writes are announced to other nodes.

use super::Kind;
use serde::Serialize;
use serde::de::DeserializeOwned;
use testudo_protocol::Timestamp;

/// State that a node derives from records and keeps in memory. When another node writes such a record, the state is
/// derived again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Clients: only the client that was written is read again.
    Clients,
    /// The signing keys: all are read again.
    Keys,
    /// Disabled authorities and blocked identities: all are read again.
    Switches,
    /// The bundle of an authority, which must not be older than the bundle of another node.
    Bundles,
    /// The configuration: the record is the order to reload it.
    Configuration,
}

/// The writes of a record of which other nodes must be notified, because they keep derived state in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// No write: nodes do not keep such a record in memory.
    Never,
    /// Replacements and deletions. A node keeps records that it found, but not the fact that a record was absent; where it
    /// does, the batch announces the insertion ([`super::Batch::announces_clients`]).
    Changes(Held),
    /// Insertions too: a node also relies on the absence of the record.
    Always(Held),
}

impl Announced {
    /// The state that nodes derive from the record, if any.
    pub const fn held(self) -> Option<Held> {
        match self {
            Announced::Never => None,
            Announced::Changes(held) | Announced::Always(held) => Some(held),
        }
    }
}

/// A document that can be stored.
pub trait Record: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The kind under which it is stored.
    const KIND: Kind;
    /// The writes of which other nodes must be notified.
    const ANNOUNCED: Announced;
    /// The key under which it is stored, unique within the kind.
    fn key(&self) -> Vec<u8>;
    /// The store may delete the record after this time. `None`: never.
    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

/// A record as it was read, with the version that a later write must give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<R> {
    /// The record as it was stored.
    pub record: R,
    /// 1 after the insertion; each replacement adds 1.
    pub version: u64,
}

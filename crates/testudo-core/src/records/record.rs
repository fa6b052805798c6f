//! What a record is: a document of one kind, with a key, and what other nodes are told when it is written.

use super::Kind;
use serde::Serialize;
use serde::de::DeserializeOwned;
use testudo_protocol::Timestamp;

/// What a node derives from records and keeps in memory. When another node writes such a record, it is derived again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Clients: only the one that was written is read again.
    Clients,
    /// The signing keys: all are read again.
    Keys,
    /// Disabled authorities and blocked identities: all are read again.
    Standing,
    /// The bundle of an authority, which must not be older than another node's.
    Bundles,
    /// The configuration: the record is the order to read it again.
    Configuration,
}

/// Which writes of a record the other nodes must be told of, because they keep something of it in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// No write: no node keeps such a record in memory.
    Never,
    /// Replacements and deletions. A node keeps records that it found, and does not keep that one was absent.
    Changes(Held),
    /// Insertions too: a node also relies on the absence of the record.
    Always(Held),
}

impl Announced {
    /// What nodes keep of the record, if anything.
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
    /// Which of its writes the other nodes must be told of.
    const ANNOUNCED: Announced;
    /// The key under which it is stored, unique within the kind.
    fn key(&self) -> Vec<u8>;
    /// From this time on the store may delete it by itself. `None`: never.
    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

/// A record as it was read, with the version that a later write must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<R> {
    /// The record as it was stored.
    pub record: R,
    /// 1 after the insertion; each replacement adds 1.
    pub version: u64,
}

//! What a record is: a document of one kind, with a key, and what other nodes are told when it is written.

use super::Kind;
use serde::Serialize;
use serde::de::DeserializeOwned;
use testudo_protocol::Timestamp;

/// What a node makes of records and keeps in memory. Where another node writes such a record, it is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Clients, each for itself.
    Clients,
    /// The signing keys, together.
    Keys,
    /// Who is kept out: switches and blocks, together.
    Standing,
    /// The bundle of an authority, which must not be older than another node's.
    Bundles,
    /// The configuration: the record is the order to read it again.
    Configuration,
}

/// Which writes of a record the other nodes must be told of, because they keep something of it in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// None. No node keeps anything of it in memory.
    Never,
    /// Replacements and deletions. A node keeps what it found; it does not keep that there was nothing.
    Changes(Held),
    /// Inserts too. A node goes by the absence of the record as well.
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
    /// Its kind.
    const KIND: Kind;
    /// Which of its writes the other nodes must be told of.
    const ANNOUNCED: Announced;
    /// Its key, unique within the kind.
    fn key(&self) -> Vec<u8>;
    /// When it may be dropped without asking.
    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

/// A record as it was read, with the version that a later write must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<R> {
    /// The record.
    pub record: R,
    /// Counts from 1.
    pub version: u64,
}

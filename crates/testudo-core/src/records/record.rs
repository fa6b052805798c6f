//! What a record is: a document of one kind, with a key, and what other nodes are told when it is written.

use serde::Serialize;
use serde::de::DeserializeOwned;
use testudo_protocol::Timestamp;

/// The kind of a record. The numbers are stored: they never change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A client.
    Client = 1,
    /// A client that was.
    Removed = 2,
    /// An identity or a pattern that is kept out.
    Block = 3,
    /// An audit event.
    Event = 4,
    /// An authority that is switched off.
    Switch = 5,
    /// A signing key, wrapped.
    SigningKey = 6,
    /// A single-use credential that was used.
    Replay = 7,
    /// A secret of the server that all nodes share, wrapped.
    ServerSecret = 8,
    /// Which client has a `client_id` that is not its identity.
    ClientIdAlias = 9,
    /// The last order to read the configuration again.
    ReloadOrder = 10,
    /// A signing key that is not believed any more.
    WithdrawnKey = 11,
    /// The highest sequence taken of a trust domain's bundles, sealed.
    BundleSequence = 12,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 12] = [
        Kind::Client,
        Kind::Removed,
        Kind::Block,
        Kind::Event,
        Kind::Switch,
        Kind::SigningKey,
        Kind::Replay,
        Kind::ServerSecret,
        Kind::ClientIdAlias,
        Kind::ReloadOrder,
        Kind::WithdrawnKey,
        Kind::BundleSequence,
    ];
}

/// Which writes of a record the other nodes must be told of, because they keep something of it in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// None. No node keeps anything of it in memory.
    Never,
    /// Replacements and deletions. A node keeps what it found; it does not keep that there was nothing.
    Changes,
    /// Inserts too. A node goes by the absence of the record as well.
    Always,
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

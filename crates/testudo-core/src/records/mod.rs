//! What is remembered, and the six verbs of remembering.
//!
//! One struct is the schema of one kind of record. A record is stored as a document with key, version and
//! expiry; the engines in `testudo-store` know nothing of its fields.

mod alias;
mod block;
mod bundle_sequence;
mod client;
mod event;
mod reload;
mod replay;
mod secret;
mod switch;

pub use alias::ClientIdAlias;
pub use block::Block;
pub use bundle_sequence::BundleSequence;
pub use client::{
    ApplicationType, Client, ClientMetadata, ClientState, ManagementToken, Predecessor, Registration,
    Removed, client_key,
};
pub use event::{Event, EventKind};
pub use reload::ReloadOrder;
pub use replay::Replay;
pub use secret::{ServerSecret, StoredSigningKey, WithdrawnKey};
pub use switch::Switch;

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

/// A document that can be stored.
pub trait Record: Serialize + DeserializeOwned {
    /// Its kind.
    const KIND: Kind;
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

/// One change. Single use is `Insert` (must be absent) or `Delete` (must be at this version), never a look
/// followed by a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// The record must be absent.
    Insert(Document),
    /// The record must be at this version, and goes one up.
    Replace(Document, u64),
    /// The record must be at this version. At version 0 it is not there, and must not be.
    Delete(Kind, Vec<u8>, u64),
    /// A counter moves, and must not end above `max`.
    Add {
        /// Name of the counter.
        counter: String,
        /// By how much, either way.
        delta: i64,
        /// Limit after the move.
        max: Option<u64>,
    },
}

/// A record in its stored form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Kind.
    pub kind: Kind,
    /// Key.
    pub key: Vec<u8>,
    /// JSON.
    pub body: Vec<u8>,
    /// When it may be dropped without asking.
    pub expires: Option<Timestamp>,
}

impl Document {
    /// The stored form of a record.
    pub fn of<R: Record>(record: &R) -> Document {
        Document {
            kind: R::KIND,
            key: record.key(),
            // Records hold text, numbers and lists of them; those always serialise.
            body: serde_json::to_vec(record).unwrap_or_default(),
            expires: record.expires(),
        }
    }
}

/// Everything that one request changes: all of it or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The changes, in order.
    pub writes: Vec<Write>,
    /// Other nodes need not hear of it: nothing that they decide by has changed.
    pub is_quiet: bool,
}

impl Batch {
    /// Adds an insert.
    pub fn insert<R: Record>(&mut self, record: &R) {
        self.writes.push(Write::Insert(Document::of(record)));
    }

    /// Adds a replacement.
    pub fn replace<R: Record>(&mut self, record: &R, version: u64) {
        self.writes.push(Write::Replace(Document::of(record), version));
    }

    /// Adds a removal.
    pub fn delete<R: Record>(&mut self, record: &R, version: u64) {
        self.writes.push(Write::Delete(R::KIND, record.key(), version));
    }

    /// Adds a removal of what is stored under a key, whether or not it can be read.
    pub fn remove(&mut self, kind: Kind, key: Vec<u8>, version: u64) {
        self.writes.push(Write::Delete(kind, key, version));
    }

    /// Demands that a record is not there.
    pub fn absent(&mut self, kind: Kind, key: Vec<u8>) {
        self.writes.push(Write::Delete(kind, key, 0));
    }

    /// Moves a counter.
    pub fn add(&mut self, counter: String, delta: i64, max: Option<u64>) {
        self.writes.push(Write::Add { counter, delta, max });
    }

    /// True where nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

/// Name of the counter of an authority's clients.
pub fn clients_of_authority(authority_key: &str) -> String {
    format!("clients/authority/{authority_key}")
}

/// Name of the counter of a rule's clients.
pub fn clients_of_rule(rule: &str) -> String {
    format!("clients/rule/{rule}")
}

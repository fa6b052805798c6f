//! All changes of one request, which are written together or not at all.

use super::record::{Announced, Record};
use super::{Event, Kind};
use crate::identity::SingleUse;
use testudo_protocol::Timestamp;

/// One change. A change that must happen only once is an `Insert` (the record must be absent) or a `Delete` (it must
/// have this version), not a read followed by a write, since another node could write in between. `Absent` is added to
/// a write that is correct only while another record does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// The record must be absent.
    Insert(Document),
    /// The record must have this version; it is replaced, and its version increases by one.
    Replace(Document, u64),
    /// The record must have this version; it is deleted.
    Delete(Kind, Vec<u8>, u64),
    /// The record must be absent; nothing is written.
    Absent(Kind, Vec<u8>),
    /// The credential or proof must not have been used: no mark has this key. The mark is kept until its time is over.
    Mark(SingleUse),
    /// A counter changes by `delta`, and must not exceed `max`.
    Add {
        /// Name of the counter.
        counter: String,
        /// The amount that is added; negative to subtract.
        delta: i64,
        /// The highest value that the counter may have after the change. `None`: no limit.
        max: Option<u64>,
    },
}

impl Write {
    /// True if the other nodes must be notified of the change.
    fn is_announced(&self, announces_clients: bool) -> bool {
        let (kind, is_insert) = match self {
            Write::Insert(document) => (document.kind, true),
            Write::Replace(document, _) => (document.kind, false),
            Write::Delete(kind, _, _) => (*kind, false),
            Write::Absent(_, _) | Write::Mark(_) | Write::Add { .. } => return false,
        };
        match kind.announced() {
            Announced::Never => false,
            Announced::Changes(_) => !is_insert || (announces_clients && kind == Kind::Client),
            Announced::Always(_) => true,
        }
    }
}

/// A record in its stored form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The kind of record.
    pub kind: Kind,
    /// The key of the record, unique within its kind.
    pub key: Vec<u8>,
    /// The record as JSON.
    pub body: Vec<u8>,
    /// The store may delete the document after this time. `None`: never.
    pub expires: Option<Timestamp>,
}

impl Document {
    /// The stored form of a record.
    pub fn of<R: Record>(record: &R) -> Document {
        Document {
            kind: R::KIND,
            key: record.key(),
            // Records consist of text, numbers and lists, which can always be serialised.
            body: serde_json::to_vec(record).unwrap_or_default(),
            expires: record.expires(),
        }
    }
}

/// All changes of one request, which are written together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The changes, in order.
    pub writes: Vec<Write>,
    /// True if other nodes need not be notified of this batch, because it changes nothing that affects their decisions.
    pub is_quiet: bool,
    /// True if other nodes must be notified of a client that the batch inserts, because requests can name its identity
    /// before it registers: a node that found no such client keeps that in memory for some seconds.
    pub announces_clients: bool,
    /// The events that `writes` inserts: each one has a line in the log as soon as the batch is written.
    pub events: Vec<Event>,
}

impl Batch {
    /// Each change, with true if the other nodes must be notified of it.
    pub fn with_announcements(&self) -> impl Iterator<Item = (&Write, bool)> {
        self.writes.iter().map(|write| {
            (
                write,
                !self.is_quiet && write.is_announced(self.announces_clients),
            )
        })
    }

    /// Adds the insertion of a record that must be absent.
    pub fn insert<R: Record>(&mut self, record: &R) {
        self.writes.push(Write::Insert(Document::of(record)));
    }

    /// Adds an event.
    pub fn insert_event(&mut self, event: Event) {
        self.insert(&event);
        self.events.push(event);
    }

    /// Adds the replacement of a record that must have `version`.
    pub fn replace<R: Record>(&mut self, record: &R, version: u64) {
        self.writes.push(Write::Replace(Document::of(record), version));
    }

    /// Adds the deletion of a record that must have `version`.
    pub fn delete<R: Record>(&mut self, record: &R, version: u64) {
        self.writes.push(Write::Delete(R::KIND, record.key(), version));
    }

    /// Adds the deletion of the document under a key, also if it cannot be read as a record.
    pub fn remove(&mut self, kind: Kind, key: Vec<u8>, version: u64) {
        self.writes.push(Write::Delete(kind, key, version));
    }

    /// Adds the condition that a record does not exist.
    pub fn absent(&mut self, kind: Kind, key: Vec<u8>) {
        self.writes.push(Write::Absent(kind, key));
    }

    /// Adds the mark of a credential or proof that must not have been used.
    pub fn mark(&mut self, single_use: &SingleUse) {
        self.writes.push(Write::Mark(single_use.clone()));
    }

    /// Adds a change of a counter.
    pub fn add(&mut self, counter: String, delta: i64, max: Option<u64>) {
        self.writes.push(Write::Add { counter, delta, max });
    }

    /// True if the batch is written only while this record does not exist.
    pub fn demands_absence_of(&self, kind: Kind, key: &[u8]) -> bool {
        self.writes.iter().any(|write| match write {
            Write::Insert(document) => document.kind == kind && document.key == key,
            Write::Absent(absent, of) => *absent == kind && of == key,
            Write::Replace(..) | Write::Delete(..) | Write::Mark(_) | Write::Add { .. } => false,
        })
    }

    /// True if the batch inserts a record of this kind.
    pub fn inserts(&self, kind: Kind) -> bool {
        let is_one = |write: &Write| matches!(write, Write::Insert(document) if document.kind == kind);
        self.writes.iter().any(is_one)
    }

    /// True if the batch marks a credential or proof as used.
    pub fn has_mark(&self) -> bool {
        self.writes.iter().any(|write| matches!(write, Write::Mark(_)))
    }

    /// Adds the changes of another batch.
    pub fn extend(&mut self, other: Batch) {
        self.writes.extend(other.writes);
        self.events.extend(other.events);
        self.announces_clients |= other.announces_clients;
    }

    /// True if the batch has no changes.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(kind: Kind) -> Document {
        Document {
            kind,
            key: b"k".to_vec(),
            body: Vec::new(),
            expires: None,
        }
    }

    /// Whether an insert, a replacement, a deletion and a condition of absence are announced.
    fn announced(kind: Kind, is_quiet: bool) -> [bool; 4] {
        let batch = Batch {
            writes: vec![
                Write::Insert(document(kind)),
                Write::Replace(document(kind), 1),
                Write::Delete(kind, b"k".to_vec(), 1),
                Write::Absent(kind, b"k".to_vec()),
            ],
            is_quiet,
            ..Batch::default()
        };
        said(&batch)
    }

    fn said(batch: &Batch) -> [bool; 4] {
        let said: Vec<bool> = batch.with_announcements().map(|(_, is)| is).collect();
        said.try_into().unwrap()
    }

    #[test]
    fn writes_of_records_that_other_nodes_keep_in_memory_are_announced() {
        for kind in Kind::ALL {
            let expected = match kind {
                // Other nodes have no copy of a client that registers by first use, so it is not announced.
                Kind::Client => [false, true, true, false],
                Kind::Block
                | Kind::Switch
                | Kind::SigningKey
                | Kind::ReloadOrder
                | Kind::WithdrawnKey
                | Kind::BundleSequence => [true, true, true, false],
                Kind::Removed
                | Kind::Event
                | Kind::ServerSecret
                | Kind::ClientIdAlias
                | Kind::SharedBundle
                | Kind::Person
                | Kind::PersonLink
                | Kind::PersonName
                | Kind::Session
                | Kind::PushedRequest
                | Kind::AuthorizationCode
                | Kind::Grant
                | Kind::RefreshToken
                | Kind::Consent
                | Kind::Invitation
                | Kind::InvitedName
                | Kind::Ceremony => [false; 4],
            };
            assert_eq!(announced(kind, false), expected, "{kind:?}");
            assert_eq!(announced(kind, true), [false; 4], "{kind:?}");
        }
    }

    #[test]
    fn new_client_is_announced_if_nodes_may_keep_in_memory_that_it_does_not_exist() {
        let mut batch = Batch::default();
        for kind in [Kind::Client, Kind::Event, Kind::ClientIdAlias, Kind::Removed] {
            batch.writes.push(Write::Insert(document(kind)));
        }
        assert_eq!(said(&batch), [false; 4]);
        let mut of_proofs = Batch::default();
        of_proofs.extend(Batch {
            announces_clients: true,
            ..Batch::default()
        });
        batch.extend(of_proofs);
        assert_eq!(said(&batch), [true, false, false, false]);
    }
}

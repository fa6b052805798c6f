//! The records that a decision needs. The server reads them.

use super::Kind;
use super::record::{Record, Versioned};
use super::{Batch, Client};
use std::any::Any;
use std::borrow::Cow;

/// The records that a decision needs, by key. Most keys are borrowed from the request.
#[derive(Debug, Clone, Default)]
pub struct Needs<'n> {
    needs: Vec<Need<'n>>,
}

#[derive(Debug, Clone)]
struct Need<'n> {
    key: Cow<'n, [u8]>,
    record: RecordType,
    otherwise: Option<RecordType>,
    may_be_remembered: bool,
}

/// Parses a stored document as a record.
pub(super) type Decode = fn(&[u8], u64) -> Result<Box<dyn Any + Send + Sync>, serde_json::Error>;

#[derive(Debug, Clone, Copy)]
struct RecordType {
    kind: Kind,
    decode: Decode,
}

impl RecordType {
    fn of<R: Record>() -> RecordType {
        RecordType {
            kind: R::KIND,
            decode: |body, version| {
                let record: R = serde_json::from_slice(body)?;
                Ok(Box::new(Versioned { record, version }))
            },
        }
    }
}

/// One record to read.
#[derive(Debug, Clone)]
pub struct WantedRecord<'n> {
    /// The kind of the record.
    pub kind: Kind,
    /// The key of the record.
    pub key: Cow<'n, [u8]>,
    pub(super) decode: Decode,
}

impl<'n> Needs<'n> {
    /// Needs the record with this key.
    pub fn one<R: Record>(key: &'n [u8]) -> Needs<'n> {
        Needs::default().and::<R>(key)
    }

    /// Needs another record as well, with this key.
    #[must_use]
    pub fn and<R: Record>(self, key: &'n [u8]) -> Needs<'n> {
        self.and_at::<R>(Cow::Borrowed(key))
    }

    /// Needs another record as well, whose key is composed of parts of the request.
    #[must_use]
    pub fn and_composed<R: Record>(self, key: Vec<u8>) -> Needs<'n> {
        self.and_at::<R>(Cow::Owned(key))
    }

    fn and_at<R: Record>(mut self, key: Cow<'n, [u8]>) -> Needs<'n> {
        self.needs.push(Need {
            key,
            record: RecordType::of::<R>(),
            otherwise: None,
            may_be_remembered: false,
        });
        self
    }

    /// If the previous record is absent, needs the record of another kind with the same key. For a client in memory,
    /// its history is not read.
    #[must_use]
    pub fn or_else<R: Record>(mut self) -> Needs<'n> {
        if let Some(need) = self.needs.last_mut() {
            need.otherwise = Some(RecordType::of::<R>());
        }
        self
    }

    /// For a client: the copy in this node's memory may be used. A request that changes the client must read the store.
    #[must_use]
    pub fn from_memory(mut self) -> Needs<'n> {
        if let Some(need) = self.needs.last_mut() {
            need.may_be_remembered = true;
        }
        self
    }

    /// Key of the client that is needed, if one is.
    pub fn client(&self) -> Option<&'n [u8]> {
        borrowed(self.client_need()?)
    }

    /// Key of the client that is needed and may come from memory.
    pub fn client_from_memory(&self) -> Option<&'n [u8]> {
        borrowed(self.client_need().filter(|need| need.may_be_remembered)?)
    }

    fn client_need(&self) -> Option<&Need<'n>> {
        self.needs.iter().find(|need| need.record.kind == Client::KIND)
    }

    /// The records to read; `remembered` is the key of a client that is already in memory.
    pub fn to_read(&self, remembered: Option<&[u8]>) -> impl Iterator<Item = WantedRecord<'n>> {
        self.needs
            .iter()
            .filter(move |need| {
                let is_remembered = need.record.kind == Client::KIND && remembered == Some(&*need.key);
                !is_remembered
            })
            .flat_map(|need| {
                [Some(need.record), need.otherwise]
                    .into_iter()
                    .flatten()
                    .map(|record| WantedRecord {
                        kind: record.kind,
                        key: need.key.clone(),
                        decode: record.decode,
                    })
            })
    }

    /// True if the batch is written only while none of these records exists. Then a decision that was made without
    /// reading them is either correct or not written.
    pub fn are_absent_where(&self, batch: &Batch) -> bool {
        self.to_read(None)
            .all(|wanted| batch.demands_absence_of(wanted.kind, &wanted.key))
    }
}

/// The key of a client is always borrowed: the request that needs the client has it.
fn borrowed<'n>(need: &Need<'n>) -> Option<&'n [u8]> {
    match need.key {
        Cow::Borrowed(key) => Some(key),
        Cow::Owned(_) => None,
    }
}

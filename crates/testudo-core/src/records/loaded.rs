//! The records that a decision needs, as they were found in the store or in memory.

use super::Client;
use super::Kind;
use super::needs::WantedRecord;
use super::record::{Record, Versioned};
use std::any::Any;
use std::borrow::Cow;

/// The found records. A client in memory is borrowed; the others were read from the store.
#[derive(Default)]
pub struct Loaded<'l> {
    remembered: Option<(&'l [u8], &'l Versioned<Client>)>,
    read: Vec<Found<'l>>,
}

struct Found<'l> {
    kind: Kind,
    key: Cow<'l, [u8]>,
    record: Box<dyn Any + Send + Sync>,
}

impl<'l> Loaded<'l> {
    /// None of the needed records exists.
    pub fn nothing() -> Loaded<'l> {
        Loaded::default()
    }

    /// Adds a client from memory.
    pub fn remember(&mut self, key: &'l [u8], client: &'l Versioned<Client>) {
        self.remembered = Some((key, client));
    }

    /// Adds a document that was read. The error means that it cannot be parsed as the expected record.
    pub fn add(
        &mut self,
        wanted: &WantedRecord<'l>,
        body: &[u8],
        version: u64,
    ) -> Result<(), serde_json::Error> {
        self.read.push(Found {
            kind: wanted.kind,
            key: wanted.key.clone(),
            record: (wanted.decode)(body, version)?,
        });
        Ok(())
    }

    /// Adds a record that no store has, for `explain`: the decision is made as if it were there.
    pub fn suppose<R: Record>(&mut self, supposed: Versioned<R>) {
        self.read.push(Found {
            kind: R::KIND,
            key: Cow::Owned(supposed.record.key()),
            record: Box::new(supposed),
        });
    }

    /// The record with this key, if it exists and was loaded.
    pub fn find<R: Record>(&self, key: &[u8]) -> Option<&Versioned<R>> {
        if let Some((remembered, client)) = self.remembered
            && remembered == key
            && let Some(client) = (client as &dyn Any).downcast_ref()
        {
            return Some(client);
        }
        self.read
            .iter()
            .find(|found| found.kind == R::KIND && *found.key == *key)
            .and_then(|found| found.record.downcast_ref())
    }

    /// Removes a record that was read and returns it.
    pub fn take<R: Record>(&mut self, key: &[u8]) -> Option<Versioned<R>> {
        let place = self
            .read
            .iter()
            .position(|found| found.kind == R::KIND && *found.key == *key)?;
        let found = self.read.swap_remove(place);
        found.record.downcast().ok().map(|record| *record)
    }
}

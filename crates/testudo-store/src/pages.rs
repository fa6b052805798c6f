//! Reads all records of a kind, page by page.

use crate::{LIST_MAX, Store, StoreFault, Stored, typed};
use std::marker::PhantomData;
use testudo_core::records::{Record, Versioned};

/// A row of the store, whether or not its document can be read as a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<R> {
    /// Key.
    pub key: Vec<u8>,
    /// Counts from 1.
    pub version: u64,
    /// The record, or why the document cannot be read.
    pub record: Result<R, StoreFault>,
}

impl<R: Record> Row<R> {
    fn of(stored: Stored) -> Row<R> {
        let (key, version) = (stored.key.clone(), stored.version);
        let record = typed(stored).map(|found| found.record);
        Row { key, version, record }
    }

    /// The record with its version, or why the document cannot be read.
    pub fn versioned(self) -> Result<Versioned<R>, StoreFault> {
        let version = self.version;
        self.record.map(|record| Versioned { record, version })
    }
}

/// The pages of a kind in the order of their keys. [`LIST_MAX`] rows at most are in memory at once.
pub struct Pages<'s, R> {
    store: &'s Store,
    after: Vec<u8>,
    kind: PhantomData<R>,
}

impl<R: Record> Pages<'_, R> {
    /// The next page; `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<Vec<Row<R>>>, StoreFault> {
        let page = self.store.list(R::KIND, &self.after, LIST_MAX).await?;
        let Some(last) = page.last() else { return Ok(None) };
        self.after.clone_from(&last.key);
        Ok(Some(page.into_iter().map(Row::of).collect()))
    }
}

impl Store {
    /// The records of a kind whose keys are above `after`; empty for all of them.
    pub fn pages<R: Record>(&self, after: Vec<u8>) -> Pages<'_, R> {
        Pages {
            store: self,
            after,
            kind: PhantomData,
        }
    }

    /// All records of a kind, with the error for each document that cannot be read. For kinds with few records.
    pub async fn read_each<R: Record>(&self) -> Result<Vec<Row<R>>, StoreFault> {
        let mut all = Vec::new();
        let mut pages = self.pages(Vec::new());
        while let Some(page) = pages.next().await? {
            all.extend(page);
        }
        Ok(all)
    }

    /// All records of a kind. For kinds with few records; one document that cannot be read fails the whole call.
    pub async fn read_all<R: Record>(&self) -> Result<Vec<Versioned<R>>, StoreFault> {
        let rows = self.read_each().await?;
        rows.into_iter().map(Row::versioned).collect()
    }
}

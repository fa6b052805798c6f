//! Remembers records: seven verbs, three engines, one suite that holds them to the same answers.
//!
//! The verbs: `get`, `list`, and within a batch `insert` (must be absent), `replace` and `delete` (must be at a
//! version), `absent` (must be absent, and stays so), `add` (a counter that may have a ceiling). A batch is written
//! whole or not at all. Engines store documents and know nothing of fields, nor what a kind means.

#![warn(clippy::wildcard_enum_match_arm)]

mod memory;
mod postgres;
mod sqlite;
pub mod suite;

pub use postgres::{AddressError, PostgresAddress, Transport};
pub use testudo_core::records::Conflict;

use memory::MemoryEngine;
use postgres::PostgresEngine;
use sqlite::SqliteEngine;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use testudo_core::records::{Batch, Kind, Record, Versioned};
use testudo_protocol::Timestamp;
use tokio::sync::broadcast;

/// Records returned by one `list` at most.
pub const LIST_MAX: usize = 1_000;

/// A store. Cheap to share behind an `Arc`.
pub struct Store {
    engine: Engine,
    batches_written: AtomicU64,
    reads: AtomicU64,
}

enum Engine {
    Memory(MemoryEngine),
    Sqlite(SqliteEngine),
    Postgres(PostgresEngine),
}

/// What a look at a database found.
pub enum Looked {
    /// Nothing of ours yet; the first start makes the tables.
    Empty,
    /// A store, and its schema's version where the next start brings it to today's.
    Found(Box<Store>, Option<usize>),
}

/// Another node, or this one, changed something that is kept in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// One record.
    Record(Kind, Vec<u8>),
    /// Perhaps everything: changes were missed, or undone.
    Everything,
    /// None, but an assurance: what any node committed before this moment has been told.
    UpTo(Instant),
}

/// A stored document without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Key.
    pub key: Vec<u8>,
    /// Counts from 1.
    pub version: u64,
    /// JSON.
    pub body: Vec<u8>,
}

/// A row of the store, whether or not its document is the record that it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<R> {
    /// Key.
    pub key: Vec<u8>,
    /// Counts from 1.
    pub version: u64,
    /// The record, or why the document is none.
    pub record: Result<R, StoreFault>,
}

/// A batch was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitError {
    /// Decide again.
    Conflict(Conflict),
    /// The store cannot be reached or refuses to write; nothing of the batch is there.
    Unavailable(StoreFault),
    /// Too many batches are waiting.
    Busy,
}

/// The store's fault, for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFault(pub String);

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreFault {}

impl StoreFault {
    /// A document that is not the record that it should be.
    pub fn unreadable(kind: Kind, error: &dyn fmt::Display) -> StoreFault {
        StoreFault(format!("a stored {kind:?} cannot be read: {error}"))
    }
}

impl Store {
    /// A store that forgets with the process.
    pub fn memory() -> Store {
        Store::new(Engine::Memory(MemoryEngine::default()))
    }

    /// A SQLite database; made where it is absent, migrated where it is old. One server may use it at a time.
    pub fn sqlite(path: &Path) -> Result<Store, StoreFault> {
        SqliteEngine::open(path).map(|engine| Store::new(Engine::Sqlite(engine)))
    }

    /// The same database for a look at it, beside a server that may be running.
    pub fn sqlite_beside_a_server(path: &Path) -> Result<Store, StoreFault> {
        SqliteEngine::open_beside(path).map(|engine| Store::new(Engine::Sqlite(engine)))
    }

    /// Lets another server use what only one may use at a time. For a server that has stopped.
    pub fn let_go(&self) {
        match &self.engine {
            Engine::Sqlite(engine) => engine.let_go(),
            Engine::Memory(_) | Engine::Postgres(_) => {}
        }
    }

    /// A PostgreSQL database, shared by many nodes; migrated where it is old. `extra_roots_pem` are trusted for
    /// its certificate beside the system's roots, where the URL or these roots demand TLS.
    pub async fn postgres(url: &str, extra_roots_pem: Option<&[u8]>) -> Result<Store, StoreFault> {
        PostgresEngine::open(url, extra_roots_pem)
            .await
            .map(|engine| Store::new(Engine::Postgres(engine)))
    }

    /// A PostgreSQL database for a look at it. Nothing is made or changed there.
    pub async fn look_at_postgres(url: &str, extra_roots_pem: Option<&[u8]>) -> Result<Looked, StoreFault> {
        Ok(match postgres::look(url, extra_roots_pem).await? {
            postgres::Look::Empty => Looked::Empty,
            postgres::Look::Schema(engine, earlier) => {
                Looked::Found(Box::new(Store::new(Engine::Postgres(engine))), earlier)
            }
        })
    }

    /// The store's own time, milliseconds since the epoch. None for engines in this process, whose time is ours.
    pub async fn millis(&self) -> Result<Option<u64>, StoreFault> {
        match &self.engine {
            Engine::Memory(_) | Engine::Sqlite(_) => Ok(None),
            Engine::Postgres(engine) => engine.millis().await.map(Some),
        }
    }

    /// How long the store has not answered. Engines in this process always do.
    pub fn silent_for(&self) -> Duration {
        match &self.engine {
            Engine::Memory(_) | Engine::Sqlite(_) => Duration::ZERO,
            Engine::Postgres(engine) => engine.silent_for(),
        }
    }

    /// Changes by any node, where several share the store.
    pub fn changes(&self) -> Option<broadcast::Receiver<Change>> {
        match &self.engine {
            Engine::Memory(_) | Engine::Sqlite(_) => None,
            Engine::Postgres(engine) => Some(engine.changes()),
        }
    }

    fn new(engine: Engine) -> Store {
        Store {
            engine,
            batches_written: AtomicU64::new(0),
            reads: AtomicU64::new(0),
        }
    }

    /// Name of the engine, for logs and `doctor`.
    pub fn engine_name(&self) -> &'static str {
        match &self.engine {
            Engine::Memory(_) => "memory",
            Engine::Sqlite(_) => "sqlite",
            Engine::Postgres(_) => "postgres",
        }
    }

    /// Batches that were written since the start.
    pub fn batches_written(&self) -> u64 {
        self.batches_written.load(Ordering::Relaxed)
    }

    /// Reads since the start.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// One document.
    pub async fn get(&self, kind: Kind, key: &[u8]) -> Result<Option<Stored>, StoreFault> {
        Ok(self.get_many(vec![(kind, key.to_vec())]).await?.pop().flatten())
    }

    /// Several documents in one visit, in the order asked for.
    pub async fn get_many(&self, keys: Vec<(Kind, Vec<u8>)>) -> Result<Vec<Option<Stored>>, StoreFault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        match &self.engine {
            Engine::Memory(engine) => Ok(engine.get_many(&keys)),
            Engine::Sqlite(engine) => engine.get_many(keys).await,
            Engine::Postgres(engine) => engine.get_many(keys).await,
        }
    }

    /// Documents of a kind in the order of their keys, after `after`, at most `limit` (and [`LIST_MAX`]).
    pub async fn list(&self, kind: Kind, after: &[u8], limit: usize) -> Result<Vec<Stored>, StoreFault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let limit = limit.min(LIST_MAX);
        match &self.engine {
            Engine::Memory(engine) => Ok(engine.list(kind, after, limit)),
            Engine::Sqlite(engine) => engine.list(kind, after.to_vec(), limit).await,
            Engine::Postgres(engine) => engine.list(kind, after.to_vec(), limit).await,
        }
    }

    /// Documents of a kind against the order of their keys, before `before` or else from the last one, at most `limit`
    /// (and [`LIST_MAX`]). For keys that sort by time: newest first.
    pub async fn list_back(
        &self,
        kind: Kind,
        before: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreFault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let limit = limit.min(LIST_MAX);
        match &self.engine {
            Engine::Memory(engine) => Ok(engine.list_back(kind, before, limit)),
            Engine::Sqlite(engine) => engine.list_back(kind, before.map(<[u8]>::to_vec), limit).await,
            Engine::Postgres(engine) => engine.list_back(kind, before.map(<[u8]>::to_vec), limit).await,
        }
    }

    /// Writes a batch whole, durably, or not at all.
    pub async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        if batch.is_empty() {
            return Ok(());
        }
        match &self.engine {
            Engine::Memory(engine) => engine.commit(&batch).map_err(CommitError::Conflict)?,
            Engine::Sqlite(engine) => engine.commit(batch).await?,
            Engine::Postgres(engine) => engine.commit(batch).await?,
        }
        self.batches_written.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The value of a counter; zero where it never moved.
    pub async fn counter(&self, name: &str) -> Result<i64, StoreFault> {
        match &self.engine {
            Engine::Memory(engine) => Ok(engine.counter(name)),
            Engine::Sqlite(engine) => engine.counter(name.to_owned()).await,
            Engine::Postgres(engine) => engine.counter(name.to_owned()).await,
        }
    }

    /// Forgets the counters whose names are in `from..to`.
    pub async fn forget_counters(&self, from: &str, to: &str) -> Result<(), StoreFault> {
        match &self.engine {
            Engine::Memory(engine) => engine.forget_counters(from, to),
            Engine::Sqlite(engine) => engine.forget_counters(from.to_owned(), to.to_owned()).await?,
            Engine::Postgres(engine) => engine.forget_counters(from, to).await?,
        }
        Ok(())
    }

    /// True where other nodes may use the same store.
    pub fn is_shared(&self) -> bool {
        matches!(&self.engine, Engine::Postgres(_))
    }

    /// Drops up to `limit` documents whose time is over; returns how many.
    pub async fn drop_expired(&self, now: Timestamp, limit: usize) -> Result<usize, StoreFault> {
        match &self.engine {
            Engine::Memory(engine) => Ok(engine.drop_expired(now, limit)),
            Engine::Sqlite(engine) => engine.drop_expired(now, limit).await,
            Engine::Postgres(engine) => engine.drop_expired(now, limit).await,
        }
    }

    /// Reads a typed record.
    pub async fn read<R: Record>(&self, key: &[u8]) -> Result<Option<Versioned<R>>, StoreFault> {
        self.get(R::KIND, key).await?.map(typed).transpose()
    }

    /// All records of a kind, page by page, and what is in the place of one that cannot be read. For small kinds.
    pub async fn read_each<R: Record>(&self) -> Result<Vec<Row<R>>, StoreFault> {
        let mut all = Vec::new();
        let mut after = Vec::new();
        loop {
            let page = self.list(R::KIND, &after, LIST_MAX).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = last.key.clone();
            all.extend(page.into_iter().map(|stored| Row {
                key: stored.key.clone(),
                version: stored.version,
                record: typed(stored).map(|found| found.record),
            }));
        }
    }

    /// All records of a kind, page by page. For small kinds; one that cannot be read stands for all.
    pub async fn read_all<R: Record>(&self) -> Result<Vec<Versioned<R>>, StoreFault> {
        let mut all = Vec::new();
        let mut after = Vec::new();
        loop {
            let page = self.list(R::KIND, &after, LIST_MAX).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = last.key.clone();
            for stored in page {
                all.push(typed(stored)?);
            }
        }
    }
}

/// Reads a stored document as the record it is.
pub fn typed<R: Record>(stored: Stored) -> Result<Versioned<R>, StoreFault> {
    serde_json::from_slice(&stored.body)
        .map(|record| Versioned {
            record,
            version: stored.version,
        })
        .map_err(|error| StoreFault::unreadable(R::KIND, &error))
}

#[cfg(test)]
mod tests;

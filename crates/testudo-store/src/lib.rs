//! Stores records: eight operations, three engines, and one test suite that requires the same results from each engine.
//!
//! The operations: `get`, `list`, and within a batch `insert` (the record must be absent), `replace` and `delete` (the
//! record must have a given version), `absent` (the record must be absent and is not written), `mark` (a credential must
//! not have been used), `add` (to a counter, up to a maximum if one is given). A batch is written completely or not at
//! all. Engines store documents; they do not read the fields, and they treat all kinds of records alike. A mark is no
//! document: it has a key and an expiry only.

#![warn(clippy::wildcard_enum_match_arm)]

mod memory;
mod pages;
mod postgres;
mod sqlite;
pub mod suite;

pub use pages::{Pages, Row};
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

/// Maximum number of records that one `list` returns.
pub const LIST_MAX: usize = 1_000;

/// A store. Cheap to share behind an `Arc`.
pub struct Store {
    engine: Engine,
    batches_written: AtomicU64,
    failures: AtomicU64,
    reads: AtomicU64,
}

enum Engine {
    Memory(MemoryEngine),
    Sqlite(SqliteEngine),
    Postgres(PostgresEngine),
}

/// What the inspection of a database found.
pub enum Inspected {
    /// No tables of Testudo; the first start of a server creates them.
    Empty,
    /// A store; and the version of its schema, if the next start of a server will migrate it.
    Found(Box<Store>, Option<usize>),
}

/// A notice that this node or another one changed a record that nodes keep in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// One record changed.
    Record(Kind, Vec<u8>),
    /// Any record may have changed: notices were missed, or the database was restored from an older state.
    Everything,
    /// Nothing changed; all changes that any node committed before this moment have been sent to the receiver.
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

/// Why a batch was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitError {
    /// A record was changed meanwhile: load the records and decide again.
    Conflict(Conflict),
    /// The store cannot be reached or refuses to write; nothing of the batch was written.
    Unavailable(StoreFault),
    /// Too many batches are waiting.
    Busy,
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommitError::Conflict(Conflict::Exists(..)) => {
                f.write_str("a record that must be absent is there")
            }
            CommitError::Conflict(Conflict::Used(_)) => f.write_str("the credential was used before"),
            CommitError::Conflict(Conflict::Changed(..)) => f.write_str("the record was changed meanwhile"),
            CommitError::Conflict(Conflict::OverLimit(counter)) => {
                write!(f, "the counter {counter} has reached its limit")
            }
            CommitError::Unavailable(fault) => fault.fmt(f),
            CommitError::Busy => f.write_str("too many writes are waiting for the store"),
        }
    }
}

/// An error of the store, for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFault(pub String);

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreFault {}

impl StoreFault {
    /// The error for a document that cannot be read as a record of its kind.
    pub fn unreadable(kind: Kind, error: &dyn fmt::Display) -> StoreFault {
        StoreFault(format!("a stored {kind:?} cannot be read: {error}"))
    }
}

impl Store {
    /// A store in memory, which ends with the process.
    pub fn memory() -> Store {
        Store::new(Engine::Memory(MemoryEngine::default()))
    }

    /// A SQLite database; it is created if it is absent and migrated if its schema is old. Only one server may use it
    /// at a time.
    pub fn sqlite(path: &Path) -> Result<Store, StoreFault> {
        SqliteEngine::open(path).map(|engine| Store::new(Engine::Sqlite(engine)))
    }

    /// Opens the SQLite database for reading by a tool, while a server may be using it.
    pub fn sqlite_beside_a_server(path: &Path) -> Result<Store, StoreFault> {
        SqliteEngine::open_beside(path).map(|engine| Store::new(Engine::Sqlite(engine)))
    }

    /// Releases the lock of a database that only one server may use. For a server that has stopped while its process
    /// continues.
    pub fn release_lock(&self) {
        match &self.engine {
            Engine::Sqlite(engine) => engine.release_lock(),
            Engine::Memory(_) | Engine::Postgres(_) => {}
        }
    }

    /// A PostgreSQL database, shared by many nodes; it is migrated if its schema is old. With TLS, the certificate of
    /// the database must be issued by a root of the system or of `extra_roots_pem`.
    pub async fn postgres(url: &str, extra_roots_pem: Option<&[u8]>) -> Result<Store, StoreFault> {
        PostgresEngine::open(url, extra_roots_pem)
            .await
            .map(|engine| Store::new(Engine::Postgres(engine)))
    }

    /// Inspects a PostgreSQL database without creating or changing anything there.
    pub async fn inspect_postgres(
        url: &str,
        extra_roots_pem: Option<&[u8]>,
    ) -> Result<Inspected, StoreFault> {
        Ok(match postgres::look(url, extra_roots_pem).await? {
            postgres::Look::Empty => Inspected::Empty,
            postgres::Look::Schema(engine, earlier) => {
                Inspected::Found(Box::new(Store::new(Engine::Postgres(engine))), earlier)
            }
        })
    }

    /// The store's own clock, milliseconds since the epoch. `None` for engines in this process, which use the clock of
    /// this machine.
    pub async fn millis(&self) -> Result<Option<u64>, StoreFault> {
        match &self.engine {
            Engine::Memory(_) | Engine::Sqlite(_) => Ok(None),
            Engine::Postgres(engine) => engine.millis().await.map(Some),
        }
    }

    /// The time since the store last answered. Zero for engines in this process.
    pub fn unanswered_for(&self) -> Duration {
        match &self.engine {
            Engine::Memory(_) | Engine::Sqlite(_) => Duration::ZERO,
            Engine::Postgres(engine) => engine.unanswered_for(),
        }
    }

    /// Notices of changes by any node, if several nodes share the store.
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
            failures: AtomicU64::new(0),
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

    /// Number of batches that were written since the start.
    pub fn batches_written(&self) -> u64 {
        self.batches_written.load(Ordering::Relaxed)
    }

    /// Number of reads since the start.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Reads and writes that failed since the start. A batch that lost a race did not fail.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn note<T>(&self, outcome: Result<T, StoreFault>) -> Result<T, StoreFault> {
        if outcome.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    /// One document.
    pub async fn get(&self, kind: Kind, key: &[u8]) -> Result<Option<Stored>, StoreFault> {
        Ok(self.get_many(vec![(kind, key.to_vec())]).await?.pop().flatten())
    }

    /// Several documents at once, in the order of `keys`.
    pub async fn get_many(&self, keys: Vec<(Kind, Vec<u8>)>) -> Result<Vec<Option<Stored>>, StoreFault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        match &self.engine {
            Engine::Memory(engine) => Ok(engine.get_many(&keys)),
            Engine::Sqlite(engine) => self.note(engine.get_many(keys).await),
            Engine::Postgres(engine) => self.note(engine.get_many(keys).await),
        }
    }

    /// Documents of a kind in the order of their keys, after `after`, at most `limit` (and [`LIST_MAX`]).
    pub async fn list(&self, kind: Kind, after: &[u8], limit: usize) -> Result<Vec<Stored>, StoreFault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let limit = limit.min(LIST_MAX);
        match &self.engine {
            Engine::Memory(engine) => Ok(engine.list(kind, after, limit)),
            Engine::Sqlite(engine) => self.note(engine.list(kind, after.to_vec(), limit).await),
            Engine::Postgres(engine) => self.note(engine.list(kind, after.to_vec(), limit).await),
        }
    }

    /// Documents of a kind in descending order of their keys, from the one before `before` or from the last one, at
    /// most `limit` (and [`LIST_MAX`]). For keys that sort by time, this is newest first.
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
            Engine::Sqlite(engine) => {
                self.note(engine.list_back(kind, before.map(<[u8]>::to_vec), limit).await)
            }
            Engine::Postgres(engine) => {
                self.note(engine.list_back(kind, before.map(<[u8]>::to_vec), limit).await)
            }
        }
    }

    /// Writes a batch completely and durably, or not at all.
    pub async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        if batch.is_empty() {
            return Ok(());
        }
        let outcome = match &self.engine {
            Engine::Memory(engine) => engine.commit(&batch).map_err(CommitError::Conflict),
            Engine::Sqlite(engine) => engine.commit(batch).await,
            Engine::Postgres(engine) => engine.commit(batch).await,
        };
        match &outcome {
            Ok(()) => self.batches_written.fetch_add(1, Ordering::Relaxed),
            Err(CommitError::Unavailable(_) | CommitError::Busy) => {
                self.failures.fetch_add(1, Ordering::Relaxed)
            }
            Err(CommitError::Conflict(_)) => 0,
        };
        outcome
    }

    /// True if a credential or proof with this mark was used.
    pub async fn is_used(&self, key: &[u8; 32]) -> Result<bool, StoreFault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        match &self.engine {
            Engine::Memory(engine) => Ok(engine.is_used(key)),
            Engine::Sqlite(engine) => self.note(engine.is_used(*key).await),
            Engine::Postgres(engine) => self.note(engine.is_used(key).await),
        }
    }

    /// The number of marks of used credentials and proofs.
    pub async fn count_marks(&self) -> Result<usize, StoreFault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        match &self.engine {
            Engine::Memory(engine) => Ok(engine.count_marks()),
            Engine::Sqlite(engine) => self.note(engine.count_marks().await),
            Engine::Postgres(engine) => self.note(engine.count_marks().await),
        }
    }

    /// The value of a counter; zero if it was never changed.
    pub async fn counter(&self, name: &str) -> Result<i64, StoreFault> {
        match &self.engine {
            Engine::Memory(engine) => Ok(engine.counter(name)),
            Engine::Sqlite(engine) => engine.counter(name.to_owned()).await,
            Engine::Postgres(engine) => engine.counter(name.to_owned()).await,
        }
    }

    /// Deletes the counters whose names are in `from..to`.
    pub async fn forget_counters(&self, from: &str, to: &str) -> Result<(), StoreFault> {
        match &self.engine {
            Engine::Memory(engine) => engine.forget_counters(from, to),
            Engine::Sqlite(engine) => engine.forget_counters(from.to_owned(), to.to_owned()).await?,
            Engine::Postgres(engine) => engine.forget_counters(from, to).await?,
        }
        Ok(())
    }

    /// True if other nodes may use the same store.
    pub fn is_shared(&self) -> bool {
        matches!(&self.engine, Engine::Postgres(_))
    }

    /// Deletes expired documents and marks, `limit` of them or a few more marks; returns how many. Less than `limit`
    /// means that no others are to be deleted now.
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
}

/// Parses a stored document as a record.
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

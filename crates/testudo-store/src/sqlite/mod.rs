//! SQLite: one writer thread that groups batches into transactions, and reader threads with separate connections.
//!
//! A commit costs one flush of the disk (fdatasync), which all batches of a group share. This makes first uses fast. An
//! answer is sent after the commit of the group. The marks of used credentials are in the memory of the writer as well
//! (`marks.rs`).

mod file;
mod marks;
mod readers;
mod schema;
mod writer;

use crate::{CommitError, StoreFault, Stored};
use marks::{MARKS_MAX, Marks};
use readers::Readers;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::JoinHandle;
use testudo_core::records::{Batch, Kind};
use testudo_protocol::Timestamp;
use tokio::sync::oneshot;
use writer::Job;

/// Batches that may wait for the writer. With a full queue, first uses are answered with 503.
const QUEUE_MAX: usize = 4_096;

pub(crate) struct SqliteEngine {
    jobs: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
    readers: Readers,
    /// The lock of the file; `None` for a tool that reads the file while a server may be running.
    held: Option<file::Held>,
}

fn fault(error: rusqlite::Error) -> StoreFault {
    StoreFault(format!("SQLite: {error}"))
}

impl SqliteEngine {
    /// Opens the file for a server; no other server can use it meanwhile.
    pub(crate) fn open(path: &Path) -> Result<SqliteEngine, StoreFault> {
        let held = file::Held::take(path)?;
        SqliteEngine::connect(path, Some(held))
    }

    /// Opens the file for a tool, while a server may be running.
    pub(crate) fn open_beside(path: &Path) -> Result<SqliteEngine, StoreFault> {
        drop(file::open(path)?);
        SqliteEngine::connect(path, None)
    }

    /// Releases the lock of the file, for a server that has stopped while its process continues. A mark that is written
    /// later is not in the memory of the next server; but its request ended when the server stopped, so it got no token.
    pub(crate) fn release_lock(&self) {
        if let Some(held) = &self.held {
            held.release_lock();
        }
    }

    fn connect(path: &Path, held: Option<file::Held>) -> Result<SqliteEngine, StoreFault> {
        // Without SQLITE_OPEN_URI, a path that begins with `file:` is a path and not a URI.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)
            .map_err(|error| StoreFault(format!("cannot open {}: {error}", path.display())))?;
        let is_owner = held.is_some();
        let prepared = schema::prepare(&connection).and_then(|()| match is_owner {
            true => Marks::read(&mut connection),
            false => Ok(Marks::none(MARKS_MAX)),
        });
        let marks = prepared.map_err(|error| {
            let remedy = match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => ": move that file away, or name another one in store.url",
                _ => "",
            };
            StoreFault(format!("SQLite: {}: {error}{remedy}", path.display()))
        })?;
        let (jobs, queue) = std::sync::mpsc::sync_channel(QUEUE_MAX);
        let writer = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer::run(connection, marks, &queue))
            .map_err(|error| StoreFault(format!("cannot start the writer thread: {error}")))?;
        Ok(SqliteEngine {
            jobs: Some(jobs),
            writer: Some(writer),
            readers: Readers::start(path)?,
            held,
        })
    }

    fn send(&self, job: Job) -> Result<(), CommitError> {
        let gone = || CommitError::Unavailable(StoreFault("the writer thread has ended".into()));
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => CommitError::Busy,
            TrySendError::Disconnected(_) => gone(),
        })
    }

    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        if batch.has_mark() {
            self.has_marks().map_err(CommitError::Unavailable)?;
        }
        let (reply, answer) = oneshot::channel();
        self.send(Job::Commit(batch, reply))?;
        answer.await.unwrap_or_else(|_| {
            Err(CommitError::Unavailable(StoreFault(
                "the writer thread has ended".into(),
            )))
        })
    }

    pub(crate) async fn counter(&self, name: String) -> Result<i64, StoreFault> {
        self.ask(|reply| Job::Counter(name, reply)).await
    }

    pub(crate) async fn forget_counters(&self, from: String, to: String) -> Result<(), StoreFault> {
        self.ask(|reply| Job::ForgetCounters(from, to, reply)).await?
    }

    pub(crate) async fn drop_expired(&self, now: Timestamp, limit: usize) -> Result<usize, StoreFault> {
        self.ask(|reply| Job::DropExpired(now, limit, reply)).await?
    }

    /// True if a credential with this mark was used.
    pub(crate) async fn is_used(&self, key: [u8; 32]) -> Result<bool, StoreFault> {
        self.has_marks()?;
        self.ask(|reply| Job::IsUsed(key, reply)).await
    }

    pub(crate) async fn count_marks(&self) -> Result<usize, StoreFault> {
        self.has_marks()?;
        self.ask(Job::CountMarks).await
    }

    /// Only the server that owns the file has its marks in memory.
    fn has_marks(&self) -> Result<(), StoreFault> {
        match self.held {
            Some(_) => Ok(()),
            None => Err(StoreFault(
                "only the server that uses the SQLite file has its marks of used credentials".into(),
            )),
        }
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, StoreFault> {
        let (reply, answer) = oneshot::channel();
        self.send(job(reply)).map_err(|_| {
            StoreFault("the queue of the writer thread is full, or the thread has ended".into())
        })?;
        answer
            .await
            .map_err(|_| StoreFault("the writer thread has ended".into()))
    }

    pub(crate) async fn get_many(
        &self,
        keys: Vec<(Kind, Vec<u8>)>,
    ) -> Result<Vec<Option<Stored>>, StoreFault> {
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT version, body FROM records WHERE kind = ?1 AND key = ?2")?;
            keys.into_iter()
                .map(|(kind, key)| {
                    let found = statement
                        .query_row(params![kind as u8, key], |row| {
                            Ok((row.get::<_, i64>(0)?, row.get(1)?))
                        })
                        .optional()?;
                    Ok(found.map(|(version, body)| Stored {
                        key,
                        version: version as u64,
                        body,
                    }))
                })
                .collect()
        })
        .await
    }

    pub(crate) async fn list(
        &self,
        kind: Kind,
        after: Vec<u8>,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreFault> {
        self.read(move |connection| {
            connection
                .prepare_cached(
                    "SELECT key, version, body FROM records WHERE kind = ?1 AND key > ?2 ORDER BY key LIMIT ?3",
                )?
                .query_map(params![kind as u8, after, limit as i64], stored)?
                .collect()
        })
        .await
    }

    pub(crate) async fn list_back(
        &self,
        kind: Kind,
        before: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreFault> {
        self.read(move |connection| {
            let Some(before) = before else {
                return connection
                    .prepare_cached(
                        "SELECT key, version, body FROM records WHERE kind = ?1 ORDER BY key DESC LIMIT ?2",
                    )?
                    .query_map(params![kind as u8, limit as i64], stored)?
                    .collect();
            };
            connection
                .prepare_cached(
                    "SELECT key, version, body FROM records WHERE kind = ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3",
                )?
                .query_map(params![kind as u8, before, limit as i64], stored)?
                .collect()
        })
        .await
    }

    /// Runs a query outside the async threads, because a page that is not cached is read from the disk.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreFault> {
        self.readers.read(query).await
    }
}

fn stored(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored {
        key: row.get(0)?,
        version: row.get::<_, i64>(1)? as u64,
        body: row.get(2)?,
    })
}

/// Ends the writer after everything that was sent to it is written.
impl Drop for SqliteEngine {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // A panic of the writer is ignored: every batch that it acknowledged is on the disk.
            let _ = writer.join();
        }
    }
}

//! Reader threads, each with its own connection. The runtime's pool of blocking threads is not used: other blocking
//! work in the process could fill it, and then no client could be read.

use super::{fault, schema};
use crate::StoreFault;
use rusqlite::{Connection, OpenFlags};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Number of reader threads. Reads seldom wait for the disk, so more threads would only compete for the same few cores.
const READERS: usize = 4;
/// Reads that may wait for a thread. With a full queue, a request is answered with 503.
const QUEUE_MAX: usize = 4_096;

type Query = Box<dyn FnOnce(&mut Reader) + Send>;

pub(super) struct Readers {
    queries: Option<SyncSender<Query>>,
    threads: Vec<JoinHandle<()>>,
}

/// The connection of one thread.
struct Reader {
    path: PathBuf,
    connection: Option<Connection>,
}

impl Readers {
    pub(super) fn start(path: &Path) -> Result<Readers, StoreFault> {
        let (queries, waiting) = std::sync::mpsc::sync_channel::<Query>(QUEUE_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut threads = Vec::new();
        for number in 0..READERS {
            let waiting = waiting.clone();
            let reader = Reader {
                path: path.to_owned(),
                connection: None,
            };
            let thread = std::thread::Builder::new()
                .name(format!("store-reader-{number}"))
                .spawn(move || run(reader, &waiting))
                .map_err(|error| StoreFault(format!("cannot start a reader thread: {error}")))?;
            threads.push(thread);
        }
        Ok(Readers {
            queries: Some(queries),
            threads,
        })
    }

    /// Runs a query on one of the threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreFault> {
        let gone = || StoreFault("the reader threads have ended".into());
        let (reply, answer) = oneshot::channel();
        let job: Query = Box::new(move |reader| {
            let found = reader
                .connection()
                .and_then(|connection| query(connection).map_err(fault));
            // The caller may have stopped waiting.
            let _ = reply.send(found);
        });
        let queries = self.queries.as_ref().ok_or_else(gone)?;
        queries.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => StoreFault("too many reads are waiting".into()),
            TrySendError::Disconnected(_) => gone(),
        })?;
        // Queries that were queued are answered before the threads end, so a missing answer means that the query
        // panicked.
        answer.await.map_err(|_| {
            StoreFault("a read panicked, which is a bug of the server; the log has the location".into())
        })?
    }
}

fn run(mut reader: Reader, waiting: &Mutex<Receiver<Query>>) {
    loop {
        // One thread waits for the next query while it holds the lock; the other threads wait for the lock.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            // A query that panics fails only its own request. Without this, each panic would end a reader thread
            // permanently.
            Ok(query) => {
                if catch_unwind(AssertUnwindSafe(|| query(&mut reader))).is_err() {
                    // The connection is dropped, because statements and transactions may be open in it.
                    reader.connection = None;
                }
            }
            Err(_) => return,
        }
    }
}

impl Reader {
    /// The connection is opened at the first query, since not every thread is needed.
    fn connection(&mut self) -> Result<&Connection, StoreFault> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(&self.path, flags).map_err(fault)?;
                schema::prepare_reader(&connection).map_err(fault)?;
                connection
            }
        };
        Ok(self.connection.insert(connection))
    }
}

/// Ends the threads after all queued queries are answered.
impl Drop for Readers {
    fn drop(&mut self) {
        self.queries = None;
        for thread in self.threads.drain(..) {
            // Panics of queries are caught above; after any other panic of a thread there is nothing to wait for.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn read_that_panics_fails_only_its_own_request_and_no_reader_thread_ends() {
        let path = testudo_testkit::scratch::folder("readers").join("test.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch("CREATE TABLE IF NOT EXISTS t (n INTEGER); INSERT INTO t VALUES (7)")
            .unwrap();
        let readers = Readers::start(&path).unwrap();
        for number in 0..3 * READERS {
            let failed = readers
                .read(move |connection| {
                    // The panic below leaves this transaction open.
                    connection.execute_batch("BEGIN; SELECT n FROM t")?;
                    assert!(number > 3 * READERS, "on purpose");
                    Ok(())
                })
                .await
                .unwrap_err();
            assert!(failed.0.contains("panicked"), "{failed}");
            let read =
                readers.read(|connection| connection.query_row("SELECT n FROM t", [], |row| row.get(0)));
            assert_eq!(read.await, Ok(7));
        }
        assert!(readers.threads.iter().all(|thread| !thread.is_finished()));
        // A transaction that was left open would fail the next BEGIN on the same connection.
        for _ in 0..3 * READERS {
            let begun = readers.read(|connection| connection.execute_batch("BEGIN; COMMIT"));
            assert_eq!(begun.await, Ok(()));
        }
        drop(readers);
    }
}

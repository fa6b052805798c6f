//! Reading: threads of its own with a connection each. The runtime's pool of blocking threads is shared with whatever
//! else blocks in the process; nothing there may keep a client from being read.

use super::{fault, schema};
use crate::StoreFault;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Threads that read. A read waits for the disk now and then; more would only share the same two or four cores.
const READERS: usize = 4;
/// Reads that may wait for a thread. Beyond, a request is answered 503 rather than queued.
const QUEUE_MAX: usize = 4_096;

type Query = Box<dyn FnOnce(&mut Reader) + Send>;

pub(super) struct Readers {
    queries: Option<SyncSender<Query>>,
    threads: Vec<JoinHandle<()>>,
}

/// What a thread reads with.
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
            // The caller may have gone.
            let _ = reply.send(found);
        });
        let queries = self.queries.as_ref().ok_or_else(gone)?;
        queries.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => StoreFault("too many reads are waiting".into()),
            TrySendError::Disconnected(_) => gone(),
        })?;
        answer.await.map_err(|_| gone())?
    }
}

fn run(mut reader: Reader, waiting: &Mutex<Receiver<Query>>) {
    loop {
        // One thread waits for the next query, the others for their turn to wait.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(query) => query(&mut reader),
            Err(_) => return,
        }
    }
}

impl Reader {
    /// Opened at the first query: not every thread is needed.
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

/// Ends the threads after what was asked has been answered.
impl Drop for Readers {
    fn drop(&mut self) {
        self.queries = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has answered nobody; there is nothing left to wait for.
            let _ = thread.join();
        }
    }
}

//! The database file itself: made for this user alone, and used by one server at a time.
//!
//! Two servers over one file would both serve: each with its own memory, so that a client that is frozen on one goes
//! on on the other. The lock is on the file and not beside it: every path that leads to it meets the same lock. The
//! kernel lets go of it when the process ends, however it ends. It is another kind of lock than the ones by which
//! SQLite orders single accesses: `sqlite3` and backups work as ever.

use crate::StoreFault;
use std::fs::{File, OpenOptions, TryLockError};
use std::mem::ManuallyDrop;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Holds the lock of a database file.
pub(super) struct Held(File);

impl Held {
    /// Makes the file where it is absent, and takes its lock.
    pub(super) fn take(path: &Path) -> Result<Held, StoreFault> {
        let file = open(path)?;
        let why = match file.try_lock() {
            Ok(()) => return Ok(Held(file)),
            Err(TryLockError::WouldBlock) => {
                "is in use by another server: SQLite serves one; stop that server, or let several share a PostgreSQL"
                    .to_owned()
            }
            Err(TryLockError::Error(error)) => {
                format!("cannot be locked: {error}; SQLite needs a file system of this machine")
            }
        };
        // Closed, it would take the locks with it that SQLite may hold on this file elsewhere in this process.
        let _stays_open = ManuallyDrop::new(file);
        Err(StoreFault(format!("{} {why}", path.display())))
    }

    /// Lets another server have the file. It stays open, for the reason above.
    pub(super) fn let_go(&self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the lock of the database could not be released; it ends with this process");
        }
    }
}

/// Makes the file where it is absent. SQLite gives `-wal` and `-shm` the mode of the database.
pub(super) fn open(path: &Path) -> Result<File, StoreFault> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    let opened = options.open(path);
    opened.map_err(|error| StoreFault(format!("cannot open {}: {error}", path.display())))
}

//! The database file: only its owner may read it, and only one server uses it at a time.
//!
//! Two servers on one file would each have their own records in memory, so a client that is frozen on one could still
//! get tokens from the other. The lock is on the file itself and not on a second file, so it is the same lock for every
//! path of the file. The kernel releases it when the process ends for any reason. It does not conflict with the locks
//! that SQLite uses for single accesses, so `sqlite3` and backups work while a server runs.

use crate::StoreFault;
use std::fs::{File, OpenOptions, TryLockError};
use std::mem::ManuallyDrop;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Holds the lock of a database file.
pub(super) struct Held(File);

impl Held {
    /// Creates the file if it is absent, and takes its lock.
    pub(super) fn take(path: &Path) -> Result<Held, StoreFault> {
        let file = open(path)?;
        let why = match file.try_lock() {
            Ok(()) => return Ok(Held(file)),
            Err(TryLockError::WouldBlock) => {
                "is in use by another server, and SQLite is for one server: stop that server, or use PostgreSQL for several"
                    .to_owned()
            }
            Err(TryLockError::Error(error)) => {
                format!("cannot be locked: {error}; SQLite needs a local file system")
            }
        };
        // The file stays open: closing it would release the locks that SQLite may have on this file in this process.
        let _stays_open = ManuallyDrop::new(file);
        Err(StoreFault(format!("{} {why}", path.display())))
    }

    /// Releases the lock, so that another server can use the file. The file stays open, for the reason above.
    pub(super) fn release_lock(&self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(event = "store.lock_kept", fault = %error, "the lock of the database file could not be released; it ends with this process");
        }
    }
}

/// Closing the file would release the lock only if no other process had a copy of the descriptor. A process that this one
/// starts has one from its fork until its exec, and then a store that is opened again would find the file locked.
impl Drop for Held {
    fn drop(&mut self) {
        self.release_lock();
    }
}

/// Creates the file if it is absent. SQLite creates `-wal` and `-shm` with the mode of the database file.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_ends_with_its_holder_although_a_started_process_still_has_a_copy_of_the_descriptor() {
        let path = testudo_testkit::scratch::folder("held").join("test.db");
        let held = Held::take(&path).unwrap();
        assert!(Held::take(&path).is_err());
        let copy = held.0.try_clone().unwrap();
        drop(held);
        assert!(Held::take(&path).is_ok());
        drop(copy);
    }
}

//! Records up to which row a node has read the table of changes, and detects whether it missed changes.
//!
//! Rows of that table are pruned, a database fails over to a standby that had not received the last of them, and a
//! backup is restored. So a node keeps the last row that it read, not only its number, and the next poll reads that row
//! again. If the row is missing, or is another row with the same number, changes may have been missed or undone, and
//! all records are loaded again. The code is pure: the listener uses it with a database, the tests with a model of a
//! database.

use std::time::SystemTime;

/// A row of the table of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The number (oid) of the table. It is a different one after a dump was restored.
    pub(super) table: u32,
    pub(super) id: i64,
    /// When the row was written. After the last rows were lost, their numbers are used again, but not their times.
    pub(super) at: SystemTime,
    pub(super) kind: i16,
    pub(super) key: Vec<u8>,
}

/// The last row of the table of changes that the node read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// The database, and the start of its server.
    epoch: String,
    last: Row,
}

/// Changes may have been missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap;

impl Mark {
    pub(super) fn new(epoch: String, last: Row) -> Mark {
        Mark { epoch, last }
    }

    /// Continues from the current last row. Call it before the records are loaded again.
    pub(super) fn restart(&mut self, last: Row) {
        self.last = last;
    }

    /// True if the mark was made at the same start of the same server. Another server, or the same one after a restart,
    /// may have lost records without a row in the table of changes: a new client has no row there.
    pub(super) fn is_of(&self, epoch: &str) -> bool {
        self.epoch == epoch
    }

    /// The first number to read: that of the last row that was read.
    pub(super) fn from(&self) -> i64 {
        self.last.id
    }

    /// Moves the mark over the rows that were read, which start at [`Mark::from`] and are in the order of their
    /// numbers; returns the rows that are new.
    pub(super) fn advance<'r>(&mut self, rows: &'r [Row]) -> Result<&'r [Row], Gap> {
        let new = match rows.split_first() {
            Some((first, new)) if *first == self.last => new,
            Some(_) | None => return Err(Gap),
        };
        if let Some(last) = new.last() {
            self.last = last.clone();
        }
        Ok(new)
    }
}

#[cfg(test)]
mod tests;

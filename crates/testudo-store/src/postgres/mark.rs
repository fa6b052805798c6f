//! Where a node stands in the table of changes, and whether it can prove that it missed none.
//!
//! Rows of that table are pruned, a database fails over to a standby that had not received the last of them, and a
//! backup is restored. So a node keeps the last row that it read, not only its number: the next look reads that row
//! again. Where it is not there any more, or is another one under the same number, changes may have been missed or
//! undone, and everything is taken over anew. Pure: the listener asks the database, the tests ask a model of one.

use std::time::SystemTime;

/// A row of the table of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The table's own number: another one after a dump was restored.
    pub(super) table: u32,
    pub(super) id: i64,
    /// When it was written. Numbers are given again after a tail was lost, times are not.
    pub(super) at: SystemTime,
    pub(super) kind: i16,
    pub(super) key: Vec<u8>,
}

/// The end of the table of changes as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// Which database, and which start of its server.
    epoch: String,
    last: Row,
}

/// It cannot be proven that no change was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap;

impl Mark {
    pub(super) fn new(epoch: String, last: Row) -> Mark {
        Mark { epoch, last }
    }

    /// Begins anew where the table ends now. To be called before anything is read anew.
    pub(super) fn restart(&mut self, last: Row) {
        self.last = last;
    }

    /// Records that the database lost need not have left a trace in the table of changes: a new client has no row
    /// there. What another server, or the same one after a restart, still has is therefore not known.
    pub(super) fn is_of(&self, epoch: &str) -> bool {
        self.epoch == epoch
    }

    /// The first number to read: that of the last row seen.
    pub(super) fn from(&self) -> i64 {
        self.last.id
    }

    /// Goes on over rows that were read from [`Mark::from`] on, in the order of their numbers; returns those that
    /// are new.
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

//! The marks of used credentials and proofs: the set is in the memory of the server, and the database has a log of it.
//!
//! One server owns the database file, so the set in its memory is exact, and a mark needs no index in the database.
//! Each group of batches appends its marks to the log in the transaction of the group: a mark is on the disk before the
//! request is answered, and the marks of requests that arrive together are one row. At the start the log is read into
//! memory.
//!
//! The id of a row begins with the period of time in which its marks expire. So the rows that expire together are
//! adjacent and are deleted together, without an index of the expiries, and whatever the order in which they were
//! written.

use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::HashSet;
use testudo_core::identity::SingleUse;
use testudo_protocol::Timestamp;

/// The number under which marks were records, until version 1 of the schema.
const KIND_OF_RECORDS: u8 = 7;
/// A period has 64 seconds (2 to the power of this). A mark is deleted after its period, so up to 64 seconds later than
/// it may be.
const PERIOD_BITS: u32 = 6;
/// The rows of one period have numbers of this many bits: more than 200,000 groups per second could be written.
const NUMBER_BITS: u32 = 24;
/// The last period, so that the id of a row is a positive number of 63 bits for any expiry.
const PERIOD_MAX: i64 = (1 << 38) - 1;
/// Marks in one row, so that little memory is needed to delete it.
const ROW_MAX: usize = 1_024;
/// Marks in memory: some 390 MB. A proof has its mark for less than eight minutes, so 10 million marks are 21,000 proofs
/// in each second. A mark cannot be forgotten before its time: with this number of marks, no proof and no single-use
/// credential is accepted.
pub(super) const MARKS_MAX: usize = 10_000_000;
/// Records of an earlier version that become rows in one transaction.
const ADOPTED_AT_ONCE: usize = 8_192;
/// The set is divided, so that each table that has to grow is small: no request waits for long, and little memory is
/// needed twice.
const TABLES: usize = 64;

/// The first half of the key of a mark, which is a SHA-256 hash. Two different credentials have the same digest with a
/// probability of 1 in 2^128. The second one is then refused; no used credential is ever accepted. A caller can make
/// two proofs of its own with the same digest (some 2^64 attempts), and gains nothing: one of them is refused. To have
/// the proof of another caller refused, it would have to find its digest among 2^128.
type Digest = [u8; 16];

/// In memory a mark needs 20 to 39 bytes: each place of a table has 17 bytes, and tables are 44 to 87 percent full.
pub(super) struct Marks {
    tables: Vec<HashSet<Digest>>,
    /// Period and digest of the marks of the group that is being written. They are in the set already.
    unwritten: Vec<(i64, Digest)>,
    max: usize,
}

impl Marks {
    /// No marks. With `max` of them the set is full.
    pub(super) fn none(max: usize) -> Marks {
        Marks {
            tables: vec![HashSet::new(); TABLES],
            unwritten: Vec::new(),
            max,
        }
    }

    /// Reads the log, and moves marks that an earlier version wrote as records into it.
    pub(super) fn read(connection: &mut Connection) -> rusqlite::Result<Marks> {
        let mut marks = Marks::none(MARKS_MAX);
        {
            let mut statement = connection.prepare("SELECT digests FROM marks")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                for digest in digests(row.get_ref(0)?.as_blob()?) {
                    marks.table(digest).insert(*digest);
                }
            }
        }
        while marks.adopt_records(connection)? > 0 {}
        // The pages of the log are not read again.
        connection.execute_batch("PRAGMA shrink_memory")?;
        Ok(marks)
    }

    /// Adds a mark to the set and to the group; false if the set has it already.
    pub(super) fn insert(&mut self, mark: &SingleUse) -> bool {
        self.add(period(mark.keep_until), digest(&mark.key))
    }

    pub(super) fn contains(&self, key: &[u8; 32]) -> bool {
        let digest = digest(key);
        self.tables
            .get(place(&digest))
            .is_some_and(|table| table.contains(&digest))
    }

    pub(super) fn count(&self) -> usize {
        self.tables.iter().map(HashSet::len).sum()
    }

    /// True if no group with marks may be written. Checked before a group, which can exceed the maximum by its own marks.
    pub(super) fn is_full(&self) -> bool {
        self.count() >= self.max
    }

    /// How many marks the group has so far.
    pub(super) fn in_group(&self) -> usize {
        self.unwritten.len()
    }

    /// Removes the marks of the group after the first `count`: their batch conflicts, or the group was not written.
    pub(super) fn take_back(&mut self, count: usize) {
        for (_, digest) in self.unwritten.split_off(count.min(self.unwritten.len())) {
            self.table(&digest).remove(&digest);
        }
    }

    /// Appends the marks of the group to the log. They can still be removed until the group is complete.
    pub(super) fn append(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.unwritten.sort_unstable_by_key(|(period, _)| *period);
        for of_period in self.unwritten.chunk_by(|one, next| one.0 == next.0) {
            for row in of_period.chunks(ROW_MAX) {
                append_row(connection, row)?;
            }
        }
        Ok(())
    }

    /// The group is on the disk.
    pub(super) fn complete(&mut self) {
        self.unwritten.clear();
    }

    /// Deletes rows whose marks have expired, from the first one, until `limit` marks are deleted. Returns the deleted
    /// marks, which are to be removed from the set when the transaction is committed.
    pub(super) fn delete_expired(
        connection: &Connection,
        now: Timestamp,
        limit: usize,
    ) -> rusqlite::Result<Vec<Digest>> {
        let mut statement =
            connection.prepare_cached("SELECT id, digests FROM marks WHERE id < ?1 ORDER BY id")?;
        let mut rows = statement.query([first_id(period(now))])?;
        let (mut deleted, mut last) = (Vec::new(), None);
        while deleted.len() < limit
            && let Some(row) = rows.next()?
        {
            last = Some(row.get::<_, i64>(0)?);
            deleted.extend_from_slice(digests(row.get_ref(1)?.as_blob()?));
        }
        drop(rows);
        if let Some(last) = last {
            connection
                .prepare_cached("DELETE FROM marks WHERE id <= ?1")?
                .execute([last])?;
        }
        Ok(deleted)
    }

    /// Removes deleted marks from the set.
    pub(super) fn remove(&mut self, deleted: &[Digest]) {
        for digest in deleted {
            self.table(digest).remove(digest);
        }
        for table in &mut self.tables {
            if table.len() < table.capacity() / 4 {
                table.shrink_to(table.len().saturating_mul(2));
            }
        }
    }

    fn add(&mut self, period: i64, digest: Digest) -> bool {
        let is_new = self.table(&digest).insert(digest);
        if is_new {
            self.unwritten.push((period, digest));
        }
        is_new
    }

    fn table(&mut self, digest: &Digest) -> &mut HashSet<Digest> {
        #[expect(clippy::indexing_slicing, reason = "a place is less than TABLES")]
        &mut self.tables[place(digest)]
    }

    /// Moves some marks that are records into the log, in one transaction. Returns how many records were there.
    fn adopt_records(&mut self, connection: &mut Connection) -> rusqlite::Result<usize> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let records: Vec<(Vec<u8>, Option<i64>)> = transaction
            .prepare_cached("SELECT key, expires FROM records WHERE kind = ?1 ORDER BY key LIMIT ?2")?
            .query_map(params![KIND_OF_RECORDS, ADOPTED_AT_ONCE as i64], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let Some((last, _)) = records.last() else {
            return Ok(0);
        };
        for (key, expires) in &records {
            if let Some(digest) = key.first_chunk() {
                self.add(period(Timestamp(expires.unwrap_or(i64::MAX))), *digest);
            }
        }
        self.append(&transaction)?;
        transaction
            .prepare_cached("DELETE FROM records WHERE kind = ?1 AND key <= ?2")?
            .execute(params![KIND_OF_RECORDS, last])?;
        transaction.commit()?;
        self.complete();
        Ok(records.len())
    }
}

/// Which table has a digest.
fn place(digest: &Digest) -> usize {
    usize::from(digest[0]) % TABLES
}

fn digest(key: &[u8; 32]) -> Digest {
    let mut digest = [0; 16];
    digest.copy_from_slice(&key[..16]);
    digest
}

/// The digests in a row. The table checks that the length of a row is a multiple of 16.
fn digests(row: &[u8]) -> &[Digest] {
    row.as_chunks().0
}

fn period(time: Timestamp) -> i64 {
    (time.0 >> PERIOD_BITS).clamp(0, PERIOD_MAX)
}

/// The rows of a period have ids from this one to the one before that of the next period.
fn first_id(period: i64) -> i64 {
    period << NUMBER_BITS
}

/// Appends a row behind the last one of its period.
fn append_row(connection: &Connection, marks: &[(i64, Digest)]) -> rusqlite::Result<()> {
    let Some((period, _)) = marks.first() else {
        return Ok(());
    };
    let digests: Vec<Digest> = marks.iter().map(|(_, digest)| *digest).collect();
    connection
        .prepare_cached(
            "INSERT INTO marks (id, digests)
             VALUES (max(?1, 1 + ifnull((SELECT max(id) FROM marks WHERE id < ?2), 0)), ?3)",
        )?
        .execute(params![
            first_id(*period),
            first_id(period.saturating_add(1)),
            digests.as_flattened()
        ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: u32) -> SingleUse {
        let mut key = [0; 32];
        let spread = number.wrapping_mul(0x9e37_79b1).to_be_bytes();
        key[..4].copy_from_slice(&spread);
        SingleUse {
            key,
            keep_until: Timestamp(i64::from(number / 1_000)),
        }
    }

    /// The bytes of the tables: a hash table has 8 places for 7 entries, each with one byte of its own.
    fn bytes(marks: &Marks) -> usize {
        let capacity: usize = marks.tables.iter().map(HashSet::capacity).sum();
        capacity * 8 / 7 * 17
    }

    #[test]
    fn marks_need_little_memory_and_return_it_when_they_expire() {
        let mut marks = Marks::none(MARKS_MAX);
        let count = 100_000;
        for number in 0..count {
            assert!(marks.insert(&mark(number)));
        }
        marks.complete();
        let full = bytes(&marks);
        assert!(full <= 40 * count as usize, "{full}");
        let deleted: Vec<Digest> = (0..count - 100).map(|number| digest(&mark(number).key)).collect();
        for part in deleted.chunks(1_000) {
            marks.remove(part);
        }
        assert_eq!(marks.count(), 100);
        assert!(bytes(&marks) < full / 50, "{} of {full}", bytes(&marks));
        assert!(!marks.insert(&mark(count - 1)) && marks.insert(&mark(0)));
    }
}

//! The writer thread: writes all waiting batches, up to 256, in one transaction.

use super::marks::Marks;
use crate::{CommitError, Conflict, StoreFault};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use testudo_core::records::{Batch, Write};
use testudo_protocol::Timestamp;
use tokio::sync::oneshot;

/// Batches in one transaction.
const GROUP_MAX: usize = 256;
/// If a group had this many batches, more requests arrive than transactions: the next group gathers.
const MANY: usize = 4;
/// A group that gathers is written as soon as it has this many batches. A transaction has a price of its own (a flush of
/// the disk), whatever is in it, so fewer transactions cost each request less. A server that is not busy does not wait.
const ENOUGH: usize = 16;
/// The steps in which a group gathers, and how many there are at most: two milliseconds. Each step costs a wake-up of
/// the thread.
const STEP: Duration = Duration::from_millis(1);
const STEPS_MAX: usize = 2;
/// After this time without work, the write-ahead log is copied into the database file (a checkpoint).
const IDLE_BEFORE_CHECKPOINT: Duration = Duration::from_secs(2);

pub(super) enum Job {
    Commit(Batch, oneshot::Sender<Result<(), CommitError>>),
    Counter(String, oneshot::Sender<i64>),
    IsUsed([u8; 32], oneshot::Sender<bool>),
    CountMarks(oneshot::Sender<usize>),
    ForgetCounters(String, String, oneshot::Sender<Result<(), StoreFault>>),
    DropExpired(Timestamp, usize, oneshot::Sender<Result<usize, StoreFault>>),
}

/// The values of counters, kept in memory while the server runs; each group writes those that it changed.
#[derive(Default)]
struct Counters {
    values: HashMap<String, i64>,
    moved: Vec<String>,
}

/// What the writer has in memory.
struct State {
    counters: Counters,
    marks: Marks,
}

pub(super) fn run(mut connection: Connection, marks: Marks, queue: &Receiver<Job>) {
    let counters = Counters::default();
    let mut state = State { counters, marks };
    let mut is_checkpointed = true;
    let mut is_busy = false;
    loop {
        let first = match queue.recv_timeout(IDLE_BEFORE_CHECKPOINT) {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => {
                if !is_checkpointed {
                    is_checkpointed = connection
                        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
                        .is_ok();
                }
                is_busy = false;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        is_checkpointed = false;
        let mut group = vec![first];
        take_waiting(queue, &mut group);
        for _ in 0..STEPS_MAX {
            if !is_busy || group.len() >= ENOUGH {
                break;
            }
            std::thread::sleep(STEP);
            take_waiting(queue, &mut group);
        }
        is_busy = group.len() >= MANY;
        work_off(&mut connection, &mut state, group);
    }
}

/// Adds what waits in the queue to the group.
fn take_waiting(queue: &Receiver<Job>, group: &mut Vec<Job>) {
    let room = GROUP_MAX.saturating_sub(group.len());
    group.extend(queue.try_iter().take(room));
}

fn work_off(connection: &mut Connection, state: &mut State, group: Vec<Job>) {
    let mut commits = Vec::with_capacity(group.len());
    let has_no_room = state.marks.is_full();
    for job in group {
        match job {
            Job::Commit(batch, reply) if has_no_room && batch.has_mark() => {
                let fault = StoreFault("the memory for marks of used credentials is full".into());
                let _ = reply.send(Err(CommitError::Unavailable(fault)));
            }
            Job::Commit(batch, reply) => commits.push((batch, reply)),
            Job::Counter(name, reply) => {
                // The request may have ended, so an error of `send` is ignored.
                let _ = reply.send(state.counters.value(connection, &name).unwrap_or(0));
            }
            Job::IsUsed(key, reply) => {
                let _ = reply.send(state.marks.contains(&key));
            }
            Job::CountMarks(reply) => {
                let _ = reply.send(state.marks.count());
            }
            Job::ForgetCounters(from, to, reply) => {
                state
                    .counters
                    .values
                    .retain(|name, _| *name < from || *name >= to);
                let _ = reply.send(forget_counters(connection, &from, &to));
            }
            Job::DropExpired(now, limit, reply) => {
                let dropped = drop_expired(connection, &mut state.marks, now, limit);
                let _ = reply.send(dropped.map_err(super::fault));
            }
        }
    }
    if commits.is_empty() {
        return;
    }
    match write_group(connection, state, &commits) {
        Ok(outcomes) => {
            for ((_, reply), outcome) in commits.into_iter().zip(outcomes) {
                let _ = reply.send(outcome.map_err(CommitError::Conflict));
            }
        }
        Err(error) => {
            tracing::error!(event = "store.refused", fault = %error, batches = commits.len(), "SQLite refused a transaction");
            // The transaction was rolled back, so the counters in memory may be wrong and are read again.
            state.counters = Counters::default();
            state.marks.take_back(0);
            for (_, reply) in commits {
                let fault = StoreFault(format!("SQLite: {error}"));
                let _ = reply.send(Err(CommitError::Unavailable(fault)));
            }
        }
    }
}

type Reply = oneshot::Sender<Result<(), CommitError>>;

/// Writes one transaction. The outer error means that nothing was written, an inner one that its batch was not written.
fn write_group(
    connection: &mut Connection,
    state: &mut State,
    commits: &[(Batch, Reply)],
) -> rusqlite::Result<Vec<Result<(), Conflict>>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut outcomes = Vec::with_capacity(commits.len());
    for (batch, _) in commits {
        outcomes.push(write_batch(&transaction, state, batch)?);
    }
    state.marks.append(&transaction)?;
    for name in std::mem::take(&mut state.counters.moved) {
        let value = state.counters.values.get(&name).copied().unwrap_or(0);
        transaction
            .prepare_cached(
                "INSERT INTO counters VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
            )?
            .execute(params![name, value])?;
    }
    transaction.commit()?;
    state.marks.complete();
    Ok(outcomes)
}

/// Counters are checked first and changed last; documents and marks are written in between, documents under a savepoint.
/// If any step fails, nothing of the batch is written.
fn write_batch(
    connection: &Connection,
    State { counters, marks }: &mut State,
    batch: &Batch,
) -> rusqlite::Result<Result<(), Conflict>> {
    for write in &batch.writes {
        if let Write::Add {
            counter,
            delta,
            max: Some(max),
        } = write
            && *delta > 0
            && counters.value(connection, counter)?.saturating_add(*delta)
                > i64::try_from(*max).unwrap_or(i64::MAX)
        {
            return Ok(Err(Conflict::OverLimit(counter.clone())));
        }
    }
    let needs_savepoint = may_be_partly_written(batch);
    if needs_savepoint {
        connection.prepare_cached("SAVEPOINT batch")?.execute([])?;
    }
    let marks_before = marks.in_group();
    let mut outcome = Ok(());
    for write in &batch.writes {
        outcome = match write {
            Write::Mark(mark) if marks.insert(mark) => Ok(()),
            Write::Mark(mark) => Err(Conflict::Used(mark.key)),
            Write::Insert(_)
            | Write::Replace(..)
            | Write::Delete(..)
            | Write::Absent(..)
            | Write::Add { .. } => write_document(connection, write)?,
        };
        if outcome.is_err() {
            break;
        }
    }
    if outcome.is_err() {
        marks.take_back(marks_before);
    }
    if needs_savepoint {
        if outcome.is_err() {
            connection.prepare_cached("ROLLBACK TO batch")?.execute([])?;
        }
        connection.prepare_cached("RELEASE batch")?.execute([])?;
    }
    if outcome.is_ok() {
        for write in &batch.writes {
            if let Write::Add { counter, delta, .. } = write {
                counters.add(connection, counter, *delta)?;
            }
        }
    }
    Ok(outcome)
}

/// True if a document of the batch may be in the database when a later write of the batch conflicts.
fn may_be_partly_written(batch: &Batch) -> bool {
    let (mut documents, mut marks) = (0, 0);
    for write in &batch.writes {
        match write {
            Write::Insert(_) | Write::Replace(..) | Write::Delete(..) | Write::Absent(..) => documents += 1,
            Write::Mark(_) => marks += 1,
            Write::Add { .. } => {}
        }
    }
    documents > 1 || (documents > 0 && marks > 0)
}

/// Writes a document; a mark and a counter change nothing here.
fn write_document(connection: &Connection, write: &Write) -> rusqlite::Result<Result<(), Conflict>> {
    let changed = match write {
        Write::Insert(document) => connection
            .prepare_cached(
                "INSERT INTO records (kind, key, version, expires, body) VALUES (?1, ?2, 1, ?3, ?4)
                 ON CONFLICT (kind, key) DO NOTHING",
            )?
            .execute(params![
                document.kind as u8,
                document.key,
                document.expires.map(|end| end.0),
                document.body
            ])?,
        Write::Replace(document, version) => connection
            .prepare_cached(
                "UPDATE records SET version = version + 1, expires = ?3, body = ?4
                 WHERE kind = ?1 AND key = ?2 AND version = ?5",
            )?
            .execute(params![
                document.kind as u8,
                document.key,
                document.expires.map(|end| end.0),
                document.body,
                *version as i64
            ])?,
        Write::Absent(kind, key) => {
            let is_there = connection
                .prepare_cached("SELECT 1 FROM records WHERE kind = ?1 AND key = ?2")?
                .exists(params![*kind as u8, key])?;
            usize::from(!is_there)
        }
        Write::Delete(kind, key, version) => connection
            .prepare_cached("DELETE FROM records WHERE kind = ?1 AND key = ?2 AND version = ?3")?
            .execute(params![*kind as u8, key, *version as i64])?,
        Write::Mark(_) | Write::Add { .. } => 1,
    };
    if changed == 1 {
        return Ok(Ok(()));
    }
    Ok(Err(match write {
        Write::Insert(document) => Conflict::Exists(document.kind, document.key.clone()),
        Write::Replace(document, _) => Conflict::Changed(document.kind, document.key.clone()),
        Write::Absent(kind, key) => Conflict::Exists(*kind, key.clone()),
        Write::Delete(kind, key, _) => Conflict::Changed(*kind, key.clone()),
        Write::Mark(mark) => Conflict::Used(mark.key),
        Write::Add { counter, .. } => Conflict::OverLimit(counter.clone()),
    }))
}

fn forget_counters(connection: &Connection, from: &str, to: &str) -> Result<(), StoreFault> {
    let outcome = connection.execute(
        "DELETE FROM counters WHERE name >= ?1 AND name < ?2",
        params![from, to],
    );
    outcome.map(drop).map_err(super::fault)
}

/// Deletes marks, and then documents up to the rest of `limit`.
fn drop_expired(
    connection: &mut Connection,
    marks: &mut Marks,
    now: Timestamp,
    limit: usize,
) -> rusqlite::Result<usize> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let deleted = Marks::delete_expired(&transaction, now, limit)?;
    let documents = transaction
        .prepare_cached(
            "DELETE FROM records WHERE rowid IN
             (SELECT rowid FROM records WHERE expires IS NOT NULL AND expires <= ?1 LIMIT ?2)",
        )?
        .execute(params![now.0, limit.saturating_sub(deleted.len()) as i64])?;
    transaction.commit()?;
    marks.remove(&deleted);
    Ok(deleted.len().saturating_add(documents))
}

impl Counters {
    fn value(&mut self, connection: &Connection, name: &str) -> rusqlite::Result<i64> {
        if let Some(value) = self.values.get(name) {
            return Ok(*value);
        }
        let value = connection
            .prepare_cached("SELECT value FROM counters WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?
            .unwrap_or(0);
        self.values.insert(name.to_owned(), value);
        Ok(value)
    }

    fn add(&mut self, connection: &Connection, name: &str, delta: i64) -> rusqlite::Result<()> {
        let value = self.value(connection, name)?.saturating_add(delta);
        self.values.insert(name.to_owned(), value);
        if !self.moved.iter().any(|moved| moved == name) {
            self.moved.push(name.to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;
    use testudo_core::identity::SingleUse;

    /// Writes one batch, as a group of its own.
    fn commit(connection: &mut Connection, state: &mut State, batch: Batch) -> Result<(), CommitError> {
        let (reply, mut answer) = oneshot::channel();
        work_off(connection, state, vec![Job::Commit(batch, reply)]);
        answer.try_recv().unwrap()
    }

    fn marked(number: u8) -> Batch {
        let mut batch = Batch::default();
        batch.mark(&SingleUse {
            key: [number; 32],
            keep_until: Timestamp(1_000),
        });
        batch
    }

    #[test]
    fn with_the_maximum_of_marks_only_batches_without_marks_are_written_until_some_expire() {
        let path = testudo_testkit::scratch::folder("writer").join("test.db");
        let mut connection = Connection::open(path).unwrap();
        schema::prepare(&connection).unwrap();
        let mut state = State {
            counters: Counters::default(),
            marks: Marks::none(3),
        };
        for number in 0..3 {
            assert_eq!(commit(&mut connection, &mut state, marked(number)), Ok(()));
        }
        let refused = commit(&mut connection, &mut state, marked(3));
        assert!(
            matches!(&refused, Err(CommitError::Unavailable(fault)) if fault.0.contains("is full")),
            "{refused:?}"
        );
        let mut other = Batch::default();
        other.add("clients".to_owned(), 1, None);
        assert_eq!(commit(&mut connection, &mut state, other), Ok(()));
        let dropped = drop_expired(&mut connection, &mut state.marks, Timestamp(2_000), 10);
        assert_eq!(dropped.unwrap(), 3);
        assert_eq!(commit(&mut connection, &mut state, marked(3)), Ok(()));
        assert_eq!(state.marks.count(), 1);
    }
}

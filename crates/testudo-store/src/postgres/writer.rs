//! The writer: writes all waiting batches, up to 256, in one call.

use super::connections::Connections;
use super::hint::Hint;
use super::lease::{StatementFault, checkout};
use crate::{CommitError, Conflict, StoreFault};
use testudo_core::records::{Batch, Kind, Write};
use tokio::sync::{mpsc, oneshot};

/// Batches in one call.
const GROUP_MAX: usize = 256;
/// How often a group is tried if the database undoes it because of another session (deadlock, serialization failure).
/// After that, its requests are answered with 503.
const ATTEMPTS_MAX: u32 = 5;
/// The pause before an attempt is this times the number of the attempt.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

/// The number under which marks are in the table of records. Nodes of an earlier version, which may run beside this one,
/// use it too. No kind of record has it.
pub(super) const MARKS: i16 = 7;

pub(super) struct Job {
    pub(super) batch: Batch,
    pub(super) reply: oneshot::Sender<Result<(), CommitError>>,
}

/// Ends when every sender is dropped.
pub(super) async fn run(connections: Connections, hint: Hint, mut queue: mpsc::Receiver<Job>) {
    let mut group: Vec<Job> = Vec::with_capacity(GROUP_MAX);
    while queue.recv_many(&mut group, GROUP_MAX).await > 0 {
        let outcome = write_group(&connections, &group).await;
        match &outcome {
            Ok(conflicts) => {
                if has_announced(&group, conflicts) {
                    hint.give();
                }
            }
            Err(fault) => {
                tracing::error!(event = "store.refused", %fault, batches = group.len(), "the database refused a group of batches")
            }
        }
        for (position, job) in group.drain(..).enumerate() {
            let answer = match &outcome {
                Ok(conflicts) => match conflicts.get(position).and_then(Option::as_ref) {
                    None => Ok(()),
                    Some(conflict) => Err(CommitError::Conflict(conflict.clone())),
                },
                Err(fault) => Err(CommitError::Unavailable(fault.clone())),
            };
            // The request may have ended, so the error of `send` is ignored; the batch is written in any case.
            let _ = job.reply.send(answer);
        }
    }
}

/// True if a batch that was written has a change of which other nodes must be notified.
fn has_announced(group: &[Job], conflicts: &[Option<Conflict>]) -> bool {
    group.iter().zip(conflicts).any(|(job, conflict)| {
        let is_written = conflict.is_none();
        is_written
            && job
                .batch
                .with_announcements()
                .any(|(_, is_announced)| is_announced)
    })
}

/// The rows of a group, one vector for each column, as the function in the database expects them.
#[derive(Default)]
struct Columns {
    batches: Vec<i32>,
    ops: Vec<i16>,
    kinds: Vec<i16>,
    keys: Vec<Vec<u8>>,
    versions: Vec<i64>,
    expiries: Vec<Option<i64>>,
    bodies: Vec<Vec<u8>>,
    deltas: Vec<i64>,
    maxima: Vec<Option<i64>>,
    announce: Vec<bool>,
}

impl Columns {
    fn push(&mut self, batch: usize, write: &Write, is_announced: bool) {
        let (op, kind, key, version, expiry, body, delta, max) = match write {
            Write::Insert(document) => (
                1,
                document.kind as i16,
                document.key.clone(),
                0,
                document.expires,
                document.body.clone(),
                0,
                None,
            ),
            Write::Replace(document, version) => (
                2,
                document.kind as i16,
                document.key.clone(),
                *version as i64,
                document.expires,
                document.body.clone(),
                0,
                None,
            ),
            Write::Absent(kind, key) => (4, *kind as i16, key.clone(), 0, None, Vec::new(), 0, None),
            Write::Delete(kind, key, version) => (
                3,
                *kind as i16,
                key.clone(),
                *version as i64,
                None,
                Vec::new(),
                0,
                None,
            ),
            Write::Mark(mark) => (
                1,
                MARKS,
                mark.key.to_vec(),
                0,
                Some(mark.keep_until),
                b"{}".to_vec(),
                0,
                None,
            ),
            Write::Add { counter, delta, max } => {
                let max = max.map(|max| i64::try_from(max).unwrap_or(i64::MAX));
                (
                    5,
                    0,
                    counter.as_bytes().to_vec(),
                    0,
                    None,
                    Vec::new(),
                    *delta,
                    max,
                )
            }
        };
        self.batches.push(batch as i32);
        self.ops.push(op);
        self.kinds.push(kind);
        self.keys.push(key);
        self.versions.push(version);
        self.expiries.push(expiry.map(|end| end.0));
        self.bodies.push(body);
        self.deltas.push(delta);
        self.maxima.push(max);
        self.announce.push(is_announced);
    }
}

/// The conflict of each batch, if it has one. With an error, it is not known whether any batch of the group was
/// written.
async fn write_group(connections: &Connections, group: &[Job]) -> Result<Vec<Option<Conflict>>, StoreFault> {
    let mut columns = Columns::default();
    for (position, job) in group.iter().enumerate() {
        for (write, is_announced) in job.batch.with_announcements() {
            columns.push(position, write, is_announced);
        }
    }
    let mut attempts = 1;
    let answers = loop {
        match call(connections, &columns).await? {
            Ok(answers) => break answers,
            Err(failure) if failure.is_transient() && attempts < ATTEMPTS_MAX => {
                attempts += 1;
                tokio::time::sleep(PAUSE * attempts).await;
            }
            Err(failure) => return Err(failure.into_fault()),
        }
    };
    let writes: Vec<&Write> = group.iter().flat_map(|job| &job.batch.writes).collect();
    Ok(answers
        .into_iter()
        .map(|row| {
            usize::try_from(row)
                .ok()?
                .checked_sub(1)
                .and_then(|at| writes.get(at))
                .map(|write| conflict(write))
        })
        .collect())
}

/// Calls the function once. The outer error means that there was no connection.
async fn call(
    connections: &Connections,
    c: &Columns,
) -> Result<Result<Vec<i32>, StatementFault>, StoreFault> {
    let client = checkout(connections).await?;
    let work = async {
        let statement = client
            .prepare_cached("SELECT testudo_write($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
            .await?;
        let row = client
            .query_one(
                &statement,
                &[
                    &c.batches,
                    &c.ops,
                    &c.kinds,
                    &c.keys,
                    &c.versions,
                    &c.expiries,
                    &c.bodies,
                    &c.deltas,
                    &c.maxima,
                    &c.announce,
                ],
            )
            .await?;
        // The number comes from the database; an unexpected value must not end the writer.
        row.try_get(0)
    };
    Ok(client.attempt(work).await)
}

fn conflict(write: &Write) -> Conflict {
    match write {
        Write::Insert(document) => Conflict::Exists(document.kind, document.key.clone()),
        Write::Replace(document, _) => Conflict::Changed(document.kind, document.key.clone()),
        Write::Absent(kind, key) => Conflict::Exists(*kind, key.clone()),
        Write::Delete(kind, key, _) => Conflict::Changed(*kind, key.clone()),
        Write::Mark(mark) => Conflict::Used(mark.key),
        Write::Add { counter, .. } => Conflict::OverLimit(counter.clone()),
    }
}

/// The kind with this number.
pub(super) fn kind_of(number: i16) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| *kind as i16 == number)
}

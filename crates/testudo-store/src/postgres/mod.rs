//! PostgreSQL, and databases that use its protocol: many nodes share one store.
//!
//! The writer task of each node passes waiting batches in one call to a function in the database, so that a group costs
//! one round trip and one commit; a batch that conflicts is undone alone. An advisory lock lets the groups of all nodes
//! run one after the other, so counters cannot deadlock. Changes that other nodes must apply are written to a table in
//! the same transaction; a NOTIFY follows the commit.

mod address;
mod connect;
mod connect_fault;
mod connections;
mod hint;
mod hosts;
mod lease;
mod listener;
mod look;
mod mark;
mod schema;
mod writer;

use crate::{Change, CommitError, StoreFault, Stored};
use connect::Route;
use connections::Connections;
use lease::{Lease, StatementFault, checkout};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use testudo_core::records::{Batch, Kind};
use testudo_protocol::Timestamp;
use tokio::sync::{broadcast, mpsc, oneshot};
use writer::Job;

pub use address::{AddressError, PostgresAddress, Transport};
pub(crate) use look::{Look, look};

/// Up to this number, each document is read by its own statement; more documents are read by one statement.
const FEW_KEYS: usize = 4;
/// Connections in the pool of one node: readers, the writer, upkeep. The listener has one more connection, since it
/// must work while all of these wait.
const CONNECTIONS_MAX: usize = 7;
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// Time in which a statement must be answered. It is needed because a paused server never answers.
const STATEMENT_DEADLINE: Duration = Duration::from_secs(5);
/// Changes of the last hour are kept, and the last of the older ones: a node that read up to this row finds it again
/// after any time without changes, which shows that it missed none.
const PRUNE_CHANGES: &str = "DELETE FROM changes WHERE id <
    (SELECT max(id) FROM changes WHERE at < now() - interval '1 hour')";
/// Batches that may wait for the writer. With a full queue, first uses are answered with 503.
const QUEUE_MAX: usize = 4_096;

pub(crate) struct PostgresEngine {
    connections: Connections,
    jobs: mpsc::Sender<Job>,
    changes: broadcast::Sender<Change>,
    stop: Arc<tokio::sync::Notify>,
    last_answer: Arc<Mutex<Instant>>,
}

/// Ends the listener. The writer ends after the batches that were sent to it are written.
impl Drop for PostgresEngine {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

fn fault(error: impl std::fmt::Display) -> StoreFault {
    StoreFault(format!("PostgreSQL: {error}"))
}

fn parse(url: &str, extra_roots_pem: Option<&[u8]>) -> Result<PostgresAddress, StoreFault> {
    PostgresAddress::parse(url, extra_roots_pem.is_some())
        .map_err(|wrong| StoreFault(format!("store.url {}: {}", wrong.problem, wrong.hint)))
}

impl PostgresEngine {
    /// Connects, migrates under an advisory lock, subscribes to changes, and starts the writer and the listener. Code
    /// that loads records afterwards misses no change.
    pub(crate) async fn open(
        url: &str,
        extra_roots_pem: Option<&[u8]>,
    ) -> Result<PostgresEngine, StoreFault> {
        let address = parse(url, extra_roots_pem)?;
        let route = Route::new(&address, extra_roots_pem)?;
        schema::migrate_to_current(&route, &address).await?;
        let subscription = listener::Subscription::begin(&route, None).await?;
        PostgresEngine::start(route, Some(subscription))
    }

    /// Starts the writer on a current schema, and the listener unless the database is only inspected.
    fn start(
        route: Route,
        subscription: Option<listener::Subscription>,
    ) -> Result<PostgresEngine, StoreFault> {
        let connections = Connections::new(&route)?;
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let (changes, _) = broadcast::channel(1_024);
        let hint = hint::Hint::start(connections.clone());
        tokio::spawn(writer::run(connections.clone(), hint, queue));
        let stop = Arc::new(tokio::sync::Notify::new());
        let last_answer = Arc::new(Mutex::new(Instant::now()));
        if let Some(subscription) = subscription {
            let shared = listener::Shared {
                connections: connections.clone(),
                changes: changes.clone(),
                last_answer: last_answer.clone(),
                stop: stop.clone(),
            };
            tokio::spawn(listener::run(route, subscription, shared));
        }
        Ok(PostgresEngine {
            connections,
            jobs,
            changes,
            stop,
            last_answer,
        })
    }

    /// The time since the database last answered the listener, which polls every half second.
    pub(crate) fn unanswered_for(&self) -> Duration {
        self.last_answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed()
    }

    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        let (reply, answer) = oneshot::channel();
        let gone = || CommitError::Unavailable(StoreFault("the writer has ended".into()));
        self.jobs
            .try_send(Job { batch, reply })
            .map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(_) => CommitError::Busy,
                mpsc::error::TrySendError::Closed(_) => gone(),
            })?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Reads once more, on another connection, if the connection ended meanwhile or may have led to the former server:
    /// after a failover all clients are read again, and a known client must not be refused for one old connection.
    pub(crate) async fn get_many(
        &self,
        keys: Vec<(Kind, Vec<u8>)>,
    ) -> Result<Vec<Option<Stored>>, StoreFault> {
        let client = checkout(&self.connections).await?;
        let first = bodies(&client, &keys).await;
        let found = match first {
            Err(fault) if fault.is_of_connection() => {
                drop(client);
                bodies(&checkout(&self.connections).await?, &keys).await
            }
            outcome => outcome,
        };
        let found = found.map_err(StatementFault::into_fault)?.into_iter();
        let stored = |((_, key), body): ((Kind, Vec<u8>), Option<Body>)| {
            body.map(|Body(version, body)| Stored { key, version, body })
        };
        Ok(keys.into_iter().zip(found).map(stored).collect())
    }

    pub(crate) async fn list(
        &self,
        kind: Kind,
        after: Vec<u8>,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreFault> {
        let text =
            "SELECT key, version, body FROM records WHERE kind = $1 AND key > $2 ORDER BY key LIMIT $3";
        self.rows(text, &[&(kind as i16), &after, &(limit as i64)]).await
    }

    pub(crate) async fn list_back(
        &self,
        kind: Kind,
        before: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreFault> {
        let Some(before) = before else {
            let text = "SELECT key, version, body FROM records WHERE kind = $1 ORDER BY key DESC LIMIT $2";
            return self.rows(text, &[&(kind as i16), &(limit as i64)]).await;
        };
        let text =
            "SELECT key, version, body FROM records WHERE kind = $1 AND key < $2 ORDER BY key DESC LIMIT $3";
        self.rows(text, &[&(kind as i16), &before, &(limit as i64)]).await
    }

    async fn rows(
        &self,
        text: &str,
        parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<Vec<Stored>, StoreFault> {
        let client = checkout(&self.connections).await?;
        client
            .bounded(async {
                let statement = client.prepare_cached(text).await?;
                let rows = client.query(&statement, parameters).await?;
                Ok(rows
                    .into_iter()
                    .map(|row| Stored {
                        key: row.get(0),
                        version: row.get::<_, i64>(1) as u64,
                        body: row.get(2),
                    })
                    .collect())
            })
            .await
    }

    pub(crate) async fn is_used(&self, key: &[u8; 32]) -> Result<bool, StoreFault> {
        let client = checkout(&self.connections).await?;
        let text = "SELECT 1 FROM records WHERE kind = $1 AND key = $2";
        client
            .bounded(async {
                let statement = client.prepare_cached(text).await?;
                let row = client
                    .query_opt(&statement, &[&writer::MARKS, &key.as_slice()])
                    .await?;
                Ok(row.is_some())
            })
            .await
    }

    pub(crate) async fn count_marks(&self) -> Result<usize, StoreFault> {
        let client = checkout(&self.connections).await?;
        let text = "SELECT count(*) FROM records WHERE kind = $1";
        let row = client.bounded(client.query_one(text, &[&writer::MARKS])).await?;
        Ok(usize::try_from(row.get::<_, i64>(0)).unwrap_or(0))
    }

    pub(crate) async fn counter(&self, name: String) -> Result<i64, StoreFault> {
        let client = checkout(&self.connections).await?;
        client
            .bounded(async {
                let statement = client
                    .prepare_cached("SELECT value FROM counters WHERE name = $1")
                    .await?;
                Ok(client
                    .query_opt(&statement, &[&name])
                    .await?
                    .map_or(0, |row| row.get(0)))
            })
            .await
    }

    pub(crate) async fn forget_counters(&self, from: &str, to: &str) -> Result<(), StoreFault> {
        let client = checkout(&self.connections).await?;
        // Compared byte by byte, independent of the collation of the database.
        let text = "DELETE FROM counters WHERE name COLLATE \"C\" >= $1 AND name COLLATE \"C\" < $2";
        client
            .bounded(client.execute(text, &[&from, &to]))
            .await
            .map(drop)
    }

    /// The clock of the database, milliseconds since the epoch.
    pub(crate) async fn millis(&self) -> Result<u64, StoreFault> {
        let client = checkout(&self.connections).await?;
        let text = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        let row = client
            .bounded(async {
                let statement = client.prepare_cached(text).await?;
                client.query_one(&statement, &[]).await
            })
            .await?;
        Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(0))
    }

    pub(crate) async fn drop_expired(&self, now: Timestamp, limit: usize) -> Result<usize, StoreFault> {
        let client = checkout(&self.connections).await?;
        client
            .bounded(async {
                let text = "DELETE FROM records WHERE ctid IN
                        (SELECT ctid FROM records WHERE expires <= least($1, extract(epoch FROM clock_timestamp())::bigint)
                         LIMIT $2 FOR UPDATE SKIP LOCKED)";
                let statement = client.prepare_cached(text).await?;
                let dropped = client.execute(&statement, &[&now.0, &(limit as i64)]).await? as usize;
                client.execute(PRUNE_CHANGES, &[]).await?;
                Ok(dropped)
            })
            .await
    }
}

/// The version and the body of a document.
#[derive(Clone)]
struct Body(u64, Vec<u8>);

/// Reads documents; they are in the order of the keys.
async fn bodies(client: &Lease, keys: &[(Kind, Vec<u8>)]) -> Result<Vec<Option<Body>>, StatementFault> {
    if keys.len() > FEW_KEYS {
        return bodies_at_once(client, keys).await;
    }
    let statement = "SELECT version, body FROM records WHERE kind = $1 AND key = $2";
    client
        .attempt(async {
            let statement = client.prepare_cached(statement).await?;
            let mut found = Vec::with_capacity(keys.len());
            for (kind, key) in keys {
                let row = client.query_opt(&statement, &[&(*kind as i16), key]).await?;
                found.push(row.map(|row| Body(row.get::<_, i64>(0) as u64, row.get(1))));
            }
            Ok(found)
        })
        .await
}

/// Reads many documents by one statement: a round trip for each would cost more than the query.
async fn bodies_at_once(
    client: &Lease,
    keys: &[(Kind, Vec<u8>)],
) -> Result<Vec<Option<Body>>, StatementFault> {
    let kinds: Vec<i16> = keys.iter().map(|(kind, _)| *kind as i16).collect();
    let names: Vec<&[u8]> = keys.iter().map(|(_, key)| key.as_slice()).collect();
    let text = "SELECT wanted.place, records.version, records.body
                FROM unnest($1::smallint[], $2::bytea[]) WITH ORDINALITY AS wanted (kind, key, place)
                JOIN records ON records.kind = wanted.kind AND records.key = wanted.key";
    let rows = client
        .attempt(async {
            let statement = client.prepare_cached(text).await?;
            client.query(&statement, &[&kinds, &names]).await
        })
        .await?;
    let mut found = vec![None; keys.len()];
    for row in rows {
        let place = usize::try_from(row.get::<_, i64>(0)).unwrap_or(0);
        if let Some(slot) = place.checked_sub(1).and_then(|at| found.get_mut(at)) {
            *slot = Some(Body(row.get::<_, i64>(1) as u64, row.get(2)));
        }
    }
    Ok(found)
}

/// The errors of pool and driver print only that an operation failed; the reason is in the chain of their sources.
fn with_causes(error: &dyn std::error::Error) -> StoreFault {
    fault(causes(error))
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(below) = cause {
        let said = below.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = below.source();
    }
    text
}

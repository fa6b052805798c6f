//! Finds what other nodes changed. The listener reads the table of changes in order, after each NOTIFY and at least
//! every half second, since a NOTIFY can be lost.
//!
//! The listener uses a connection outside the pool: statements that wait in the pool (for a lock, for a standby) must
//! not look like a database without an answer, and every poll must ask the same server. Whether changes were missed is
//! decided in [`mark`](`super::mark`).

use super::connect::{AbortOnDrop, Route};
use super::connections::Connections;
use super::lease::bounded;
use super::mark::{Gap, Mark, Row};
use super::writer::kind_of;
use crate::{Change, StoreFault};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, broadcast};
use tokio_postgres::{Client, Statement};

const POLL_INTERVAL: Duration = Duration::from_millis(500);
const RECONNECT_PAUSE: Duration = Duration::from_millis(300);
/// Maximum number of changes that one query reads.
const CHANGES_MAX: i64 = 1_000;

/// A connection that listens, with the last row of the table of changes that was read.
pub(super) struct Subscription {
    client: Client,
    notified: Arc<Notify>,
    since: Statement,
    mark: Mark,
    /// True if the subscription does not continue an earlier one: records in the memory of this node may be out of
    /// date.
    is_new: bool,
    _driver: AbortOnDrop,
}

impl Subscription {
    /// Listens, then reads the last row of the table of changes. A caller that loads records afterwards misses no
    /// change: each change is either in the loaded records or after the mark.
    pub(super) async fn begin(route: &Route, earlier: Option<Mark>) -> Result<Subscription, StoreFault> {
        let notified = Arc::new(Notify::new());
        let (client, driver) = route.connect_alone(notified.clone()).await?;
        bounded(client.batch_execute("LISTEN testudo")).await?;
        let epoch = epoch(&client).await?;
        let since = bounded(client.prepare(ROWS_SINCE)).await?;
        let (mark, is_new) = match earlier {
            Some(mark) if mark.is_of(&epoch) => (mark, false),
            Some(_) | None => (Mark::new(epoch, last_row(&client).await?), true),
        };
        Ok(Subscription {
            client,
            notified,
            since,
            mark,
            is_new,
            _driver: driver,
        })
    }

    /// Polls until an error occurs.
    async fn follow(&mut self, changes: &broadcast::Sender<Change>, answered: &Mutex<Instant>) -> StoreFault {
        loop {
            if let Err(fault) = self.look(changes).await {
                return fault;
            }
            *answered.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            if self.client.is_closed() {
                return StoreFault("PostgreSQL: the listening connection failed".into());
            }
            // A time-out is not an error: it is the poll every half second.
            let _ = tokio::time::timeout(POLL_INTERVAL, self.notified.notified()).await;
        }
    }

    /// Reads the new rows, sends them, and then sends the moment up to which all changes have been sent.
    async fn look(&mut self, changes: &broadcast::Sender<Change>) -> Result<(), StoreFault> {
        // An error of `send` means that there is no receiver, so no record is kept in memory.
        let tell = |change| {
            let _ = changes.send(change);
        };
        loop {
            // The time is taken before the query, since a change that is committed during the query may be missing in
            // its result.
            let asked = Instant::now();
            let rows = bounded(self.client.query(&self.since, &[&self.mark.from(), &CHANGES_MAX])).await?;
            let rows: Vec<Row> = rows.iter().map(row).collect();
            match self.mark.advance(&rows) {
                Ok(new) => new.iter().map(change).for_each(tell),
                Err(Gap) => {
                    tracing::warn!(
                        event = "nodes.read_anew",
                        "changes by other nodes were missed or undone: all records in memory are loaded again"
                    );
                    self.mark.restart(last_row(&self.client).await?);
                    tell(Change::Everything);
                }
            }
            if rows.len() < CHANGES_MAX as usize {
                tell(Change::UpTo(asked));
                return Ok(());
            }
        }
    }

    /// The mark from which the next subscription may continue. `None` if the server closed the connection: it may have
    /// crashed and lost changes that were not on the disk.
    fn into_mark(self) -> Option<Mark> {
        (!self.client.is_closed()).then_some(self.mark)
    }
}

/// The values that the engine shares with the listener.
pub(super) struct Shared {
    /// The pool, which may have connections to the former server after a failover.
    pub(super) connections: Connections,
    /// The channel to which changes are sent.
    pub(super) changes: broadcast::Sender<Change>,
    /// When the database last answered.
    pub(super) last_answer: Arc<Mutex<Instant>>,
    /// Ends the listener.
    pub(super) stop: Arc<Notify>,
}

/// Runs until `stop` is notified.
pub(super) async fn run(route: Route, first: Subscription, shared: Shared) {
    let Shared {
        connections,
        changes,
        last_answer,
        stop,
    } = shared;
    let mut subscription = first;
    loop {
        let fault = tokio::select! {
            fault = subscription.follow(&changes, &last_answer) => fault,
            () = stop.notified() => return,
        };
        tracing::warn!(event = "nodes.unheard", %fault, "changes by other nodes cannot be read from the database; trying again");
        let mark = subscription.into_mark();
        subscription = tokio::select! {
            subscription = begin_again(&route, mark) => subscription,
            () = stop.notified() => return,
        };
        if subscription.is_new {
            tracing::warn!(
                event = "nodes.read_anew",
                "the connection to the database was lost: all records in memory are loaded again"
            );
            connections.discard_all();
            let _ = changes.send(Change::Everything);
        }
    }
}

async fn begin_again(route: &Route, mark: Option<Mark>) -> Subscription {
    loop {
        tokio::time::sleep(RECONNECT_PAUSE).await;
        match Subscription::begin(route, mark.clone()).await {
            Ok(subscription) => return subscription,
            Err(fault) => {
                tracing::warn!(event = "nodes.unheard", %fault, "changes by other nodes cannot be read from the database; trying again")
            }
        }
    }
}

/// Identifies the database and the start of its server.
async fn epoch(client: &Client) -> Result<String, StoreFault> {
    let text = "SELECT concat(oid, '/', extract(epoch FROM pg_postmaster_start_time()))
                FROM pg_database WHERE datname = current_database()";
    Ok(bounded(client.query_one(text, &[])).await?.get(0))
}

const ROWS_SINCE: &str =
    "SELECT tableoid, id, at, kind, key FROM changes WHERE id >= $1 ORDER BY id LIMIT $2";

/// The last row of the table of changes. Into an empty table, a row without a change is inserted first: a node that has
/// read no row could not detect that the table was replaced, or that rows were added and pruned.
///
/// The row is inserted under the advisory lock of the writers. Otherwise a group whose rows have lower numbers but are
/// not committed yet would appear before this row later, and this node would neither load its changes nor be notified
/// of them.
async fn last_row(client: &Client) -> Result<Row, StoreFault> {
    let text = "SELECT tableoid, id, at, kind, key FROM changes ORDER BY id DESC LIMIT 1";
    if let Some(found) = bounded(client.query_opt(text, &[])).await? {
        return Ok(row(&found));
    }
    bounded(client.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(7308002)")).await?;
    let text = "INSERT INTO changes (kind, key) VALUES (0, '') RETURNING tableoid, id, at, kind, key";
    let made = bounded(client.query_one(text, &[])).await?;
    bounded(client.batch_execute("COMMIT")).await?;
    Ok(row(&made))
}

fn row(found: &tokio_postgres::Row) -> Row {
    Row {
        table: found.get(0),
        id: found.get(1),
        at: found.get(2),
        kind: found.get(3),
        key: found.get(4),
    }
}

fn change(row: &Row) -> Change {
    match kind_of(row.kind) {
        Some(kind) => Change::Record(kind, row.key.clone()),
        // A row of a kind that only a later version of Testudo knows. The change may affect decisions for which this
        // version uses another kind of record, so all records in memory are loaded again; such rows are rare. The row
        // that is inserted into an empty table comes here too.
        None => Change::Everything,
    }
}

//! What other nodes changed: the table of changes, read in order, as soon as a NOTIFY says that there is
//! something, and in any case every half second, since a NOTIFY is a hint that can be lost.
//!
//! All of it goes by a connection of its own, never by the pool: statements that wait there (for a lock, for a
//! standby) must not look like a database that is away, and what is known of the server at the other end holds for
//! every look. Whether changes were missed is judged in [`mark`]
//! (`super::mark`).

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

const LOOK_EVERY: Duration = Duration::from_millis(500);
const RECONNECT_PAUSE: Duration = Duration::from_millis(300);
/// Changes read at once.
const CHANGES_MAX: i64 = 1_000;

/// A connection that listens, and how far its node has read.
pub(super) struct Subscription {
    client: Client,
    heard: Arc<Notify>,
    since: Statement,
    mark: Mark,
    /// It does not go on where an earlier one ended: what this node remembers may be wrong.
    is_anew: bool,
    _driver: AbortOnDrop,
}

impl Subscription {
    /// Listens, then looks where the table of changes ends. A caller that reads records afterwards misses no change:
    /// each is either in what it reads, or after the mark.
    pub(super) async fn begin(route: &Route, earlier: Option<Mark>) -> Result<Subscription, StoreFault> {
        let heard = Arc::new(Notify::new());
        let (client, driver) = route.connect_alone(heard.clone()).await?;
        bounded(client.batch_execute("LISTEN testudo")).await?;
        let epoch = epoch(&client).await?;
        let since = bounded(client.prepare(ROWS_SINCE)).await?;
        let (mark, is_anew) = match earlier {
            Some(mark) if mark.is_of(&epoch) => (mark, false),
            Some(_) | None => (Mark::new(epoch, last_row(&client).await?), true),
        };
        Ok(Subscription {
            client,
            heard,
            since,
            mark,
            is_anew,
            _driver: driver,
        })
    }

    /// Looks until something goes wrong.
    async fn follow(&mut self, changes: &broadcast::Sender<Change>, answered: &Mutex<Instant>) -> StoreFault {
        loop {
            if let Err(fault) = self.look(changes).await {
                return fault;
            }
            *answered.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            if self.client.is_closed() {
                return StoreFault("PostgreSQL: the listening connection broke".into());
            }
            // A time-out is the fallback, not a failure.
            let _ = tokio::time::timeout(LOOK_EVERY, self.heard.notified()).await;
        }
    }

    /// Reads what came since, and says up to when that is all.
    async fn look(&mut self, changes: &broadcast::Sender<Change>) -> Result<(), StoreFault> {
        // An error of `send` means that there is no subscriber, so no record is kept in memory.
        let tell = |change| {
            let _ = changes.send(change);
        };
        loop {
            // Before the question: what is committed while it is answered may be in the answer or not.
            let asked = Instant::now();
            let rows = bounded(self.client.query(&self.since, &[&self.mark.from(), &CHANGES_MAX])).await?;
            let rows: Vec<Row> = rows.iter().map(row).collect();
            match self.mark.advance(&rows) {
                Ok(new) => new.iter().map(change).for_each(tell),
                Err(Gap) => {
                    tracing::warn!("changes by other nodes were missed or undone: everything is read anew");
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

    /// Where the next subscription may go on: nowhere after a connection that the other side ended. The server may
    /// have crashed, and have lost what it had not written down.
    fn into_mark(self) -> Option<Mark> {
        (!self.client.is_closed()).then_some(self.mark)
    }
}

/// What the rest of the engine shares with the listener.
pub(super) struct Shared {
    /// The pool, which may hold connections to a server of before a failover.
    pub(super) connections: Connections,
    /// Where changes are told.
    pub(super) changes: broadcast::Sender<Change>,
    /// When the database was last heard.
    pub(super) heard: Arc<Mutex<Instant>>,
    /// Ends the listener.
    pub(super) stop: Arc<Notify>,
}

/// Runs until told to stop.
pub(super) async fn run(route: Route, first: Subscription, shared: Shared) {
    let Shared {
        connections,
        changes,
        heard,
        stop,
    } = shared;
    let mut subscription = first;
    loop {
        let fault = tokio::select! {
            fault = subscription.follow(&changes, &heard) => fault,
            () = stop.notified() => return,
        };
        tracing::warn!(%fault, "changes by other nodes are not heard; trying again");
        let mark = subscription.into_mark();
        subscription = tokio::select! {
            subscription = begin_again(&route, mark) => subscription,
            () = stop.notified() => return,
        };
        if subscription.is_anew {
            tracing::warn!("the database was away: everything is read anew");
            connections.leave_all();
            let _ = changes.send(Change::Everything);
        }
    }
}

async fn begin_again(route: &Route, mark: Option<Mark>) -> Subscription {
    loop {
        tokio::time::sleep(RECONNECT_PAUSE).await;
        match Subscription::begin(route, mark.clone()).await {
            Ok(subscription) => return subscription,
            Err(fault) => tracing::warn!(%fault, "changes by other nodes are not heard; trying again"),
        }
    }
}

/// Which database this is, and which start of its server.
async fn epoch(client: &Client) -> Result<String, StoreFault> {
    let text = "SELECT concat(oid, '/', extract(epoch FROM pg_postmaster_start_time()))
                FROM pg_database WHERE datname = current_database()";
    Ok(bounded(client.query_one(text, &[])).await?.get(0))
}

const ROWS_SINCE: &str =
    "SELECT tableoid, id, at, kind, key FROM changes WHERE id >= $1 ORDER BY id LIMIT $2";

/// The last row. In an empty table one that changes nothing is put first: who has read no row could not tell that
/// the table was exchanged, or that rows came and were pruned.
///
/// That row is written in turn with the groups of all nodes. A group that has its number already and is not committed
/// would come before this row later, and this node would neither load nor be told of what it changed.
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
        // A node of a later version keeps something in memory that this one does not know. It may decide by it what
        // this node decides by another record that it knows: taking over everything is right in any case, and such
        // rows are rare. The first row of a table that was found empty comes here too.
        None => Change::Everything,
    }
}

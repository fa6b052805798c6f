//! What other nodes changed: the table of changes, read in order, as soon as a NOTIFY says that there is
//! something, and in any case every half second, since a connection can be dead without a sign.
//!
//! All of it goes by a connection of its own, never by the pool: statements that wait there (for a lock, for a
//! standby) must not look like a database that is away.

use super::connect::Route;
use super::lease::bounded;
use super::writer::kind_of;
use crate::{Change, StoreFault};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, broadcast};
use tokio_postgres::Client;

const LOOK_EVERY: Duration = Duration::from_millis(500);
const RECONNECT_PAUSE: Duration = Duration::from_millis(300);
/// Changes read at once.
const CHANGES_MAX: i64 = 1_000;

/// Runs until told to stop.
pub(super) async fn run(
    route: Route,
    (changes, heard): (broadcast::Sender<Change>, Arc<Mutex<Instant>>),
    stop: Arc<Notify>,
) {
    let mut last_seen: Option<i64> = None;
    loop {
        let followed = tokio::select! {
            followed = follow(&route, (&changes, &heard), &mut last_seen) => followed,
            () = stop.notified() => return,
        };
        if let Err(fault) = followed {
            tracing::warn!(%fault, "changes by other nodes are not heard; trying again");
        }
        tokio::select! {
            () = tokio::time::sleep(RECONNECT_PAUSE) => {}
            () = stop.notified() => return,
        }
    }
}

/// Follows the changes until the connection breaks.
async fn follow(
    route: &Route,
    (changes, answered): (&broadcast::Sender<Change>, &Mutex<Instant>),
    last_seen: &mut Option<i64>,
) -> Result<(), StoreFault> {
    let heard = Arc::new(Notify::new());
    let (client, _ends_with_us) = route.connect_alone(heard.clone()).await?;
    bounded(client.batch_execute("LISTEN testudo")).await?;
    loop {
        look(&client, changes, last_seen).await?;
        *answered.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        if client.is_closed() {
            return Err(StoreFault("PostgreSQL: the listening connection broke".into()));
        }
        // A time-out is the fallback, not a failure.
        let _ = tokio::time::timeout(LOOK_EVERY, heard.notified()).await;
    }
}

/// Reads what came since. The first look only learns where the end is: nothing is in memory yet.
async fn look(
    client: &Client,
    changes: &broadcast::Sender<Change>,
    last_seen: &mut Option<i64>,
) -> Result<(), StoreFault> {
    let Some(seen) = *last_seen else {
        let row = bounded(client.query_one("SELECT coalesce(max(id), 0) FROM changes", &[])).await?;
        *last_seen = Some(row.get(0));
        return Ok(());
    };
    let text = "SELECT id, kind, key FROM changes WHERE id > $1 ORDER BY id LIMIT $2";
    let rows = bounded(client.query(text, &[&seen, &CHANGES_MAX])).await?;
    for row in rows {
        let id: i64 = row.get(0);
        // Identity values are drawn under the lock that orders the groups; one that was undone leaves a gap of
        // its own, so a gap means nothing unless rows were dropped for age.
        let change = match kind_of(row.get(1)) {
            Some(kind) => Change::Record(kind, row.get(2)),
            None => Change::Everything,
        };
        // Nobody subscribed: nobody has anything in memory.
        let _ = changes.send(change);
        *last_seen = Some(id);
    }
    Ok(())
}

//! What other nodes changed: the table of changes, read in order, as soon as a NOTIFY says that there is
//! something, and in any case every half second, since a connection can be dead without a sign.

use super::writer::kind_of;
use super::{CONNECT_DEADLINE, bounded, checkout, database, fault};
use crate::{Change, StoreFault};
use deadpool_postgres::Pool;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, broadcast};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

const LOOK_EVERY: Duration = Duration::from_millis(500);
const RECONNECT_PAUSE: Duration = Duration::from_millis(300);
/// Changes read at once.
const CHANGES_MAX: i64 = 1_000;

/// Runs until told to stop.
pub(super) async fn run(
    config: Config,
    tls: Option<MakeRustlsConnect>,
    pool: Pool,
    (changes, heard): (broadcast::Sender<Change>, Arc<Mutex<Instant>>),
    stop: Arc<Notify>,
) {
    let mut last_seen: Option<i64> = None;
    loop {
        let followed = tokio::select! {
            followed = follow(&config, tls.clone(), &pool, (&changes, &heard), &mut last_seen) => followed,
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
    config: &Config,
    tls: Option<MakeRustlsConnect>,
    pool: &Pool,
    (changes, answered): (&broadcast::Sender<Change>, &Mutex<Instant>),
    last_seen: &mut Option<i64>,
) -> Result<(), StoreFault> {
    let heard = Arc::new(Notify::new());
    let connect = async {
        match tls {
            Some(tls) => config
                .connect(tls)
                .await
                .map(|(client, connection)| (client, spawn(connection, &heard))),
            None => config
                .connect(NoTls)
                .await
                .map(|(client, connection)| (client, spawn(connection, &heard))),
        }
    };
    let connected = tokio::time::timeout(CONNECT_DEADLINE, connect).await;
    let (client, driver): (Client, _) = connected.map_err(fault)?.map_err(database)?;
    let _ends_with_us = AbortOnDrop(driver);
    bounded(client.batch_execute("LISTEN testudo")).await?;
    loop {
        look(pool, changes, last_seen).await?;
        *answered.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        if client.is_closed() {
            return Err(StoreFault("PostgreSQL: the listening connection broke".into()));
        }
        // A time-out is the fallback, not a failure.
        let _ = tokio::time::timeout(LOOK_EVERY, heard.notified()).await;
    }
}

/// Drives a connection; each notification wakes whoever waits on `heard`.
fn spawn<S, T>(mut connection: Connection<S, T>, heard: &Arc<Notify>) -> tokio::task::JoinHandle<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let heard = heard.clone();
    tokio::spawn(std::future::poll_fn(move |context| {
        loop {
            match connection.poll_message(context) {
                Poll::Ready(Some(Ok(AsyncMessage::Notification(_)))) => heard.notify_one(),
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }))
}

/// Reads what came since. The first look only learns where the end is: nothing is in memory yet.
async fn look(
    pool: &Pool,
    changes: &broadcast::Sender<Change>,
    last_seen: &mut Option<i64>,
) -> Result<(), StoreFault> {
    let client = checkout(pool).await?;
    let Some(seen) = *last_seen else {
        let row = bounded(client.query_one("SELECT coalesce(max(id), 0) FROM changes", &[])).await?;
        *last_seen = Some(row.get(0));
        return Ok(());
    };
    let text = "SELECT id, kind, key FROM changes WHERE id > $1 ORDER BY id LIMIT $2";
    let rows = bounded(async {
        let statement = client.prepare_cached(text).await?;
        client.query(&statement, &[&seen, &CHANGES_MAX]).await
    })
    .await?;
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

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

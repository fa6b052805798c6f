//! Connections to servers of the configuration that stay open between requests, so that not every request costs a
//! handshake. They are bounded in number and in time. A connection is used again only for the same host, port and trust
//! roots; a change of the configuration that makes a new [`Fetcher`](crate::Fetcher) closes all.

use crate::exchange::{Connection, check_url, perhaps_tls, read};
use crate::{Access, FetchFault, Fetched, Fetcher, Outgoing, UrlOrigin};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use testudo_protocol::jose::sha256;
use tokio::time::Instant;
use url::Url;

/// Most open connections to one server that no request uses.
pub const KEPT_CONNECTIONS_PER_SERVER_MAX: usize = 4;
/// Most open connections to all servers that no request uses. Beyond it, a connection is closed after its answer.
pub const KEPT_CONNECTIONS_MAX: usize = 64;
/// After this time without a request, a connection is closed. Servers close idle connections too, most of them later.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// After this time a connection is not used again, so that a new address of the name and a new certificate are noticed.
const AGE_MAX: Duration = Duration::from_secs(300);

/// Sends the request to its URL of the configuration over a connection that is kept open, and reads the answer. A kept
/// connection that breaks before the answer begins is replaced, and the request is sent again.
pub(crate) async fn exchange_kept(
    fetcher: &Fetcher,
    outgoing: &Outgoing<'_>,
    access: Access<'_>,
    body_bytes_max: usize,
) -> Result<Fetched, FetchFault> {
    let origin = UrlOrigin::Configuration;
    let is_tls = check_url(outgoing.url, origin)?;
    let request = outgoing.request().map_err(FetchFault::Http)?;
    let destination = Destination::of(outgoing.url, access);
    let mut answered = None;
    if let Some(mut kept) = fetcher.kept_connections.take(&destination) {
        match kept.send(request.clone()).await {
            Ok(response) => answered = Some((kept, response)),
            // A server that closed one connection may have closed all.
            Err(_) => fetcher.kept_connections.close(&destination),
        }
    }
    let exchanged = async {
        let (connection, response) = match answered {
            Some(answered) => answered,
            None => {
                let tls = fetcher.tls_for(access)?;
                let tls = is_tls.then_some(&tls);
                let mut new = Connection::open(fetcher, outgoing.url, origin, tls).await?;
                let response = new.send(request).await?;
                (new, response)
            }
        };
        let fetched = read(response, body_bytes_max).await?;
        Ok((connection, fetched))
    };
    let (connection, fetched) = exchanged.await.map_err(|fault| perhaps_tls(fault, is_tls))?;
    // Only after a complete answer: what is left of an answer would be read as the next one.
    fetcher.kept_connections.keep(destination, connection);
    Ok(fetched)
}

/// The server of a connection, and how it was verified.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Destination {
    /// Scheme, host and port.
    server: String,
    /// SHA-256 of the PEM file with its only roots.
    roots: Option<[u8; 32]>,
}

impl Destination {
    pub(crate) fn of(url: &Url, access: Access<'_>) -> Destination {
        Destination {
            server: url.origin().ascii_serialization(),
            roots: access.roots_pem.map(sha256),
        }
    }
}

/// The connections that no request uses.
#[derive(Default)]
pub(crate) struct KeptConnections(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    idle: HashMap<Destination, Vec<Idle>>,
    /// True while a task closes those that are idle for too long.
    is_watched: bool,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl KeptConnections {
    /// The connection to this server that was used last, if it may still be used.
    pub(crate) fn take(&self, destination: &Destination) -> Option<Connection> {
        let mut state = locked(&self.0);
        state.close_old(Instant::now());
        let idle = state.idle.get_mut(destination)?.pop()?;
        Some(idle.connection)
    }

    /// Keeps a connection after a complete answer.
    pub(crate) fn keep(&self, destination: Destination, connection: Connection) {
        let now = Instant::now();
        let mut state = locked(&self.0);
        state.close_old(now);
        let all: usize = state.idle.values().map(Vec::len).sum();
        let of_server = state.idle.get(&destination).map_or(0, Vec::len);
        if connection.is_closed()
            || all >= KEPT_CONNECTIONS_MAX
            || of_server >= KEPT_CONNECTIONS_PER_SERVER_MAX
        {
            return;
        }
        let since = now;
        state
            .idle
            .entry(destination)
            .or_default()
            .push(Idle { connection, since });
        if !std::mem::replace(&mut state.is_watched, true) {
            tokio::spawn(watch(Arc::downgrade(&self.0)));
        }
    }

    /// Closes the idle connections to this server.
    pub(crate) fn close(&self, destination: &Destination) {
        locked(&self.0).idle.remove(destination);
    }
}

impl State {
    fn close_old(&mut self, now: Instant) {
        for idle in self.idle.values_mut() {
            idle.retain(|idle| {
                let is_old = now.duration_since(idle.since) >= IDLE_MAX
                    || now.duration_since(idle.connection.opened) >= AGE_MAX;
                !is_old && !idle.connection.is_closed()
            });
        }
        self.idle.retain(|_, idle| !idle.is_empty());
    }
}

/// Closes connections that are idle for too long, until there is none.
async fn watch(kept: std::sync::Weak<Mutex<State>>) {
    loop {
        tokio::time::sleep(IDLE_MAX / 2).await;
        let Some(kept) = kept.upgrade() else { return };
        let mut state = locked(&kept);
        state.close_old(Instant::now());
        if state.idle.is_empty() {
            state.is_watched = false;
            return;
        }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The accept loops.

use super::converse::converse;
use super::listening::Listening;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::sync::watch;

/// Connections that the system keeps until we accept them. As many as it lets us: a flood that fills this queue
/// delays good clients by a second each.
const BACKLOG: u32 = 4096;

/// A listener on a TCP address.
pub fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    let failed = |error: std::io::Error| format!("cannot listen on {address}: {error}");
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = socket.map_err(failed)?;
    socket.set_reuseaddr(true).map_err(failed)?;
    socket.bind(address).map_err(failed)?;
    socket.listen(BACKLOG).map_err(failed)
}

/// Accepts until told to stop. Connections go on; [`super::Connections::drain`] ends them.
pub async fn accept(listener: TcpListener, listening: Listening, mut stop: watch::Receiver<bool>) {
    let listening = Arc::new(listening);
    loop {
        let accepted = tokio::select! {
            accepted = async { (listening.connections.permit().await, listener.accept().await) } => accepted,
            _ = stop.changed() => return,
        };
        let (Some(permit), accepted) = accepted else {
            return;
        };
        match accepted {
            Ok((stream, peer)) => {
                // A client of IPv4 is one, also where it comes to a socket of IPv6.
                let address = peer.ip().to_canonical();
                if let Ok(seat) = listening
                    .connections
                    .admit(Some(address), listening.door.kind(), permit)
                {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(converse(stream, Some(address), listening.clone(), seat));
                }
            }
            Err(error) => refused(&error, &listening).await,
        }
    }
}

/// The same for a Unix socket.
pub async fn accept_local(listener: UnixListener, listening: Listening, mut stop: watch::Receiver<bool>) {
    let listening = Arc::new(listening);
    loop {
        let accepted = tokio::select! {
            accepted = async { (listening.connections.permit().await, listener.accept().await) } => accepted,
            _ = stop.changed() => return,
        };
        let (Some(permit), accepted) = accepted else {
            return;
        };
        match accepted {
            Ok((stream, _)) => {
                if let Ok(seat) = listening.connections.admit(None, listening.door.kind(), permit) {
                    tokio::spawn(converse(stream, None, listening.clone(), seat));
                }
            }
            Err(error) => refused(&error, &listening).await,
        }
    }
}

/// Out of files, mostly: make one free, and wait for it instead of spinning.
async fn refused(error: &std::io::Error, listening: &Listening) {
    tracing::warn!(%error, "a connection could not be accepted");
    listening.connections.give_up_a_file();
    tokio::time::sleep(Duration::from_millis(20)).await;
}

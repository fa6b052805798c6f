//! The accept loops.

use super::listener::Listener;
use super::serve_connection::serve_connection;
use crate::config::Listening;
use crate::local_process::LocalProcess;
use crate::peer::Peer;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

/// How many connections the operating system queues until the server accepts them; it may allow fewer. When a flood of
/// connections fills this queue, other clients wait a second or more until their system sends its SYN again.
const BACKLOG: u32 = 4096;

/// Opens a listening socket on a TCP address.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Why the server cannot listen on an address, and what to do. `earlier` are those on which it listens already.
pub fn cannot_bind(
    error: &std::io::Error,
    wanted: &Listening,
    earlier: &[Listening],
) -> (String, &'static str) {
    let is = |kind| error.kind() == kind;
    let own = earlier.iter().find(|earlier| earlier.may_exclude(wanted));
    if let (true, Some(own)) = (is(ErrorKind::AddrInUse), own) {
        let remedy = "give each listener a port of its own, or remove one of the two";
        return (format!("this server itself listens there for {own}"), remedy);
    }
    if is(ErrorKind::AddrInUse) {
        let remedy = "end that process (`ss -ltnp` names it), or configure another port";
        return ("another process listens there".to_owned(), remedy);
    }
    if is(ErrorKind::PermissionDenied) {
        let remedy = "configure a port of 1024 or more, give the service CAP_NET_BIND_SERVICE, or have systemd pass the socket";
        return ("this user may not listen on that port".to_owned(), remedy);
    }
    if is(ErrorKind::AddrNotAvailable) {
        let remedy = "configure an address of this machine, or 0.0.0.0 for all of them";
        return ("this machine has no such address".to_owned(), remedy);
    }
    (error.to_string(), "configure another address")
}

/// A socket that accepts connections: TCP or Unix.
pub trait ConnectionSource: Send + Sync + 'static {
    /// The type of the connections.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next connection. The result contains what is known of the other end before a byte is read.
    fn next(&self) -> impl Future<Output = std::io::Result<(Self::Stream, Peer)>> + Send;
}

impl ConnectionSource for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> std::io::Result<(TcpStream, Peer)> {
        let (stream, peer) = self.accept().await?;
        let _ = stream.set_nodelay(true);
        // An IPv6 socket shows an IPv4 client as `::ffff:192.0.2.1`: limits and logs use the IPv4 address.
        let address = Some(peer.ip().to_canonical());
        Ok((
            stream,
            Peer {
                address,
                ..Peer::default()
            },
        ))
    }
}

impl ConnectionSource for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> std::io::Result<(UnixStream, Peer)> {
        let (stream, _) = self.accept().await?;
        let process = LocalProcess::of(&stream);
        Ok((
            stream,
            Peer {
                process,
                ..Peer::default()
            },
        ))
    }
}

/// Accepts connections until `stop` changes. Open connections are not closed here; [`super::Connections::drain`] closes
/// them.
pub async fn accept(source: impl ConnectionSource, listener: Listener, mut stop: watch::Receiver<bool>) {
    let listener = Arc::new(listener);
    loop {
        let accepted = tokio::select! {
            accepted = async { (listener.connections.permit().await, source.next().await) } => accepted,
            _ = stop.changed() => return,
        };
        let (Some(permit), accepted) = accepted else {
            return;
        };
        match accepted {
            Ok((stream, peer)) => {
                let kind = listener.endpoints.kind();
                if let Ok(guard) = listener.connections.admit(peer.address, kind, permit) {
                    tokio::spawn(serve_connection(stream, peer, listener.clone(), guard));
                }
            }
            Err(error) => refused(&error, &listener).await,
        }
    }
}

/// Handles an error of `accept`, which mostly means that the process has no file descriptor left: closes an idle
/// connection, and waits 20 ms, so that the loop does not use a whole CPU core.
async fn refused(error: &std::io::Error, listener: &Listener) {
    tracing::warn!(event = "connection.not_accepted", fault = %error, "a connection could not be accepted");
    listener.connections.close_one_to_free_a_file();
    tokio::time::sleep(Duration::from_millis(20)).await;
}

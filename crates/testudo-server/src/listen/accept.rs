//! The accept loops.

use super::converse::converse;
use super::listening::Listening;
use crate::local_process::LocalProcess;
use crate::peer::Peer;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

/// Connections that the operating system keeps until the server accepts them; it may allow fewer. When a flood fills
/// this queue, each good client waits a second or more, until it sends its SYN again.
const BACKLOG: u32 = 4096;

/// A listener on a TCP address.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Why a listener cannot be had, and what to do.
pub fn cannot_bind(error: &std::io::Error) -> (String, &'static str) {
    let is = |kind| error.kind() == kind;
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

/// Where connections come from.
pub trait Arrivals: Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for a connection; with it what is known of the other end before a byte is read.
    fn next(&self) -> impl Future<Output = std::io::Result<(Self::Stream, Peer)>> + Send;
}

impl Arrivals for TcpListener {
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

impl Arrivals for UnixListener {
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

/// Accepts connections until `stop` changes. Open connections go on; [`super::Connections::drain`] ends them.
pub async fn accept(arrivals: impl Arrivals, listening: Listening, mut stop: watch::Receiver<bool>) {
    let listening = Arc::new(listening);
    loop {
        let accepted = tokio::select! {
            accepted = async { (listening.connections.permit().await, arrivals.next().await) } => accepted,
            _ = stop.changed() => return,
        };
        let (Some(permit), accepted) = accepted else {
            return;
        };
        match accepted {
            Ok((stream, peer)) => {
                let kind = listening.endpoints.kind();
                if let Ok(seat) = listening.connections.admit(peer.address, kind, permit) {
                    tokio::spawn(converse(stream, peer, listening.clone(), seat));
                }
            }
            Err(error) => refused(&error, &listening).await,
        }
    }
}

/// Accepting failed, mostly because the process has no file descriptor left: closes an idle connection, and waits a
/// little, so that the loop does not use a whole core.
async fn refused(error: &std::io::Error, listening: &Listening) {
    tracing::warn!(event = "connection.not_accepted", fault = %error, "a connection could not be accepted");
    listening.connections.give_up_a_file();
    tokio::time::sleep(Duration::from_millis(20)).await;
}

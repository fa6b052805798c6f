//! Sockets that a service manager opened for this server and passed to it (socket activation of systemd: `LISTEN_FDS`).
//!
//! Connections that arrive while the server restarts wait in such a socket instead of being refused, and a port below
//! 1024 needs no privilege here. A passed socket is used for an address of the configuration and never adds an address:
//! `check` and administrators read in the configuration on which addresses the server listens.

use super::accept::{bind, cannot_bind};
use crate::config::Listening;
use listenfd::ListenFd;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Listening TCP sockets that are not in use yet.
#[derive(Debug, Default)]
pub struct PassedSockets(Vec<(SocketAddr, std::net::TcpListener)>);

impl PassedSockets {
    /// Takes the sockets that `LISTEN_FDS` counts, if `LISTEN_PID` names this process, and removes both environment
    /// variables. Must be called before the process has threads.
    pub fn from_environment() -> Result<PassedSockets, String> {
        let mut descriptors = ListenFd::from_env();
        let mut sockets = Vec::new();
        for index in 0..descriptors.len() {
            let unusable = |why: String| {
                format!(
                    "passed socket {index} (LISTEN_FDS) cannot be used: {why}; expected a listening TCP socket \
                     (ListenStream=ADDRESS:PORT in the .socket unit)"
                )
            };
            let socket = descriptors
                .take_tcp_listener(index)
                .map_err(|error| unusable(error.to_string()))?
                .ok_or_else(|| unusable("it is missing".to_owned()))?;
            let address = socket.local_addr().map_err(|error| unusable(error.to_string()))?;
            sockets.push((address, socket));
        }
        Ok(PassedSockets(sockets))
    }

    /// Refuses a passed socket whose address is not in the configuration: connections to it would never be answered.
    pub fn must_be_configured(&self, configured: &[Listening]) -> Result<(), String> {
        let is_configured = |address| configured.iter().any(|known| known.address == address);
        let Some((address, _)) = self.0.iter().find(|(address, _)| !is_configured(*address)) else {
            return Ok(());
        };
        let configured: Vec<String> = configured.iter().map(|known| known.address.to_string()).collect();
        Err(format!(
            "the service manager passed a socket on {address} (LISTEN_FDS), and the configuration does not name that \
             address; server.listen, server.mtls and admin.listen name {}: write one of them in ListenStream= of the \
             .socket unit, or {address} in the configuration",
            configured.join(", ")
        ))
    }

    /// The passed socket of this address, or a new socket. `earlier` are the addresses that were bound before.
    pub fn bind(&mut self, wanted: &Listening, earlier: &[Listening]) -> Result<TcpListener, String> {
        let address = wanted.address;
        let Some(place) = self.0.iter().position(|(passed, _)| *passed == address) else {
            return bind(address).map_err(|error| {
                let (what, remedy) = cannot_bind(&error, wanted, earlier);
                format!("cannot listen on {address} ({}): {what}: {remedy}", wanted.key)
            });
        };
        let (_, socket) = self.0.swap_remove(place);
        socket
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(socket))
            .map_err(|error| format!("the passed socket on {address} (LISTEN_FDS) cannot be used: {error}"))
    }
}

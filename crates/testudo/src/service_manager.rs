//! Messages to the service manager by the protocol of `sd_notify`: a service of `Type=notify-reload` reports to systemd
//! that it is ready, reloads or stops.
//!
//! If a message cannot be sent, the server logs a warning and goes on: it can serve without a service manager, and
//! systemd itself reports which message it did not receive.

use rustix::time::{ClockId, clock_gettime};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The socket that `NOTIFY_SOCKET` names; none where the variable is not set.
pub struct ServiceManager(Option<(UnixDatagram, SocketAddr)>);

impl ServiceManager {
    /// `NOTIFY_SOCKET` is a path, or an abstract name, which begins with `@`.
    pub fn from_environment() -> ServiceManager {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return ServiceManager(None);
        };
        let address = match name.as_encoded_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            [b'/', ..] => SocketAddr::from_pathname(&name),
            _ => Err(std::io::Error::other("expected a path or @NAME")),
        };
        match address.and_then(|address| Ok((UnixDatagram::unbound()?, address))) {
            Ok(place) => ServiceManager(Some(place)),
            Err(error) => {
                let name = name.display();
                tracing::warn!(
                    event = "service_manager.not_notified",
                    fault = %error,
                    "NOTIFY_SOCKET `{name}` cannot be used: {error}"
                );
                ServiceManager(None)
            }
        }
    }

    /// The server is ready. After `reloading`, this ends the reload, whether the new configuration was applied or not.
    pub fn ready(&self, status: &str) {
        // In this protocol, a line break begins another variable.
        let status = status.replace('\n', " ");
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// A reload begins. systemd uses the time in the message to check that the message was sent after its signal.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// The server accepts no more connections; requests that are running have the time `server.drain` to finish.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=stopping: running requests may finish");
    }

    fn send(&self, message: &str) {
        let Some((socket, address)) = &self.0 else { return };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            tracing::warn!(
                event = "service_manager.not_notified",
                fault = %error,
                "cannot send a message to the service manager (NOTIFY_SOCKET): {error}"
            );
        }
    }
}

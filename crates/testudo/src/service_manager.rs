//! What the service manager is told: the protocol of `sd_notify`, by which systemd knows that a service of
//! `Type=notify-reload` is ready, reloads or stops.
//!
//! A manager that cannot be told is a warning, never the end of the server: the server works, and systemd reports by
//! itself what it waited for.

use rustix::time::{ClockId, clock_gettime};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The socket of `NOTIFY_SOCKET`, where there is one.
pub struct ServiceManager(Option<(UnixDatagram, SocketAddr)>);

impl ServiceManager {
    /// A path, or an abstract name, which begins with `@`.
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
                    event = "service_manager.untold",
                    fault = %error,
                    "NOTIFY_SOCKET `{name}` cannot be used: {error}"
                );
                ServiceManager(None)
            }
        }
    }

    /// It serves; after a reload this ends the reload, whether the new configuration was taken or not.
    pub fn ready(&self, status: &str) {
        // A line break would begin another assignment.
        let status = status.replace('\n', " ");
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// A reload begins. The time is what tells systemd that this answers its own signal and not an earlier one.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// It accepts nothing more; running requests may take `server.drain`.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping: running requests may finish");
    }

    fn tell(&self, message: &str) {
        let Some((socket, address)) = &self.0 else { return };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            tracing::warn!(
                event = "service_manager.untold",
                fault = %error,
                "the service manager (NOTIFY_SOCKET) cannot be told: {error}"
            );
        }
    }
}

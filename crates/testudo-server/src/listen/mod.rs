//! Listeners: the accept loop, TLS, limits and deadlines of connections, and the close when the server stops.
//!
//! Only this folder uses the server types of rustls. `docs/operations/limits.md` explains what happens at each limit.

mod accept;
mod connection_state;
mod connections;
mod endpoints;
mod files;
mod idle_order;
mod last_bytes;
mod listener;
mod memory;
mod memory_shortage;
mod observed;
mod passed;
mod request_in_flight;
mod serve_connection;
mod shares;
mod waiting;

pub use accept::accept;
pub(crate) use accept::{bind, cannot_bind};
pub use connection_state::{CloseReason, ConnectionState};
pub use connections::{ClosedAtStop, Connections};
pub use endpoints::Endpoints;
pub use files::open_files;
pub use listener::Listener;
pub use passed::PassedSockets;

//! Listeners: one accept loop for all of them, TLS, deadlines, limits, and an orderly end.
//!
//! All rustls server types stay in this folder. What each limit does is in `docs/operations/limits.md`.

mod accept;
mod connections;
mod conversation;
mod converse;
mod endpoints;
mod files;
mod idle_order;
mod last_bytes;
mod listening;
mod memory;
mod memory_shortage;
mod observed;
mod passed;
mod request_in_flight;
mod shares;
mod waiting;

pub use accept::accept;
pub(crate) use accept::{bind, cannot_bind};
pub use connections::{Connections, Cut};
pub use conversation::{Conversation, Ending};
pub use endpoints::Endpoints;
pub use files::open_files;
pub use listening::Listening;
pub use passed::PassedSockets;

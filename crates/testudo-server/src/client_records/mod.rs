//! Records of clients outside of client requests: finding one by its client id, writing last uses, removing idle and
//! expired clients.

mod find;
mod granted;
mod last_uses;
mod left;
mod sweep;

pub(crate) use find::{client_by_id, known_client};
pub(crate) use last_uses::FLUSH_PAUSE;
pub use last_uses::flush_last_used;
pub(crate) use left::left_by;
pub use sweep::{Swept, sweep, sweep_within};

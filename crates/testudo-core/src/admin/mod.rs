//! Decides the orders of administrators: whether an order can be carried out, what is written and with which event, and
//! what the answer warns of.
//!
//! The server verifies the administrator and holds the lock of administrator changes meanwhile (`change.rs` of the
//! server); it commits the decision and answers with it.

pub mod block;
pub mod bundle;
pub mod client;
pub mod grant;
pub mod invitation;
pub mod keys;
mod order;
mod reload;
pub mod session;
pub mod trust;
pub mod user;

pub use order::{Audited, Decided, NotDone, Order};
pub use reload::ReloadWrites;

#[cfg(test)]
mod tests;

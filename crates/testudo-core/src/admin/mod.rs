//! What an administrator orders, decided: whether it can be done, what is written and with which event, and what the
//! answer warns of.
//!
//! The server has verified the administrator and holds the administrators' turn meanwhile (its `change.rs`); it
//! commits what is decided here and shows it.

pub mod block;
pub mod bundle;
pub mod client;
pub mod keys;
mod order;
pub mod trust;

pub use order::{Audited, Decided, NotDone, Order};

#[cfg(test)]
mod tests;

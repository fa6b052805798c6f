//! Requests of clients that authenticate: at the token endpoint, and wherever else a client authenticates in the same way.

mod authenticate;
mod receive;
mod refused;

pub(super) use authenticate::Client;
pub(super) use receive::{authorization, receive};
pub(super) use refused::refused;

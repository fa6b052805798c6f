//! Requests of clients that authenticate: at the token endpoint, and wherever else a client authenticates in the same way.

mod about_token;
mod authenticate;
mod receive;
mod refused;

pub(super) use about_token::about_token;
pub(super) use authenticate::{Client, must_be_good};
pub(super) use receive::{authorization, receive};
pub(super) use refused::refused;

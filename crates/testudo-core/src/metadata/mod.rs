//! Client metadata: what a request asks for, what an attester states, and the result for the client.
//!
//! The members, and who may set them, are in one table (`crate::members`). `requested.rs` reads a request row by row
//! (`given.rs`, `values.rs`, `texts.rs`, `keys.rs`); `attested.rs` reads what an attester states in the same way.
//! `resolve.rs` combines rule and attester; `labels.rs`, `narrowing.rs` and `redirect_uris.rs` add what the request may
//! set.

pub mod attested;
mod given;
pub mod keys;
pub mod labels;
pub mod narrowing;
pub mod redirect_uris;
pub mod requested;
pub mod resolve;
mod texts;
mod values;

#[cfg(test)]
mod tests;

//! Tests of the SDK as an API uses it, with a small HTTP server as the issuer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a failed assumption of a test panics"
)]

mod dpop;
mod issuer;
mod layer;

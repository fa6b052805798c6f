//! Fake issuers and broken credentials, for tests, `dev` and benchmarks.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test kit fails loudly")]

mod issuer;
pub mod token;

pub use issuer::{TestIssuer, generate_key};

//! Tests of the built binary with programs of other projects.

mod attestation;
mod bound_token;
mod check_a_token;
mod ci;
mod get_a_token;
pub mod guides;
mod kubernetes;
mod mcp;
mod minted;
pub mod programs;
mod schemathesis;
mod sd_jwt;
mod shop;
mod sign_in;
mod wit_svids;

//! Tests of authorization requests and their responses.

mod requests;
mod responses;

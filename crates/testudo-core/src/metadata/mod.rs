//! Client metadata: what a request asks for, what an attester states, and what a client gets of it.

pub mod labels;
pub mod narrowing;
pub mod requested;
pub mod resolve;

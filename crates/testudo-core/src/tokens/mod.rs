//! Tokens: what has been granted, in the form that a resource server reads.

pub mod access_token;

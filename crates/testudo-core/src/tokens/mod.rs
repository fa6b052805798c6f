//! Access tokens, in the form that resource servers verify.

pub mod access_token;

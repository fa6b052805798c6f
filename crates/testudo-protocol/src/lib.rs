//! Facts of the standards Testudo speaks: parse, print, sign, verify.
//!
//! A rule belongs here when it would be the same in anybody's server. Nothing in this crate knows a clock, a
//! network, a file or any state; time arrives as an argument. What Testudo decides *about* these facts is in
//! `testudo-core`.

#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

pub mod certificate;
mod der;
pub mod jose;
pub mod json;
pub mod limits;
pub mod oauth;
pub mod printable;
pub mod specifications;
pub mod spiffe;
pub mod time;

pub use time::{Seconds, Timestamp};

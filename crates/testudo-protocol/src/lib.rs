//! The formats and rules of the standards that Testudo implements: parse, print, sign, verify.
//!
//! A rule belongs in this crate if it is the same in every server that implements the standard. The crate has no clock,
//! network, file access or state; the current time is an argument. The decisions of Testudo are in `testudo-core`.

#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

pub mod base64url;
pub mod certificate;
pub mod client_certificate;
pub mod credentials;
mod der;
pub mod distinguished_name;
mod dns_label;
pub mod expected_form;
pub mod jose;
pub mod json;
pub mod kubernetes;
pub mod limits;
mod loopback;
pub mod oauth;
pub mod openid;
pub mod printable;
pub mod specifications;
pub mod spiffe;
pub mod time;

pub use loopback::is_loopback;
pub use time::{Seconds, Timestamp};

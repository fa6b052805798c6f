//! Decisions of an authorization server, as pure functions.
//!
//! A rule belongs in this crate if the policy, the state or the administrator of Testudo can change its result. The
//! crate has no clock and no randomness and does no IO: everything that a decision needs is an argument, and everything
//! that has to be written is in its result.

#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

pub mod actor;
pub mod admin;
pub mod administration;
pub mod admission;
pub mod decision;
pub mod discovery;
pub mod doors;
pub mod entropy;
pub mod grants;
pub mod identity;
pub mod members;
pub mod metadata;
pub mod occasions;
pub mod people;
pub mod policy;
pub mod possession;
pub mod records;
pub mod rejection;
pub mod rules;
pub mod signing_keys;
pub mod tokens;
pub mod trace;
pub mod velocity;

pub use actor::{Actor, ProcessOwner};
pub use decision::Moment;
pub use entropy::Entropy;
pub use identity::{AttestedIdentity, Authority, AuthorityKind, CredentialKind, OccasionKind};
pub use policy::Policy;
pub use records::RequestRef;
pub use rejection::Rejection;
pub use trace::Trace;

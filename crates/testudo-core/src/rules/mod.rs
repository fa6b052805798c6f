//! Rules: which identities may have which scopes, resources and grants; and blocks: which identities are refused.
//!
//! An administrator writes a [`RuleSpec`], `rule.rs` compiles it into a [`Rule`], and the first matching rule of a
//! [`RuleSet`] governs an identity.

pub mod blocks;
mod claim_captures;
mod claim_conditions;
pub mod client_id;
pub mod label;
mod matched;
mod pattern;
mod people;
pub mod pieces;
pub mod redirect_uris;
pub mod reserved_ids;
mod rule;
mod rule_error;
mod rule_set;
mod spec;
mod tree;

pub use claim_captures::ClaimCaptures;
pub use claim_conditions::ClaimConditions;
pub use pattern::{Captures, INSTANCE, Pattern, PatternError};
pub use people::{CODE_LIFETIME_MAX, PeopleRule};
pub use rule::Rule;
pub use rule_error::RuleError;
pub use rule_set::{Match, RuleSet, Shown};
pub use spec::{ConsentForm, FirstUse, GrainOfClient, PushedAuthorization, RegistrationForm, RuleSpec};

//! Rules: which identities may have which scopes, resources and grants; and blocks: which identities are refused.
//!
//! An administrator writes a [`RuleSpec`], `rule.rs` compiles it into a [`Rule`], and the first matching rule of a
//! [`RuleSet`] governs an identity.

pub mod blocks;
pub mod client_id;
pub mod label;
mod pattern;
pub mod pieces;
pub mod redirect_uris;
pub mod reserved_ids;
mod rule;
mod rule_set;
mod spec;
mod tree;

pub use pattern::{Captures, INSTANCE, Pattern, PatternError};
pub use rule::{Rule, RuleError};
pub use rule_set::{Match, RuleSet};
pub use spec::{FirstUse, GrainOfClient, RegistrationForm, RuleSpec};

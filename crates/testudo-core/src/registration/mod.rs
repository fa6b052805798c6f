//! The registration core: how every door ends in the same place, a client that a rule governs.

pub mod admit;
pub mod blocks;
pub mod client_id;
pub mod create;
mod labels;
pub mod lifecycle;
pub mod manage;
pub mod metadata;
mod narrowing;
pub mod redirect_uris;
pub mod register;
pub mod requested;
pub mod reserved_ids;
pub mod rules;
pub mod showing;
pub mod unattested;
pub mod velocity;

pub use admit::{Admission, Asking, admit};
pub use blocks::Blocks;
pub use rules::{Match, Rule, RuleSet, RuleSpec};
pub use velocity::Buckets;

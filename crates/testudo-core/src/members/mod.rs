//! The members of client metadata that this server knows. [RFC7591 §2]
//!
//! `table.rs` has one row for each. What is known of a member stands there and nowhere else: how a request and a
//! credential may state it, how it is judged, stored and answered. Most members are labels (`labels.rs`): they are kept
//! in one map, so a label is one row and no field of any struct. How a value is judged is in `metadata`.

mod labels;
mod member;
mod stored;
mod table;

pub use labels::{Label, LabelName, Labels};
pub use member::{Field, Kind, LabelKind, Member, SaidBy};
pub use table::{MEMBERS, around_tags, attestable, base, member, shadowed};

#[cfg(test)]
mod tests;

//! The members of client metadata that this server knows. [RFC7591 §2]
//!
//! `table.rs` has one row for each member. All rules about a member are in its row: how a request and a credential may
//! set it, and how it is validated, stored and returned. Most members are labels (`labels.rs`), which are stored in one
//! map, so a new label is one row and needs no field. The validation of values is in `metadata`.

mod labels;
mod member;
mod stored;
mod table;

pub use labels::{Label, LabelName, Labels};
pub use member::{Field, Kind, LabelKind, Member, StatedBy};
pub use table::{MEMBERS, around_tags, attestable, base, member, shadowed};

#[cfg(test)]
mod tests;

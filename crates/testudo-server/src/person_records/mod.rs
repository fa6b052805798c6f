//! Records of people outside of their requests: finding an account by the name that an administrator gives, listing what
//! belongs to a person, and erasing it.
//!
//! The keys of sessions, grants and consents begin with the id of their person (`people` of `testudo-core`), so what
//! belongs to a person is one range of keys, and no other record is read.

mod erase;
mod find;
mod range;

pub(crate) use erase::{erase_all, erase_other_sessions, erase_sessions};
pub(crate) use find::{account_named, accounts_of, consent_for, deadlines_of, invitations, traces_of};
pub(crate) use range::part_of;

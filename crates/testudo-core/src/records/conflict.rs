//! Why a batch was not written.

use super::Kind;

/// A batch was not written because the store did not hold what it assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// A record that must be absent is there.
    Exists(Kind, Vec<u8>),
    /// A record to replace or delete is not at that version.
    Changed(Kind, Vec<u8>),
    /// A counter would exceed its ceiling.
    OverLimit(String),
}

//! Why a batch was not written.

use super::Kind;

/// A batch was not written, because the records in the store were not as the batch requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// A record that must be absent exists.
    Exists(Kind, Vec<u8>),
    /// A credential or proof with this mark was used before.
    Used([u8; 32]),
    /// A record to replace or delete does not have the required version.
    Changed(Kind, Vec<u8>),
    /// A counter would exceed its maximum.
    OverLimit(String),
}

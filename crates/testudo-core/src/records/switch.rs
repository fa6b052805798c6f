//! An authority that an administrator switched off without touching the configuration.

use super::Kind;
use super::record::{Announced, Held, Record};
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;

/// While this record exists, the authority is disabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Key of the authority.
    pub authority: String,
    /// The administrator who switched it off.
    pub by: String,
    /// When it was switched off, in seconds since the epoch.
    pub since: Timestamp,
}

impl Record for Switch {
    const KIND: Kind = Kind::Switch;
    const ANNOUNCED: Announced = Announced::Always(Held::Standing);
    fn key(&self) -> Vec<u8> {
        self.authority.as_bytes().to_vec()
    }
}

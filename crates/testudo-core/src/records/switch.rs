//! An authority that an administrator disabled at run time, without a change of the configuration.

use super::Kind;
use super::record::{Announced, Held, Record};
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;

/// While this record exists, the authority is disabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Key of the authority.
    pub authority: String,
    /// The administrator who disabled it.
    pub by: String,
    /// When it was disabled, in seconds since the epoch.
    pub since: Timestamp,
}

impl Record for Switch {
    const KIND: Kind = Kind::Switch;
    const ANNOUNCED: Announced = Announced::Always(Held::Switches);
    fn key(&self) -> Vec<u8> {
        self.authority.as_bytes().to_vec()
    }
}

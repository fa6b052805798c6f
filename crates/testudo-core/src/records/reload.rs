//! An administrator's word that the configuration file is to be read again. One node is told, all nodes hear it.

use super::record::{Announced, Kind, Record};
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;

/// See the module. There is one of it; its version says how often it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadOrder {
    /// When it was given.
    pub at: Timestamp,
    /// SHA-256 of the file that the node read which was told: the others' should be the same.
    pub digest: [u8; 32],
}

impl ReloadOrder {
    /// Its key.
    pub const KEY: &[u8] = b"configuration";
}

impl Record for ReloadOrder {
    const KIND: Kind = Kind::ReloadOrder;
    const ANNOUNCED: Announced = Announced::Always;
    fn key(&self) -> Vec<u8> {
        ReloadOrder::KEY.to_vec()
    }
}

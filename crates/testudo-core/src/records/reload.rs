//! An administrator's order to reload the configuration file. One node receives it, and all nodes carry it out.

use super::Kind;
use super::record::{Announced, Held, Record};
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;

/// The order. There is one such record; its version is the number of orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadOrder {
    /// When the order was given, in seconds since the epoch.
    pub at: Timestamp,
    /// SHA-256 of the configuration file on the node that received the order. The files on the other nodes should be
    /// equal.
    pub digest: [u8; 32],
    /// The administrator who gave the order. Absent where a node of an earlier version wrote it.
    #[serde(default)]
    pub by: Option<String>,
    /// The reason that the administrator gave.
    #[serde(default)]
    pub reason: Option<String>,
}

impl ReloadOrder {
    /// The key of the only record.
    pub const KEY: &[u8] = b"configuration";
}

impl Record for ReloadOrder {
    const KIND: Kind = Kind::ReloadOrder;
    const ANNOUNCED: Announced = Announced::Always(Held::Configuration);
    fn key(&self) -> Vec<u8> {
        ReloadOrder::KEY.to_vec()
    }
}

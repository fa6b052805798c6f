//! The record that a single-use credential was used.

use super::Kind;
use super::record::{Announced, Record};
use crate::identity::SingleUse;
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;

/// The record of the use of one credential. Its insert fails if the credential was used before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    key: [u8; 32],
    /// [RFC7523 §3 (7)] The record is kept after `exp` for a leeway and a margin: a node whose clock is behind accepts
    /// the assertion until then, so a replay must still be detected.
    pub keep_until: Timestamp,
}

impl Replay {
    /// The record for a credential.
    pub fn of(single_use: &SingleUse) -> Replay {
        Replay {
            key: single_use.key,
            keep_until: single_use.keep_until,
        }
    }
}

impl Record for Replay {
    const KIND: Kind = Kind::Replay;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.key.to_vec()
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.keep_until)
    }
}

//! An identity, or a pattern of identities, that an administrator blocked, whether or not it ever registered.

use super::Kind;
use super::record::{Announced, Held, Record};
use super::rfc3339::Rfc3339;
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;

/// A block: identities that it matches get no token and are not registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Block {
    /// An identity, a pattern (`spiffe://prod.example/**` for a whole trust domain), or a configured client's id.
    pub identity: String,
    /// The reason that the administrator gave with the block.
    pub reason: Option<String>,
    /// The administrator who blocked it.
    pub by: String,
    /// When it was blocked.
    #[schemars(with = "Rfc3339")]
    pub since: Timestamp,
}

impl Record for Block {
    const KIND: Kind = Kind::Block;
    const ANNOUNCED: Announced = Announced::Always(Held::Switches);
    fn key(&self) -> Vec<u8> {
        self.identity.as_bytes().to_vec()
    }
}

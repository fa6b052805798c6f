//! A `client_id` that is not the identity itself, and the client that has it. The store inserts it
//! only where none is there, so that two identities cannot have one `client_id`.

use super::Kind;
use super::record::{Announced, Record};
use serde::{Deserialize, Serialize};

/// Which client has a `client_id` that is not its identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientIdAlias {
    /// The `client_id`; the key of the record.
    pub client_id: String,
    /// Key of the client's authority.
    pub authority: String,
    /// The client's subject within that authority.
    pub subject: String,
}

impl Record for ClientIdAlias {
    const KIND: Kind = Kind::ClientIdAlias;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.client_id.as_bytes().to_vec()
    }
}

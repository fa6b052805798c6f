//! An identity, or a pattern of identities, that an administrator blocked, whether or not it ever registered.

use super::record::{Announced, Held, Record};
use super::rfc3339::Rfc3339;
use super::{Client, Kind};
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;

/// A block: identities that it matches get no token and are not registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Block {
    /// An identity, a pattern (`spiffe://prod.example/**` for a whole trust domain), or a configured client's id. One
    /// instance that a credential names is in braces after its identity: `agents:app{77b3a5b4}`.
    pub identity: String,
    /// The reason that the administrator gave with the block.
    pub reason: Option<String>,
    /// The administrator who blocked it.
    pub by: String,
    /// When it was blocked.
    #[schemars(with = "Rfc3339")]
    pub since: Timestamp,
}

impl Block {
    /// The text of the block of one instance, which the credentials of this identity name, or which takes the place of
    /// the `*` at the end of the id of a client that instances share.
    pub fn text_of_instance(identity: &str, instance: &str) -> String {
        match Block::before_instance(identity) {
            Some(before) => format!("{before}{instance}"),
            None => Client::subject_of_instance(identity, instance).into(),
        }
    }

    /// The beginning of the identities of the instances that share a client with this id.
    pub fn before_instance(client_id: &str) -> Option<&str> {
        let before = client_id.strip_suffix('*')?;
        (before.ends_with(['/', ':']) && !before.contains(['*', '{'])).then_some(before)
    }

    /// The identity that is blocked, and the instance of it, if it is the block of an instance that credentials name.
    pub fn parts(text: &str) -> (&str, Option<&str>) {
        let parts = text.strip_suffix('}').and_then(|text| text.split_once('{'));
        // A brace that begins a segment begins a capture.
        match parts.filter(|(identity, instance)| !identity.ends_with(['/', ':']) && !instance.is_empty()) {
            Some((identity, instance)) => (identity, Some(instance)),
            None => (text, None),
        }
    }
}

impl Record for Block {
    const KIND: Kind = Kind::Block;
    const ANNOUNCED: Announced = Announced::Always(Held::Switches);
    fn key(&self) -> Vec<u8> {
        self.identity.as_bytes().to_vec()
    }
}

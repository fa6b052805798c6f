//! The keys of an issuer with `key_change = "hold"` that are accepted at present: those of the document that was put in
//! force last, at any node. A document with another key is held back until an administrator accepts it. So is one with a
//! key that the issuer used before and withdrew: the attacker may have it.
//!
//! They are kept in the sealed record of the authority (`floor.rs`), so that they outlive a restart and are the same on
//! all nodes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use testudo_core::admin::bundle::Floor;
use testudo_core::doors::AuthorityKeys;
use testudo_protocol::jose::PublicKey;

/// The thumbprints of the keys that sign tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AcceptedKeys(BTreeSet<String>);

impl AcceptedKeys {
    /// The keys of a document that is put in force.
    pub(super) fn of(keys: &AuthorityKeys) -> AcceptedKeys {
        AcceptedKeys(keys.signing_keys().map(|(_, key)| thumbprint(key)).collect())
    }

    /// True if the key with this thumbprint needs no acceptance.
    pub(super) fn has(&self, thumbprint: &str) -> bool {
        self.0.contains(thumbprint)
    }

    /// What is accepted according to both this node and the store. Without an acceptance of an administrator keys can
    /// only be withdrawn, so a key must be known to both: an attacker who puts an older record back into the database
    /// brings no withdrawn key back. After an acceptance that only one of them knows, this one has the later keys.
    pub(super) fn latest(
        own: Option<(AcceptedKeys, Floor)>,
        stored: Option<AcceptedKeys>,
        stored_floor: Floor,
    ) -> Option<AcceptedKeys> {
        match (own, stored) {
            (None, stored) => stored,
            (Some((own, _)), None) => Some(own),
            (Some((own, floor)), Some(stored)) => Some(match floor.accepted.cmp(&stored_floor.accepted) {
                Ordering::Less => stored,
                Ordering::Greater => own,
                Ordering::Equal => AcceptedKeys(own.0.intersection(&stored.0).cloned().collect()),
            }),
        }
    }
}

/// Of a key that signs tokens, as this server and its administrators know it.
pub(super) fn thumbprint(key: &PublicKey) -> String {
    URL_SAFE_NO_PAD.encode(key.thumbprint())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> AcceptedKeys {
        AcceptedKeys(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn floor(accepted: i64) -> Floor {
        Floor {
            accepted,
            sequence: None,
        }
    }

    // Row DID-25.
    #[test]
    fn key_is_accepted_if_node_and_store_know_it_or_if_the_later_acceptance_has_it() {
        let latest = |own: &[&str], at, stored: &[&str], stored_at| {
            let own = Some((keys(own), floor(at)));
            AcceptedKeys::latest(own, Some(keys(stored)), floor(stored_at)).unwrap()
        };
        for (case, found, expected) in [
            (
                "withdrawn at another node",
                latest(&["a", "b"], 0, &["b"], 0),
                keys(&["b"]),
            ),
            (
                "older record put back",
                latest(&["b"], 5, &["a", "b"], 5),
                keys(&["b"]),
            ),
            (
                "accepted at another node",
                latest(&["a"], 0, &["b"], 5),
                keys(&["b"]),
            ),
            (
                "record from before an acceptance",
                latest(&["b"], 5, &["a"], 0),
                keys(&["b"]),
            ),
        ] {
            assert_eq!(found, expected, "{case}");
        }
        let own = Some((keys(&["a"]), floor(0)));
        assert_eq!(
            AcceptedKeys::latest(own, None, floor(0)),
            Some(keys(&["a"])),
            "nothing stored"
        );
        assert_eq!(
            AcceptedKeys::latest(None, Some(keys(&["b"])), floor(0)),
            Some(keys(&["b"])),
            "after a restart"
        );
    }
}

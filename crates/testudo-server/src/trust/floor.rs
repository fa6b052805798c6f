//! The lowest bundle sequence that is still accepted for an authority. It is kept in the store, so that a restart does
//! not lose it and all nodes know it; beside it, when each key was first seen, and which keys are accepted.
//! [SPIFFE-BUNDLE §4.1.1]
//!
//! The record is encrypted under the key-encryption key and contains the authority: an attacker who can write to the
//! database cannot lower the sequence. Such an attacker can put back an older record. A node that has seen a newer
//! record ignores the older one; after a restart of every node the older one would be used.

use super::accepted_keys::AcceptedKeys;
use super::first_seen::FirstSeen;
use crate::config::BundleSource;
use crate::key_encryption::KeyEncryption;
use serde::{Deserialize, Serialize};
use testudo_core::Authority;
use testudo_core::admin::bundle::{Floor, Offered};
use testudo_core::doors::AuthorityKeys;
use testudo_core::records::{Batch, BundleSequence, Record as _};
use testudo_store::{Store, StoreFault, typed};

#[derive(Serialize, Deserialize)]
struct Sealed {
    authority: String,
    #[serde(flatten)]
    remembered: Remembered,
}

/// What is remembered of the bundles of an authority.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) floor: Floor,
    /// Absent in a record of an earlier version.
    #[serde(default)]
    pub(super) first_seen: FirstSeen,
    /// The keys that need no acceptance; only with `key_change = "hold"`. Absent in a record of an earlier version.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) accepted_keys: Option<AcceptedKeys>,
    /// SHA-256 of the first bundle with which a bundle was fetched, in hexadecimal: it verifies no server again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) bootstrap: Option<String>,
}

impl Remembered {
    /// The JWK thumbprint of a key that only an administrator may accept, if the document of this source has one.
    pub(super) fn news(&self, source: &BundleSource, keys: &AuthorityKeys) -> Option<[u8; 32]> {
        match source.key_changes.are_held {
            true => self.first_seen.news(keys, self.accepted_keys.as_ref()),
            false => None,
        }
    }
}

/// Why the lowest accepted sequence is not known.
pub(super) enum FloorFault {
    /// The store cannot be read.
    Store(StoreFault),
    /// The record was not encrypted by this server for this authority.
    Unreadable { version: u64 },
}

impl FloorFault {
    /// The sentence for the administrator.
    pub(super) fn explain(&self, authority: &Authority) -> String {
        match self {
            FloorFault::Store(fault) => {
                format!("the sequence of the last accepted bundle cannot be read from the store: {fault}")
            }
            FloorFault::Unreadable { .. } => format!(
                "the stored record of the last accepted bundle sequence cannot be decrypted with this server's \
                 key-encryption key: if the bundle at the source is right, run `testudo trust accept {authority}`"
            ),
        }
    }
}

/// The facts of fetched keys that are compared with the lowest accepted sequence. A key set has no sequence.
pub(super) fn offered(keys: &AuthorityKeys) -> Offered {
    Offered {
        sequence: keys.sequence(),
        is_empty: keys.is_empty_document(),
        ..Offered::default()
    }
}

/// What is remembered of an authority, and the version of its record: 0 where there is no record.
pub(super) async fn read(
    store: &Store,
    encryption: &KeyEncryption,
    authority: &str,
) -> Result<(Remembered, u64), FloorFault> {
    let stored = store.get(BundleSequence::KIND, authority.as_bytes()).await;
    let Some(stored) = stored.map_err(FloorFault::Store)? else {
        return Ok((Remembered::default(), 0));
    };
    let version = stored.version;
    let record = typed::<BundleSequence>(stored).ok();
    record
        .and_then(|found| open(encryption, authority, &found.record.sealed))
        .map(|remembered| (remembered, version))
        .ok_or(FloorFault::Unreadable { version })
}

/// Adds the write of the record to a batch. The batch fails where the record no longer has the version that was read.
pub(super) fn put(
    batch: &mut Batch,
    encryption: &KeyEncryption,
    authority: &str,
    remembered: Remembered,
    version: u64,
) -> Result<(), StoreFault> {
    let sealed = Sealed {
        authority: authority.to_owned(),
        remembered,
    };
    let plain = serde_json::to_vec(&sealed).map_err(|error| StoreFault(error.to_string()))?;
    let record = BundleSequence {
        authority: authority.to_owned(),
        sealed: encryption.wrap(&purpose(authority), &plain).map_err(StoreFault)?,
    };
    match version {
        0 => batch.insert(&record),
        version => batch.replace(&record, version),
    }
    Ok(())
}

fn open(encryption: &KeyEncryption, authority: &str, sealed: &str) -> Option<Remembered> {
    let plain = encryption.unwrap(&purpose(authority), sealed).ok()?;
    let sealed: Sealed = serde_json::from_slice(&plain).ok()?;
    (sealed.authority == authority).then_some(sealed.remembered)
}

fn purpose(authority: &str) -> String {
    format!("bundle-sequence/{authority}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHORITY: &str = "spiffe://a.example";

    fn remembered(floor: Floor) -> Remembered {
        Remembered {
            floor,
            ..Remembered::default()
        }
    }

    fn floor(accepted: i64, sequence: u64) -> Floor {
        Floor {
            accepted,
            sequence: Some(sequence),
        }
    }

    #[tokio::test]
    async fn stored_sequence_is_decrypted_for_its_own_authority_and_key_only() {
        let store = Store::memory();
        let encryption = KeyEncryption::new(&[7; 32]).unwrap();
        let known = |found: Result<(Remembered, u64), FloorFault>| found.ok();
        assert_eq!(
            known(read(&store, &encryption, AUTHORITY).await),
            Some((Remembered::default(), 0))
        );
        let mut batch = Batch::default();
        put(&mut batch, &encryption, AUTHORITY, remembered(floor(0, 9)), 0).unwrap();
        store.commit(batch).await.unwrap();
        assert_eq!(
            known(read(&store, &encryption, AUTHORITY).await),
            Some((remembered(floor(0, 9)), 1))
        );
        let other = KeyEncryption::new(&[8; 32]).unwrap();
        assert!(read(&store, &other, AUTHORITY).await.is_err());
        // The record of one authority, stored under the key of another one.
        let foreign = store
            .read::<BundleSequence>(AUTHORITY.as_bytes())
            .await
            .unwrap()
            .unwrap()
            .record;
        let mut batch = Batch::default();
        batch.insert(&BundleSequence {
            authority: "spiffe://b.example".into(),
            sealed: foreign.sealed,
        });
        store.commit(batch).await.unwrap();
        assert!(read(&store, &encryption, "spiffe://b.example").await.is_err());
    }

    #[test]
    fn sequence_accepted_by_an_administrator_replaces_every_earlier_one() {
        assert!(floor(1, 2) > floor(0, 9));
        assert!(floor(1, 3) > floor(1, 2));
        assert!(
            Floor {
                accepted: 2,
                sequence: None
            } > floor(1, 9)
        );
    }
}

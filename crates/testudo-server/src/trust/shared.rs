//! The last good bundle of an authority in the store: a node that starts while the source does not answer uses it until its
//! maximum age, which is counted from the fetch of the node that stored it. [decision 0024]
//!
//! The record is encrypted under the key-encryption key and contains its authority: an attacker who can write to the
//! database cannot add a key. Such an attacker can put back an older record, which is refused if its sequence is lower than
//! the lowest accepted one, and which is too old after the maximum age.

use crate::config::BundleSource;
use crate::key_encryption::KeyEncryption;
use serde::{Deserialize, Serialize};
use testudo_core::admin::bundle::Floor;
use testudo_core::records::{Batch, Record as _, SharedBundle};
use testudo_protocol::{Seconds, Timestamp};
use testudo_store::{Store, StoreFault, typed};

/// How long the record is kept after the fetch, where a later fetch did not replace it. The maximum age is shorter; but
/// the server of a self-serving bundle endpoint is verified with the last fetched bundle also when it is older.
pub(super) const KEPT: Seconds = Seconds(30 * 86_400);

/// What a node stores of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shared {
    pub(super) authority: String,
    /// The source as the configuration names it: a bundle of another source is not used.
    pub(super) source: String,
    pub(super) document: String,
    /// When the source last returned the document.
    pub(super) confirmed: Timestamp,
    /// The lowest accepted sequence after the document was accepted.
    pub(super) floor: Floor,
    /// SHA-256 of the first bundle with which the server was verified before, in hexadecimal.
    #[serde(default)]
    pub(super) bootstrap: Option<String>,
    /// SHA-256 of the only roots that verified the server, in hexadecimal. Absent in a record of an earlier version.
    #[serde(default)]
    pub(super) roots: Option<String>,
}

impl Shared {
    /// True if the document came from this source, whose server was verified as it is verified now.
    fn is_from(&self, source: &BundleSource) -> bool {
        let origin = &source.origin;
        self.source == origin.to_string()
            && self.bootstrap == origin.bootstrap_digest()
            && self.roots == origin.roots_digest()
    }

    /// True if no later bundle was accepted and the record is not so old that it would have been deleted. An attacker who
    /// writes to the database can put an earlier record back.
    pub(super) fn is_last(&self, floor: Floor, now: Timestamp) -> bool {
        self.floor >= floor && self.confirmed + KEPT > now
    }
}

/// What the store has.
pub(super) enum Stored {
    /// No record, or one of another source or of a server that was verified in another way.
    Nothing { version: u64 },
    /// A record that was encrypted by this server for this authority.
    Bundle { shared: Shared, version: u64 },
    /// A record that was not.
    Unreadable { version: u64 },
}

impl Stored {
    pub(super) fn version(&self) -> u64 {
        match self {
            Stored::Nothing { version } | Stored::Bundle { version, .. } | Stored::Unreadable { version } => {
                *version
            }
        }
    }
}

/// The record of the authority of this source; the version of a record that does not exist is 0.
pub(super) async fn read(
    store: &Store,
    encryption: &KeyEncryption,
    source: &BundleSource,
) -> Result<Stored, StoreFault> {
    let authority = source.authority.key();
    let Some(stored) = store.get(SharedBundle::KIND, authority.as_bytes()).await? else {
        return Ok(Stored::Nothing { version: 0 });
    };
    let version = stored.version;
    let record = typed::<SharedBundle>(stored).ok();
    let shared = record.and_then(|found| open(encryption, authority, &found.record.sealed));
    Ok(match shared {
        None => Stored::Unreadable { version },
        Some(shared) if !shared.is_from(source) => Stored::Nothing { version },
        Some(shared) => Stored::Bundle { shared, version },
    })
}

/// Adds the write of the record to a batch. The batch fails where the record no longer has the version that was read.
pub(super) fn put(
    batch: &mut Batch,
    encryption: &KeyEncryption,
    shared: &Shared,
    version: u64,
) -> Result<(), StoreFault> {
    let plain = serde_json::to_vec(shared).map_err(|error| StoreFault(error.to_string()))?;
    let purpose = purpose(&shared.authority);
    let record = SharedBundle {
        authority: shared.authority.clone(),
        keep_until: shared.confirmed + KEPT,
        sealed: encryption.wrap(&purpose, &plain).map_err(StoreFault)?,
    };
    match version {
        0 => batch.insert(&record),
        version => batch.replace(&record, version),
    }
    Ok(())
}

fn open(encryption: &KeyEncryption, authority: &str, sealed: &str) -> Option<Shared> {
    let plain = encryption.unwrap(&purpose(authority), sealed).ok()?;
    let shared: Shared = serde_json::from_slice(&plain).ok()?;
    (shared.authority == authority).then_some(shared)
}

fn purpose(authority: &str) -> String {
    format!("shared-bundle/{authority}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BundleOrigin, KeyChanges};
    use testudo_core::Authority;

    fn source(authority: &str, url: &str) -> BundleSource {
        BundleSource {
            authority: Authority::of_key(authority).unwrap(),
            origin: BundleOrigin::HttpsWeb {
                url: url.parse().unwrap(),
                roots: None,
                token: None,
            },
            max_staleness: Seconds(60),
            key_changes: KeyChanges::default(),
        }
    }

    #[tokio::test]
    async fn stored_bundle_is_decrypted_for_its_own_authority_source_and_key_only() {
        let store = Store::memory();
        let encryption = KeyEncryption::new(&[7; 32]).unwrap();
        let own = source("spiffe://a.example", "https://a.example/");
        assert!(matches!(
            read(&store, &encryption, &own).await,
            Ok(Stored::Nothing { version: 0 })
        ));
        let shared = Shared {
            authority: own.authority.key().to_owned(),
            source: own.origin.to_string(),
            document: "{}".to_owned(),
            confirmed: Timestamp(100),
            floor: Floor::default(),
            bootstrap: None,
            roots: None,
        };
        let mut batch = Batch::default();
        put(&mut batch, &encryption, &shared, 0).unwrap();
        store.commit(batch).await.unwrap();
        let found = read(&store, &encryption, &own).await.unwrap();
        assert!(matches!(&found, Stored::Bundle { shared: found, version: 1 } if *found == shared));
        let elsewhere = source("spiffe://a.example", "https://b.example/");
        assert!(matches!(
            read(&store, &encryption, &elsewhere).await,
            Ok(Stored::Nothing { version: 1 })
        ));
        let mut other_roots = own.clone();
        if let BundleOrigin::HttpsWeb { roots, .. } = &mut other_roots.origin {
            *roots = Some(b"PEM".to_vec());
        }
        assert!(matches!(
            read(&store, &encryption, &other_roots).await,
            Ok(Stored::Nothing { version: 1 })
        ));
        let other = KeyEncryption::new(&[8; 32]).unwrap();
        assert!(matches!(
            read(&store, &other, &own).await,
            Ok(Stored::Unreadable { version: 1 })
        ));
        // The record of one authority, stored under the key of another one.
        let record = store.read::<SharedBundle>(shared.authority.as_bytes()).await;
        let foreign = SharedBundle {
            authority: "spiffe://b.example".into(),
            ..record.unwrap().unwrap().record
        };
        let mut batch = Batch::default();
        batch.insert(&foreign);
        store.commit(batch).await.unwrap();
        let of_other = source("spiffe://b.example", "https://a.example/");
        assert!(matches!(
            read(&store, &encryption, &of_other).await,
            Ok(Stored::Unreadable { version: 1 })
        ));
    }
}

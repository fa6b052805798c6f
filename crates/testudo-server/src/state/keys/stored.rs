//! Reads the signing keys of the store and decides which of them are used. Everything is read and decrypted before
//! anything is written, so a server with a wrong key-encryption key does not change the store.

use super::sealed_list;
use crate::key_encryption::KeyEncryption;
use crate::state::refused::{News, RefusedRecord};
use std::collections::HashMap;
use std::sync::Arc;
use testudo_core::admission::client_name::OpaqueKey;
use testudo_core::records::{
    Batch, EventKind, Kind, ServerSecret, StoredSigningKey, Versioned, WithdrawnKey,
};
use testudo_core::signing_keys::{KeyList, Listing, SigningKeys};
use testudo_protocol::Timestamp;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_store::{Row, Store, StoreFault, Stored, typed};

/// Purpose of the secret from which opaque client ids are derived.
pub(super) const OPAQUE: &str = "opaque-client-id";
/// Most attempts to read keys, marks and list without a change in between.
const READINGS: usize = 8;

/// What a running server remembers of the keys, so that it notices a store that was put back to an earlier state.
pub(crate) struct KeysSeen {
    pub(super) list: KeyList,
    pub(super) opaque: Arc<OpaqueKey>,
}

/// The keys of the store, after they were checked.
pub(crate) struct Found {
    /// The keys, their marks and their list.
    pub keys: SigningKeys,
    /// The accepted keys, decrypted, by key id.
    pub opened: HashMap<String, Arc<SigningKey>>,
    /// Records that are not used.
    pub refused: Vec<RefusedRecord>,
    /// True where the list in the store has to be written again.
    pub is_list_due: bool,
    /// Events to write after the list is written.
    pub news: Vec<News>,
    /// The secret from which opaque client ids are derived, where the store has one.
    pub opaque: Option<Arc<OpaqueKey>>,
    list_version: u64,
}

impl Found {
    /// Encrypts a list that replaces the one that was read. If another node changed the keys meanwhile, the whole batch
    /// fails.
    pub(crate) fn seal(&self, mut list: KeyList, encryption: &KeyEncryption) -> Result<Batch, String> {
        list.sequence += 1;
        let record = sealed_list::seal(encryption, &list)?;
        let mut batch = Batch::default();
        match self.list_version {
            0 => batch.insert(&record),
            version => batch.replace(&record, version),
        }
        Ok(batch)
    }
}

/// Records that were read without a change in between.
struct Rows {
    keys: Vec<Row<StoredSigningKey>>,
    marks: Vec<Row<WithdrawnKey>>,
    list: Option<Stored>,
    opaque: Option<Stored>,
}

/// Reads and checks the keys. `known` is what a running server has read before.
pub(crate) async fn read(
    store: &Store,
    encryption: &KeyEncryption,
    known: Option<&KeysSeen>,
    now: Timestamp,
) -> Result<Found, String> {
    let rows = read_rows(store).await.map_err(|fault| fault.to_string())?;
    let rows = rows.ok_or("the signing keys changed each time they were read")?;
    let opened: Vec<Option<Result<Arc<SigningKey>, String>>> = rows
        .keys
        .iter()
        .map(|row| row.record.as_ref().ok().map(|key| open(encryption, key)))
        .collect();
    let list = rows.list.clone().map(|stored| open_list(encryption, stored));
    let opaque = rows.opaque.clone().map(|stored| open_opaque(encryption, stored));
    let sealed =
        opened.iter().flatten().count() + usize::from(list.is_some()) + usize::from(opaque.is_some());
    let is_any_open = opened.iter().flatten().any(Result::is_ok)
        || matches!(list, Some(Ok(_)))
        || matches!(opaque, Some(Ok(_)));
    if sealed > 0 && !is_any_open {
        return Err(format!(
            "the keys and secrets in the store ({sealed}) cannot be decrypted: this is not the key-encryption key that \
             they were encrypted with; put back the one that store.key_encryption_key named, or that lay beside the \
             database. Nothing was written"
        ));
    }

    let list_version = rows.list.as_ref().map_or(0, |stored| stored.version);
    let mut found = Found {
        keys: SigningKeys {
            accepted: Vec::new(),
            rejected: Vec::new(),
            marked: HashMap::new(),
            list: KeyList::begin(now),
        },
        opened: HashMap::new(),
        refused: Vec::new(),
        is_list_due: false,
        news: Vec::new(),
        opaque: None,
        list_version,
    };
    choose_list(&mut found, list, known);
    let is_there = |kid: &str| rows.keys.iter().any(|row| row.key == kid.as_bytes());
    found.keys.list.retain(is_there);
    check_marks(&mut found, &rows, now);
    for (row, opened) in rows.keys.into_iter().zip(opened) {
        check_key(&mut found, row, opened, now);
    }
    check_opaque(&mut found, opaque, known)?;
    found.keys.accepted.sort_by(|a, b| {
        let by_time = b.record.active_from.cmp(&a.record.active_from);
        by_time.then_with(|| a.record.kid.cmp(&b.record.kid))
    });
    Ok(found)
}

/// Reads keys, marks and list without a change in between. Every change replaces the list, so if the list is the same
/// before and after, nothing changed. The marks are read after the keys, because nodes of a version without the list
/// write both in one batch.
async fn read_rows(store: &Store) -> Result<Option<Rows>, StoreFault> {
    let secret = |purpose: &str| (Kind::ServerSecret, purpose.as_bytes().to_vec());
    let mut before = store
        .get(Kind::ServerSecret, sealed_list::PURPOSE.as_bytes())
        .await?;
    for _ in 0..READINGS {
        let keys = store.read_each::<StoredSigningKey>().await?;
        let marks = store.read_each::<WithdrawnKey>().await?;
        let mut secrets = store
            .get_many(vec![secret(sealed_list::PURPOSE), secret(OPAQUE)])
            .await?;
        let (opaque, list) = (secrets.pop().flatten(), secrets.pop().flatten());
        if list == before {
            return Ok(Some(Rows {
                keys,
                marks,
                list,
                opaque,
            }));
        }
        before = list;
    }
    Ok(None)
}

fn open(encryption: &KeyEncryption, record: &StoredSigningKey) -> Result<Arc<SigningKey>, String> {
    let pkcs8 = encryption.unwrap(&record.kid, &record.wrapped)?;
    let algorithm = Algorithm::parse(&record.algorithm).ok_or("has an unknown algorithm")?;
    let key = SigningKey::from_pkcs8(algorithm, &pkcs8, Some(&record.kid));
    key.map(Arc::new)
        .map_err(|fault| format!("is no private key of its algorithm: {fault}"))
}

fn open_list(encryption: &KeyEncryption, stored: Stored) -> Result<KeyList, String> {
    let secret = typed::<ServerSecret>(stored).map_err(|fault| fault.to_string())?;
    sealed_list::open(encryption, &secret.record)
}

fn open_opaque(encryption: &KeyEncryption, stored: Stored) -> Result<OpaqueKey, String> {
    let secret = typed::<ServerSecret>(stored).map_err(|fault| fault.to_string())?;
    let plain = encryption.unwrap(OPAQUE, &secret.record.wrapped)?;
    let plain = plain.as_slice().try_into();
    plain
        .map(OpaqueKey::new)
        .map_err(|_| "has the wrong length".to_owned())
}

/// Chooses the list that is used: the list of the store, with the withdrawals that this server has seen; or, where the
/// list of the store cannot be decrypted, the list that this server has seen.
fn choose_list(found: &mut Found, stored: Option<Result<KeyList, String>>, known: Option<&KeysSeen>) {
    let seen = known.map(|known| &known.list);
    let what = match (stored, seen) {
        (Some(Ok(list)), None) => {
            found.keys.list = list;
            return;
        }
        (Some(Ok(list)), Some(seen)) => {
            let is_older = list.sequence < seen.sequence;
            found.keys.list = list;
            if !found.keys.list.remember(seen) && !is_older {
                return;
            }
            found.keys.list.sequence = found.keys.list.sequence.max(seen.sequence);
            "is older than the list that this server has read before: withdrawn keys stay withdrawn"
                .to_owned()
        }
        (Some(Err(why)), Some(seen)) => {
            found.keys.list = seen.clone();
            format!("{why}; this server writes the list again as it has read it before")
        }
        (None, Some(seen)) => {
            found.keys.list = seen.clone();
            "is missing; this server writes the list again as it has read it before".to_owned()
        }
        (Some(Err(why)), None) => {
            found.keys.list = KeyList::begin_anew();
            format!("{why}; without it no signing key of the store is used, and a new signing key is created")
        }
        // The store is new, or was written by a version without the list: its keys are accepted, with an event each.
        (None, None) => {
            found.is_list_due = true;
            return;
        }
    };
    found.is_list_due = true;
    let record = RefusedRecord::new("server_secret", sealed_list::PURPOSE.as_bytes(), what);
    found.news.push((EventKind::RecordRefused, record.to_string()));
}

/// Rejects keys that are marked as withdrawn, also where the mark was not made by a withdrawal: an attacker who can
/// write to the database could delete the key as well. Marks that only such an attacker can have made or removed are
/// reported.
fn check_marks(found: &mut Found, rows: &Rows, now: Timestamp) {
    for row in &rows.marks {
        let kid = String::from_utf8_lossy(&row.key).into_owned();
        let report = |what: &str| RefusedRecord::new("withdrawn_key", &row.key, what.to_owned());
        match &row.record {
            Err(fault) => {
                let what = format!("{fault}; the key counts as withdrawn");
                found.refused.push(report(&what));
            }
            Ok(_) if found.keys.list.withdrawn_at(&kid).is_some() => {}
            Ok(mark) if found.keys.list.takes_over(now) && !found.keys.list.has_dropped(mark.at) => {
                found.keys.list.withdraw(&kid, mark.at);
                found.is_list_due = true;
            }
            Ok(_) if found.keys.list.lists(&kid) => {
                let what = "was not made by a withdrawal, since the sealed list names the key as in use; the \
                            key counts as withdrawn";
                found.refused.push(report(what));
            }
            Ok(_) => {}
        }
        let at = row.record.as_ref().ok().map(|mark| mark.at);
        found.keys.marked.insert(kid, at);
    }
    let gone = found
        .keys
        .list
        .withdrawn()
        .filter(|kid| !found.keys.marked.contains_key(*kid));
    let gone = gone.map(|kid| {
        let what = "was removed; the key stays withdrawn, and `testudo key revoke` writes the mark again";
        RefusedRecord::new("withdrawn_key", kid.as_bytes(), what.to_owned())
    });
    found.refused.extend(gone.collect::<Vec<_>>());
}

fn check_key(
    found: &mut Found,
    row: Row<StoredSigningKey>,
    opened: Option<Result<Arc<SigningKey>, String>>,
    now: Timestamp,
) {
    let kid = String::from_utf8_lossy(&row.key).into_owned();
    let is_withdrawn = found.keys.marked.contains_key(&kid) || found.keys.list.withdrawn_at(&kid).is_some();
    let checked = match (row.record, opened) {
        (Err(fault), _) => Err(fault.to_string()),
        (Ok(record), _) if record.kid.as_bytes() != row.key => {
            Err("is stored under another key id".to_owned())
        }
        (Ok(_), _) if is_withdrawn => Err("was withdrawn and is in the store again".to_owned()),
        (Ok(record), Some(Ok(key))) => match found.keys.list.listing(&record) {
            Listing::Same => Ok((record, key)),
            Listing::Absent if found.keys.list.takes_over(now) => {
                found.keys.list.add(&record);
                found.is_list_due = true;
                let what = format!("{kid}: created by an earlier version, added to the sealed list");
                found.news.push((EventKind::KeyTakenOver, what));
                Ok((record, key))
            }
            Listing::Absent => Err("is not in the sealed list of signing keys".to_owned()),
            Listing::Altered => {
                Err("was altered: its algorithm or its times are not those of the sealed list".to_owned())
            }
        },
        (Ok(_), Some(Err(why))) => Err(why),
        // Cannot happen: every record that can be read was decrypted or has an error.
        (Ok(_), None) => Err("was not decrypted".to_owned()),
    };
    match checked {
        Ok((record, key)) => {
            found.opened.insert(kid, key);
            found.keys.accepted.push(Versioned {
                record,
                version: row.version,
            });
        }
        Err(why) => {
            let why = format!("{why}: it is neither published nor used");
            found
                .refused
                .push(RefusedRecord::new("signing_key", &row.key, why));
            found.keys.rejected.push((row.key, row.version));
        }
    }
}

/// A running server keeps the secret that it has. A server that starts refuses to start without the right secret: it
/// would derive client ids that differ from those of other nodes.
fn check_opaque(
    found: &mut Found,
    stored: Option<Result<OpaqueKey, String>>,
    known: Option<&KeysSeen>,
) -> Result<(), String> {
    let known = known.map(|known| known.opaque.clone());
    match (stored, known) {
        (Some(Ok(opaque)), _) => found.opaque = Some(Arc::new(opaque)),
        (None, known) => found.opaque = known,
        (Some(Err(why)), Some(known)) => {
            found.opaque = Some(known);
            let why =
                format!("{why}; this server keeps the secret that it has in memory, but no server can start");
            found
                .refused
                .push(RefusedRecord::new("server_secret", OPAQUE.as_bytes(), why));
        }
        (Some(Err(why)), None) => {
            return Err(format!(
                "the record of the secret for opaque client ids (kind {}, key {OPAQUE:?}) {why}, although the \
                 key-encryption key decrypts others: restore the record from a backup; if it is deleted, all \
                 opaque client ids change",
                Kind::ServerSecret as u8
            ));
        }
    }
    Ok(())
}

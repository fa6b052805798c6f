//! What the store holds of signing keys, and what of it is believed. Everything is read and opened before anything
//! is written: a server with a wrong key-encryption key leaves the store as it was.

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

/// Purpose of the secret behind opaque client ids.
pub(super) const OPAQUE: &str = "opaque-client-id";
/// Times the store is read again because the keys changed in between.
const READINGS: usize = 8;

/// What a running server has seen of the keys: the store may be put back to an earlier state, and it is not.
pub(crate) struct KeysSeen {
    pub(super) list: KeyList,
    pub(super) opaque: Arc<OpaqueKey>,
}

/// The keys of the store, judged.
pub(crate) struct Found {
    /// The keys, their marks and their list.
    pub keys: SigningKeys,
    /// The accepted keys, ready to sign, by their ids.
    pub opened: HashMap<String, Arc<SigningKey>>,
    /// Rows that are not believed.
    pub refused: Vec<RefusedRecord>,
    /// The list in the store is another one.
    pub is_list_due: bool,
    /// What is told once the list is written.
    pub news: Vec<News>,
    /// Makes opaque client ids, where the store has its secret.
    pub opaque: Option<Arc<OpaqueKey>>,
    list_version: u64,
}

impl Found {
    /// Seals a list in place of the one that was read. Where another node changed the keys meanwhile, nothing of the
    /// batch is written.
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

/// Rows that belong together.
struct Rows {
    keys: Vec<Row<StoredSigningKey>>,
    marks: Vec<Row<WithdrawnKey>>,
    list: Option<Stored>,
    opaque: Option<Stored>,
}

/// Reads and judges. `known` is what this server saw before, if it runs.
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
            "the keys and secrets of the store ({sealed}) cannot be unwrapped: is this the key-encryption key they were \
             wrapped with? Nothing was written"
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
    judge_marks(&mut found, &rows, now);
    for (row, opened) in rows.keys.into_iter().zip(opened) {
        judge_key(&mut found, row, opened, now);
    }
    judge_opaque(&mut found, opaque, known)?;
    found.keys.accepted.sort_by(|a, b| {
        let by_time = b.record.active_from.cmp(&a.record.active_from);
        by_time.then_with(|| a.record.kid.cmp(&b.record.kid))
    });
    Ok(found)
}

/// Keys, marks and list of one moment: every change replaces the list, so that one that is the same before and after
/// means that nothing changed in between. The marks are read after the keys, because nodes of a version without the
/// list write both at once.
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

/// The list to go by: that of the store, with the withdrawals that this server saw; where the store's does not open,
/// the one that this server saw.
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
            "is older than the one that this server saw: keys that were withdrawn stay withdrawn".to_owned()
        }
        (Some(Err(why)), Some(seen)) => {
            found.keys.list = seen.clone();
            format!("{why}; it is written again as this server knows it")
        }
        (None, Some(seen)) => {
            found.keys.list = seen.clone();
            "is gone; it is written again as this server knows it".to_owned()
        }
        (Some(Err(why)), None) => {
            found.keys.list = KeyList::begin_anew();
            format!("{why}; no signing key of the store is believed without it, another one is made")
        }
        // A new store, or one of a version without the list: the keys are taken over, which is told.
        (None, None) => {
            found.is_list_due = true;
            return;
        }
    };
    found.is_list_due = true;
    let record = RefusedRecord::new("server_secret", sealed_list::PURPOSE.as_bytes(), what);
    found.news.push((EventKind::RecordRefused, record.to_string()));
}

/// Keeps out what is marked as withdrawn, also where no withdrawal made the mark: a writer of the
/// database could as well delete the key. What only such a writer can have done is reported.
fn judge_marks(found: &mut Found, rows: &Rows, now: Timestamp) {
    for row in &rows.marks {
        let kid = String::from_utf8_lossy(&row.key).into_owned();
        let report = |what: &str| RefusedRecord::new("withdrawn_key", &row.key, what.to_owned());
        match &row.record {
            Err(fault) => {
                let what = format!("{fault}; the key counts as withdrawn");
                found.refused.push(report(&what));
            }
            Ok(_) if found.keys.list.withdrawn_at(&kid).is_some() => {}
            Ok(mark) if found.keys.list.takes_over(now) => {
                found.keys.list.withdraw(&kid, mark.at);
                found.is_list_due = true;
            }
            Ok(_) if found.keys.list.lists(&kid) => {
                let what = "was not made by a withdrawal: the sealed list names the key as one that is in use; the \
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
        let what = "was removed: the key stays withdrawn, `testudo key revoke` makes the mark again";
        RefusedRecord::new("withdrawn_key", kid.as_bytes(), what.to_owned())
    });
    found.refused.extend(gone.collect::<Vec<_>>());
}

fn judge_key(
    found: &mut Found,
    row: Row<StoredSigningKey>,
    opened: Option<Result<Arc<SigningKey>, String>>,
    now: Timestamp,
) {
    let kid = String::from_utf8_lossy(&row.key).into_owned();
    let is_withdrawn = found.keys.marked.contains_key(&kid) || found.keys.list.withdrawn_at(&kid).is_some();
    let judged = match (row.record, opened) {
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
                let what = format!("{kid}: made by an earlier version, taken over");
                found.news.push((EventKind::KeyTakenOver, what));
                Ok((record, key))
            }
            Listing::Absent => Err("is not in the sealed list of signing keys".to_owned()),
            Listing::Altered => {
                Err("was altered: its algorithm or its times are not those of the sealed list".to_owned())
            }
        },
        (Ok(_), Some(Err(why))) => Err(why),
        // Every row that can be read was tried.
        (Ok(_), None) => Err("was not opened".to_owned()),
    };
    match judged {
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

/// A server that runs goes on with the secret that it has. One that starts must not make opaque client ids that no
/// other node makes.
fn judge_opaque(
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
            let why = format!("{why}: this server goes on with the secret that it has, none will start");
            found
                .refused
                .push(RefusedRecord::new("server_secret", OPAQUE.as_bytes(), why));
        }
        (Some(Err(why)), None) => {
            return Err(format!(
                "the record of the secret behind opaque client ids (kind {}, key {OPAQUE:?}) {why}, though the \
                 key-encryption key opens others: put the record back from a backup; where it is deleted, opaque \
                 client ids change",
                Kind::ServerSecret as u8
            ));
        }
    }
    Ok(())
}

//! Records of the store that are not used: documents that cannot be read, and records that only an attacker who can
//! write to the database can have made. Each one has an event and is shown by `doctor` and `status` for as long as it
//! is in the store; the other records stay in use.

use crate::trust::Anchor;
use serde::Serialize;
use std::fmt;
use testudo_core::records::{EventKind, Record, Versioned};
use testudo_store::{StoreFault, Stored, typed};

/// An event to write: its kind and its `detail`.
pub type News = (EventKind, String);

/// Most events of one load of the store; `status` and `doctor` show the other records too.
pub(crate) const EVENTS_MAX: usize = 20;

/// A record of the store that is not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct RefusedRecord {
    /// `signing_key`, `withdrawn_key`, `server_secret`, `block`, `switch`, `reload_order`, `client`, `bundle_sequence`,
    /// `shared_bundle`, `person`, `session` or `grant`.
    pub kind: &'static str,
    /// The key of the record; of a person, session or grant in hexadecimal digits.
    pub key: String,
    /// What is wrong with the record, and what the server does therefore.
    pub why: String,
}

impl RefusedRecord {
    pub(crate) fn new(kind: &'static str, key: &[u8], why: String) -> RefusedRecord {
        let key = String::from_utf8_lossy(key).into_owned();
        RefusedRecord { kind, key, why }
    }

    /// A client whose record cannot be read.
    pub(crate) fn of_client(key: &[u8], fault: &StoreFault) -> RefusedRecord {
        RefusedRecord::new(
            "client",
            key,
            format!(
                "{fault}: its identity gets no token until the row is restored from a backup, or deleted from the table \
                 `records`, after which the identity registers again"
            ),
        )
    }

    /// A person, session or grant (`kind`) whose record cannot be read. These keys are no text.
    pub(crate) fn of_people(kind: &'static str, key: &[u8], fault: &StoreFault) -> RefusedRecord {
        let key = hex::encode(key);
        let why = format!(
            "{fault}: it is not used until the row is restored from a backup, or deleted from the table `records`"
        );
        RefusedRecord { kind, key, why }
    }

    /// The stored record of the bundle sequence of an authority, where it is not used.
    pub(crate) fn of_bundle(anchor: &Anchor) -> Option<RefusedRecord> {
        let (key, why) = anchor.refused_floor()?;
        Some(RefusedRecord::new("bundle_sequence", key.as_bytes(), why))
    }

    /// The stored bundle of an authority, where it is not used.
    pub(crate) fn of_shared_bundle(anchor: &Anchor) -> Option<RefusedRecord> {
        let why = "cannot be decrypted with this server's key-encryption key, and is not used: the next bundle that is \
                   fetched replaces it";
        let key = anchor.refused_shared()?;
        Some(RefusedRecord::new(
            "shared_bundle",
            key.as_bytes(),
            why.to_owned(),
        ))
    }
}

impl fmt::Display for RefusedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.kind, self.key, self.why)
    }
}

/// Parses a document. A document that cannot be read is logged and gives `None`.
pub(crate) fn readable<R: Record>(stored: Stored) -> Option<Versioned<R>> {
    let key = String::from_utf8_lossy(&stored.key).into_owned();
    match typed(stored) {
        Ok(record) => Some(record),
        Err(fault) => {
            let detail = format!("{:?} {key:?}: {fault}", R::KIND);
            tracing::error!(event = "record.refused", detail, "record.refused");
            None
        }
    }
}

/// Events of the records that are refused now and were not refused before.
pub(crate) fn news(before: &[RefusedRecord], now: &[RefusedRecord]) -> Vec<News> {
    now.iter()
        .filter(|record| !before.contains(record))
        .map(|record| (EventKind::RecordRefused, record.to_string()))
        .collect()
}

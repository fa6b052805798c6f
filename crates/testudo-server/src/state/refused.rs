//! Records of the store that are not used: documents that cannot be read, and records that only an attacker who can
//! write the database can have made. Each is refused alone, is an event, and is shown by `doctor` and `status` for as
//! long as it is there.

use crate::trust::Anchor;
use serde::Serialize;
use std::fmt;
use testudo_core::records::{EventKind, Record, Versioned};
use testudo_store::{Stored, typed};

/// An event that an administrator should read.
pub type News = (EventKind, String);

/// Events of one reading at most; what is beyond stands in `status` and `doctor`.
pub(crate) const EVENTS_MAX: usize = 20;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct RefusedRecord {
    /// `signing_key`, `withdrawn_key`, `server_secret`, `block`, `switch`, `reload_order`, `client` or `bundle_sequence`.
    pub kind: &'static str,
    /// Its key.
    pub key: String,
    /// What is wrong with it, and what follows.
    pub why: String,
}

impl RefusedRecord {
    pub(crate) fn new(kind: &'static str, key: &[u8], why: String) -> RefusedRecord {
        let key = String::from_utf8_lossy(key).into_owned();
        RefusedRecord { kind, key, why }
    }

    /// The stored sequence of a trust domain's bundle, where it is not believed.
    pub(crate) fn of_bundle(anchor: &Anchor) -> Option<RefusedRecord> {
        let (key, why) = anchor.refused_floor()?;
        Some(RefusedRecord::new("bundle_sequence", key.as_bytes(), why))
    }
}

impl fmt::Display for RefusedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.kind, self.key, self.why)
    }
}

/// The record that a document is. A document that cannot be read is left out and logged.
pub(crate) fn readable<R: Record>(stored: Stored) -> Option<Versioned<R>> {
    let key = String::from_utf8_lossy(&stored.key).into_owned();
    match typed(stored) {
        Ok(record) => Some(record),
        Err(fault) => {
            tracing::error!(key, %fault, "record.refused");
            None
        }
    }
}

/// What is refused now and was not before, as news.
pub(crate) fn news(before: &[RefusedRecord], now: &[RefusedRecord]) -> Vec<News> {
    now.iter()
        .filter(|record| !before.contains(record))
        .map(|record| (EventKind::RecordRefused, record.to_string()))
        .collect()
}

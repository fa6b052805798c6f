//! Records of the store that are not believed: documents that cannot be read, and what only a writer of the database
//! can have made. Each is refused alone, is an event, and stands in `doctor` and `status` for as long as it is there.

use crate::admin::new_event;
use crate::app::App;
use crate::keys::News;
use serde::Serialize;
use std::fmt;
use testudo_core::records::{Batch, EventKind, Record, Versioned};
use testudo_store::{Stored, typed};

/// Events of one reading at most; what is beyond stands in `status` and `doctor`.
pub(crate) const EVENTS_MAX: usize = 20;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct RefusedRecord {
    /// `signing_key`, `withdrawn_key`, `server_secret`, `block`, `switch`, `reload_order` or `client`.
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
}

impl fmt::Display for RefusedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.kind, self.key, self.why)
    }
}

/// The record that a document is. What cannot be read is left out, and said in the log.
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

/// Writes events, and the log.
pub(crate) async fn tell(app: &App, news: Vec<News>) {
    let mut batch = Batch::default();
    for (kind, detail) in news.into_iter().take(EVENTS_MAX) {
        match kind {
            EventKind::RecordRefused => tracing::error!(detail, "{}", kind.name()),
            _ => tracing::info!(detail, "{}", kind.name()),
        }
        if let Some(event) = new_event(app, kind, |event| event.detail = Some(detail)) {
            batch.insert(&event);
        }
    }
    if let Err(error) = app.store.commit(batch).await {
        tracing::warn!(?error, "events of refused records could not be written");
    }
}

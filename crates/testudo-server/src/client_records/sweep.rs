//! Removes clients that are idle or past their lifetime. An idle client for which a person granted something stays.

use super::granted::Granted;
use super::last_uses::{FLUSH_PAUSE, flush_last_used};
use super::left::left_by;
use crate::audit::{Note, tell};
use crate::database_clock::earlier_now;
use crate::fault::Fault;
use crate::state::app::App;
use crate::state::refused::{self, RefusedRecord};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use testudo_core::admission::lifecycle::{self, Cause};
use testudo_core::admission::sweep::{EndOfLife, end_of_life};
use testudo_core::records::{Client, Record as _, Versioned};
use testudo_protocol::{Seconds, Timestamp};
use testudo_store::{CommitError, StoreFault};

/// Greatest age of a use that another node has not yet written to the store: two flush intervals, since one flush may
/// have failed.
const UNWRITTEN_AGE_MAX: Seconds = Seconds(2 * FLUSH_PAUSE.0);

/// How long a sweep reads what people granted. A million grants take some seconds.
const GRANTED_READ_MAX: Duration = Duration::from_secs(600);

/// The result of a sweep, or of a dry run.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub struct Swept {
    /// Number of clients that were read.
    pub visited: usize,
    /// Number of clients that were removed, or that would be removed by a sweep that is no dry run.
    pub removed: usize,
    /// The client ids of the first 100 of them.
    pub client_ids: Vec<String>,
    /// Number of idle clients that stay because what people granted could not be read in the ten minutes that a sweep has for
    /// this: removing one could end what a person granted.
    pub idle_left: usize,
}

/// Removes clients that are idle or past their lifetime, page by page. An idle client stays while a person has a valid
/// refresh token of it or a consent for it: removing it would end what the person granted. Each one is deleted at the version that was
/// read, so a client that was used meanwhile stays.
///
/// The events name who ordered the sweep: the server, or an administrator.
pub async fn sweep(app: &App, is_dry_run: bool, note: Note<'_>) -> Result<Swept, StoreFault> {
    sweep_within(app, is_dry_run, note, GRANTED_READ_MAX).await
}

/// The same with this time for reading what people granted.
pub async fn sweep_within(
    app: &App,
    is_dry_run: bool,
    note: Note<'_>,
    within: Duration,
) -> Result<Swept, StoreFault> {
    flush_last_used(app).await;
    let now = earlier_now(app, app.now()).await?;
    let unwritten_age_max = match app.store.is_shared() {
        true => UNWRITTEN_AGE_MAX,
        false => Seconds(0),
    };
    let mut swept = Swept::default();
    // Read when the first idle client is found.
    let mut granted = None;
    let mut unreadable = Vec::new();
    let mut pages = app.store.pages::<Client>(Vec::new());
    while let Some(page) = pages.next().await? {
        for mut row in page {
            swept.visited += 1;
            let key = std::mem::take(&mut row.key);
            let client = match row.versioned() {
                Ok(client) => client,
                Err(fault) => {
                    if unreadable.len() < refused::EVENTS_MAX {
                        unreadable.push(RefusedRecord::of_client(&key, &fault));
                    }
                    continue;
                }
            };
            let Some(why) = end_of_life(&client.record, now, unwritten_age_max) else {
                continue;
            };
            if why == EndOfLife::Idle {
                let granted = match granted {
                    Some(ref granted) => granted,
                    None => &*granted.insert(granted_within(app, now, within).await?),
                };
                let Some(granted) = granted else {
                    swept.idle_left += 1;
                    continue;
                };
                if granted.has(&client.record) {
                    continue;
                }
            }
            let is_removed = is_dry_run || remove(app, &client, why, note).await.unwrap_or(false);
            if is_removed {
                swept.removed += 1;
                if swept.client_ids.len() < 100 {
                    swept.client_ids.push(client.record.client_id);
                }
            }
        }
        tokio::task::yield_now().await;
    }
    tell(app, refused::news(&[], &unreadable)).await;
    app.refused.clients.store(Arc::new(unreadable));
    Ok(swept)
}

/// What people granted, which is read once for a whole sweep. `None`: it is too much to read, so no idle client is removed.
async fn granted_within(app: &App, now: Timestamp, within: Duration) -> Result<Option<Granted>, StoreFault> {
    let granted = Granted::read(app, now, within).await?;
    if granted.is_none() {
        let fault = "what people granted could not be read in time; no idle client is removed";
        tracing::warn!(
            event = "upkeep.failed",
            work = "sweep",
            fault,
            "idle clients could not be removed"
        );
    }
    Ok(granted)
}

/// Removes one client at the version that was read. False where the client was changed meanwhile.
async fn remove(
    app: &App,
    client: &Versioned<Client>,
    why: EndOfLife,
    note: Note<'_>,
) -> Result<bool, StoreFault> {
    let left = left_by(app, &client.record).await?;
    let Some(entropy) = app.clock.entropy() else {
        return Err(StoreFault(Fault::NoEntropy.to_string()));
    };
    let cause = Cause {
        actor: note.actor,
        reason: why.name(),
        note: note.reason,
        entropy: &entropy,
        now: app.now(),
    };
    let outcome = app.commit(lifecycle::remove(client, left.traces(), &cause)).await;
    app.memory.clients.forget(&client.record.key());
    match outcome {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict(_)) => Ok(false),
        Err(CommitError::Unavailable(fault)) => Err(fault),
        Err(CommitError::Busy) => Err(StoreFault("too many writes are waiting for the store".into())),
    }
}

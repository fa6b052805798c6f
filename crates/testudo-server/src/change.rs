//! One guard for everything that an administrator changes.
//!
//! It holds the administrators' turn, so that two of them do not decide by the same records, and who orders the change
//! and why. What was decided is committed with its events in one batch; then it is in force here, before the answer,
//! and on the other nodes as soon as they hear of it.

use crate::audit::Note;
use crate::read_again;
use crate::state::app::App;
use std::sync::atomic::Ordering;
use testudo_core::admin::{Audited, Order};
use testudo_core::records::{Event, Kind, Write};
use testudo_store::{CommitError, StoreFault};
use tokio::sync::MutexGuard;

/// An administrator's change under way: the turn, the administrator and the reason.
pub(crate) struct Change<'a> {
    app: &'a App,
    note: Note<'a>,
    _turn: MutexGuard<'a, ()>,
}

impl<'a> Change<'a> {
    /// Waits for the turn.
    pub(crate) async fn begin(app: &'a App, note: Note<'a>) -> Change<'a> {
        Change {
            app,
            note,
            _turn: app.turns.admin.lock().await,
        }
    }

    /// The order at this moment: for one decision.
    pub(crate) fn order(&self) -> Result<Order<'a>, StoreFault> {
        let entropy = self.app.clock.entropy();
        Ok(Order {
            actor: self.note.actor,
            reason: self.note.reason,
            entropy: entropy.ok_or_else(|| StoreFault("the system has no randomness to give".into()))?,
            now: self.app.now(),
        })
    }

    /// Writes what was decided, whole or not at all, and takes it into memory.
    pub(crate) async fn commit(&self, changes: &Audited) -> Result<(), CommitError> {
        let batch = changes.batch();
        let written: Vec<(Kind, Vec<u8>)> = batch.writes.iter().filter_map(place).collect();
        let outcome = self.app.store.commit(batch).await;
        match &outcome {
            Ok(()) => {
                changes.events().iter().for_each(log);
                self.take_over(&written).await
            }
            // What this node remembers of a client may be what made the commit fail; or the store wrote it and could
            // not say so.
            Err(_) => {
                for (_, key) in written.iter().filter(|(kind, _)| *kind == Kind::Client) {
                    self.app.memory.clients.forget(key);
                }
                outcome
            }
        }
    }

    /// Where a record does not let itself be read, it is looked for again with the next tick.
    async fn take_over(&self, written: &[(Kind, Vec<u8>)]) -> Result<(), CommitError> {
        read_again::records(self.app, written).await.map_err(|why| {
            self.app.condition.must_look_again.store(true, Ordering::Release);
            CommitError::Unavailable(StoreFault(why))
        })
    }
}

/// The record that a write changes.
fn place(write: &Write) -> Option<(Kind, Vec<u8>)> {
    match write {
        Write::Insert(document) | Write::Replace(document, _) => Some((document.kind, document.key.clone())),
        Write::Delete(kind, key, _) => Some((*kind, key.clone())),
        Write::Absent(..) | Write::Add { .. } => None,
    }
}

/// The second record of what an administrator changed, beside the database.
fn log(event: &Event) {
    tracing::info!(
        actor = event.actor,
        reason = event.reason,
        client.id = event.client_id,
        identity = event.identity,
        trust_domain = event.authority,
        detail = event.detail,
        "{}",
        event.event.name()
    );
}

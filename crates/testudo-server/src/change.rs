//! The guard of every change by an administrator.
//!
//! It holds the lock of such changes, so that two administrators do not decide on the same records at the same time,
//! and it knows who orders the change and why. The change is committed with its events in one batch. Then it is in
//! force on this node, before the answer is sent, and on other nodes as soon as the store announces it to them.

use crate::audit::Note;
use crate::fault::Fault;
use crate::read_again;
use crate::state::app::App;
use std::sync::atomic::Ordering;
use testudo_core::admin::{Audited, Order, ReloadWrites};
use testudo_core::records::{Batch, Kind, Write};
use testudo_store::{CommitError, StoreFault};
use tokio::sync::MutexGuard;

/// A change by an administrator that is being made: the lock, the administrator and the reason.
pub(crate) struct Change<'a> {
    app: &'a App,
    note: Note<'a>,
    _turn: MutexGuard<'a, ()>,
}

impl<'a> Change<'a> {
    /// Waits for the lock.
    pub(crate) async fn begin(app: &'a App, note: Note<'a>) -> Change<'a> {
        Change {
            app,
            note,
            _turn: app.turns.admin.lock().await,
        }
    }

    /// The order, with time and random bytes for one decision.
    pub(crate) fn order(&self) -> Result<Order<'a>, StoreFault> {
        let entropy = self.app.clock.entropy();
        Ok(Order {
            actor: self.note.actor,
            reason: self.note.reason,
            entropy: entropy.ok_or_else(|| StoreFault(Fault::NoEntropy.to_string()))?,
            now: self.app.now(),
        })
    }

    /// Writes the change in one batch and updates the memory of this node.
    pub(crate) async fn commit(&self, changes: &Audited) -> Result<(), CommitError> {
        self.write(changes.batch()).await
    }

    /// As [`Change::commit`], for a reload, which may write an order to the other nodes without an event.
    pub(crate) async fn commit_reload(&self, writes: &ReloadWrites) -> Result<(), CommitError> {
        self.write(writes.batch()).await
    }

    async fn write(&self, batch: Batch) -> Result<(), CommitError> {
        let written: Vec<(Kind, Vec<u8>)> = batch.writes.iter().filter_map(place).collect();
        let outcome = self.app.commit(batch).await;
        match &outcome {
            Ok(()) => self.take_over(&written).await,
            // The client in memory may be out of date, which made the commit fail; or the store wrote the batch and its
            // answer was lost.
            Err(_) => {
                for (_, key) in written.iter().filter(|(kind, _)| *kind == Kind::Client) {
                    self.app.memory.clients.forget(key);
                }
                outcome
            }
        }
    }

    /// If a record cannot be read, everything is loaded again by background work.
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
        Write::Absent(..) | Write::Mark(_) | Write::Add { .. } => None,
    }
}

//! Sends NOTIFY after a commit, as a hint to other nodes that the table of changes has new rows.
//!
//! NOTIFY inside the transaction of a freeze could undo the freeze: if the queue of notifications is full, PostgreSQL
//! fails the COMMIT. If a hint is lost, other nodes find the change half a second later, when they poll.

use super::connections::Connections;
use super::lease::checkout;
use crate::StoreFault;
use tokio::sync::mpsc;

/// Hints that wait while one is being sent. One is enough, since all hints have the same content.
const QUEUE_MAX: usize = 1;

/// Passes hints to the task that sends them. The task ends when this value is dropped.
pub(super) struct Hint(mpsc::Sender<()>);

impl Hint {
    /// Starts the task.
    pub(super) fn start(connections: Connections) -> Hint {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(send_each(connections, queue));
        Hint(sender)
    }

    /// Queues a hint without waiting. If a hint is queued already, that one is enough.
    pub(super) fn give(&self) {
        let _ = self.0.try_send(());
    }
}

async fn send_each(connections: Connections, mut queue: mpsc::Receiver<()>) {
    let mut lost = 0u64;
    while queue.recv().await.is_some() {
        match (send(&connections).await, lost) {
            (Ok(()), 0) => {}
            (Ok(()), _) => {
                tracing::info!(
                    event = "nodes.hint_works",
                    count = lost,
                    "NOTIFY works again: other nodes are notified of changes at once"
                );
                lost = 0;
            }
            (Err(fault), _) => {
                lost = lost.saturating_add(1);
                if lost == 1 {
                    tracing::warn!(
                        event = "nodes.hint_lost",
                        %fault,
                        "NOTIFY failed: other nodes find changes when they poll, within half a second"
                    );
                }
            }
        }
    }
}

/// `synchronous_commit` is off, because the change itself is on the disk already, and because the transaction of a
/// NOTIFY holds a lock that every NOTIFY of the database server needs.
async fn send(connections: &Connections) -> Result<(), StoreFault> {
    let client = checkout(connections).await?;
    let text = "SELECT set_config('synchronous_commit', 'off', true), pg_notify('testudo', '')";
    client
        .bounded(async {
            let statement = client.prepare_cached(text).await?;
            client.query_one(&statement, &[]).await
        })
        .await
        .map(drop)
}

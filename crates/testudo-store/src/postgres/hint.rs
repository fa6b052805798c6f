//! The hint that there is something new in the table of changes: NOTIFY, sent after the commit.
//!
//! Within the transaction of a freeze it could undo the freeze: PostgreSQL raises its error at COMMIT, where the queue
//! of notifications is full. A hint that is lost costs the other nodes half a second, until their next look.

use super::connections::Connections;
use super::lease::checkout;
use crate::StoreFault;
use tokio::sync::mpsc;

/// Hints that wait while one is being sent. All say the same.
const QUEUE_MAX: usize = 1;

/// Gives hints to the task that sends them, which ends with this value.
pub(super) struct Hint(mpsc::Sender<()>);

impl Hint {
    /// Starts the task.
    pub(super) fn start(connections: Connections) -> Hint {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(send_each(connections, queue));
        Hint(sender)
    }

    /// Waits for nothing. Where a hint waits already, it stands for this one too.
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
                    lost,
                    "NOTIFY works again: other nodes are told of changes at once"
                );
                lost = 0;
            }
            (Err(fault), _) => {
                lost = lost.saturating_add(1);
                if lost == 1 {
                    tracing::warn!(
                        %fault,
                        "NOTIFY is not possible: other nodes find changes at their next look, within half a second"
                    );
                }
            }
        }
    }
}

/// The change is on the disk already. The hint waits for no disk and no standby, since it holds a lock meanwhile
/// that every NOTIFY in this server needs.
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

//! Writes to the store when clients were last used, which requests note in memory only.
//!
//! A crash may lose the uses of one minute, but this write must not overwrite a change of a client. So clients are read
//! together and written in one batch, each at the version that was read. If one of them changed meanwhile, the batch
//! fails, and its clients are written one by one.

use crate::state::app::App;
use crate::state::clients::CachedClient;
use crate::state::refused;
use std::sync::Arc;
use testudo_core::records::{Batch, Client, Kind, Record as _, Versioned};
use testudo_protocol::Seconds;
use testudo_store::{CommitError, StoreFault};

/// Pause between two flushes.
pub(crate) const FLUSH_PAUSE: Seconds = Seconds(60);
/// Clients per read and per batch. First uses wait while a batch is written, which takes some milliseconds.
const FLUSH_BATCH: usize = 250;

/// Writes the uses since the last flush. If the store cannot be reached, they are kept for the next flush.
pub async fn flush_last_used(app: &App) {
    let dirty = app.memory.clients.take_dirty();
    for (position, chunk) in dirty.chunks(FLUSH_BATCH).enumerate() {
        if let Err(why) = write(app, chunk).await {
            tracing::warn!(
                event = "upkeep.failed",
                work = "last_uses",
                fault = why,
                "last uses of clients could not be written, the next flush tries again"
            );
            let rest = position.saturating_mul(FLUSH_BATCH);
            app.memory
                .clients
                .take_back(dirty.get(rest..).unwrap_or_default());
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn write(app: &App, chunk: &[Arc<CachedClient>]) -> Result<(), String> {
    let changed = changed(app, chunk).await.map_err(|fault| fault.to_string())?;
    match app.store.commit(batch(&changed)).await {
        Ok(()) => Ok(()),
        Err(CommitError::Conflict(_)) => {
            for one in changed.chunks(1) {
                match app.store.commit(batch(one)).await {
                    // On a conflict the client was changed after this use, and its record is left as it is.
                    Ok(()) | Err(CommitError::Conflict(_)) => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// The records to write. Left out are clients that were removed and registered again since the use, and clients with a
/// later use in the store.
async fn changed(app: &App, chunk: &[Arc<CachedClient>]) -> Result<Vec<Versioned<Client>>, StoreFault> {
    let keys = chunk.iter().map(|known| {
        let client = &known.stored.record;
        (Kind::Client, client.key())
    });
    let found = app.store.get_many(keys.collect()).await?;
    let mut changed = Vec::with_capacity(chunk.len());
    for (known, stored) in chunk.iter().zip(found) {
        let Some(stored) = stored else { continue };
        let Some(mut client) = refused::readable::<Client>(stored) else {
            continue;
        };
        let is_same_life = client.record.generation == known.stored.record.generation;
        if is_same_life && client.record.last_used < known.last_used() {
            client.record.last_used = known.last_used();
            client.record.last_credential = known.last_credential();
            changed.push(client);
        }
    }
    Ok(changed)
}

fn batch(clients: &[Versioned<Client>]) -> Batch {
    // Not announced to other nodes: no decision depends on when a client was last used.
    let mut batch = Batch {
        is_quiet: true,
        ..Batch::default()
    };
    for client in clients {
        batch.replace(&client.record, client.version);
    }
    batch
}

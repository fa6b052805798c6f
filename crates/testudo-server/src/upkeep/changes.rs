//! Applies the changes that other nodes made: subscribe, load, apply.
//!
//! The store announces changes in the order in which they were committed, and from time to time the moment up to which
//! it has announced all of them ([`Change::UpTo`]). The changes of this node are announced to it as well; applying them
//! again has no effect. Where a change cannot be applied, or the store announces that changes were missed or undone,
//! everything is loaded again. Until that succeeds, this node does not know all changes ([`crate::state::applied_changes`]).

use crate::read_again;
use crate::state::app::App;
use crate::trust;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use testudo_core::records::{Held, Kind};
use testudo_store::Change;
use tokio::sync::{broadcast, watch};

/// Loads everything once, at the end of a start: changes may have been committed after the first load and before this
/// node subscribed.
pub(crate) async fn begin(app: &Arc<App>) -> Result<(), String> {
    let began = Instant::now();
    take_over_everything(app).await?;
    app.applied_changes.note(began);
    Ok(())
}

/// Applies the changes of other nodes until the server stops.
pub async fn follow_changes(
    app: Arc<App>,
    mut changes: broadcast::Receiver<Change>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            _ = stop.changed() => return,
        };
        let outcome = match change {
            Ok(Change::Record(kind, key)) => take_over(&app, kind, &key).await,
            Ok(Change::Everything) | Err(broadcast::error::RecvError::Lagged(_)) => {
                take_over_everything(&app).await
            }
            Ok(Change::UpTo(moment)) => assure(&app, moment).await,
            Err(broadcast::error::RecvError::Closed) => return,
        };
        if let Err(why) = outcome {
            tracing::error!(
                event = "nodes.not_taken_over",
                fault = why,
                "a change that another node made could not be applied; everything is loaded again"
            );
            app.condition.must_look_again.store(true, Ordering::Release);
        }
    }
}

async fn take_over(app: &Arc<App>, kind: Kind, key: &[u8]) -> Result<(), String> {
    match kind.announced().held() {
        Some(Held::Bundles) => trust::follow(app, key).await.map_err(|fault| fault.to_string())?,
        Some(Held::Configuration) => crate::reload::follow(app).await?,
        Some(Held::Clients | Held::Keys | Held::Switches) => {
            read_again::records(app, &[(kind, key.to_vec())]).await?
        }
        None => {}
    }
    Ok(())
}

/// Notes that all changes up to this moment were announced. If one of them could not be applied, everything is loaded
/// first.
async fn assure(app: &Arc<App>, moment: Instant) -> Result<(), String> {
    if app.condition.must_look_again.swap(false, Ordering::AcqRel) {
        take_over_everything(app).await?;
    }
    app.applied_changes.note(moment);
    Ok(())
}

/// Loads everything again, then removes all clients from memory. A client that the database lost is read at its next
/// request, is not found, and is registered again.
///
/// The order matters: a database often announces a change just before it fails. If nothing can be loaded, the clients
/// stay in memory and are served until `serve_without_store` is over. The node counts as up to date only after they are
/// removed from memory.
pub(super) async fn take_over_everything(app: &Arc<App>) -> Result<(), String> {
    read_again::switches(app)
        .await
        .map_err(|fault| fault.to_string())?;
    read_again::signing_keys(app).await?;
    trust::follow_all(app).await.map_err(|fault| fault.to_string())?;
    crate::reload::follow(app).await?;
    app.memory.clients.forget_all();
    Ok(())
}

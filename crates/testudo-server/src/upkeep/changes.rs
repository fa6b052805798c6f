//! Taking over what other nodes did: subscribe, load, apply.
//!
//! The store tells changes in the order in which they were committed, and from time to time up to which moment that
//! is all ([`Change::UpTo`]). What this node changed itself comes back too, and does no harm. Where a change cannot be
//! taken over, or the store says that some were missed or undone, everything is loaded anew; until that succeeds this
//! node is not sure ([`crate::state::accord`]).

use crate::read_again;
use crate::state::app::App;
use crate::trust;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use testudo_core::records::{Held, Kind};
use testudo_store::Change;
use tokio::sync::{broadcast, watch};

/// Takes over everything once, at the end of a start: from here on this node is sure. What it loaded before is older
/// than what it may have missed meanwhile.
pub(crate) async fn begin(app: &Arc<App>) -> Result<(), String> {
    let began = Instant::now();
    take_over_everything(app).await?;
    app.accord.note(began);
    Ok(())
}

/// Takes over what another node changed.
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
                why,
                "a change by another node could not be taken over; trying again"
            );
            app.condition.must_look_again.store(true, Ordering::Release);
        }
    }
}

async fn take_over(app: &Arc<App>, kind: Kind, key: &[u8]) -> Result<(), String> {
    match kind.announced().held() {
        Some(Held::Bundles) => trust::follow(app, key).await.map_err(|fault| fault.to_string())?,
        Some(Held::Configuration) => crate::reload::follow(app).await?,
        Some(Held::Clients | Held::Keys | Held::Standing) => {
            read_again::records(app, &[(kind, key.to_vec())]).await?
        }
        None => {}
    }
    Ok(())
}

/// Everything up to this moment was told: this node is sure again, once what it could not take over is loaded.
async fn assure(app: &Arc<App>, moment: Instant) -> Result<(), String> {
    if app.condition.must_look_again.swap(false, Ordering::AcqRel) {
        take_over_everything(app).await?;
    }
    app.accord.note(moment);
    Ok(())
}

/// Loads everything anew, then forgets what is remembered of clients. Clients that the database lost are looked for
/// again at their next request, and registered again.
///
/// In this order: a change is often the last thing that a database tells before it is gone. Where nothing can be
/// loaded, known clients are served from memory until this node has been unsure for too long; and it is not sure
/// before they are forgotten.
pub(super) async fn take_over_everything(app: &Arc<App>) -> Result<(), String> {
    read_again::switches(app)
        .await
        .map_err(|fault| fault.to_string())?;
    read_again::keys(app).await?;
    trust::follow_all(app).await.map_err(|fault| fault.to_string())?;
    crate::reload::follow(app).await?;
    app.memory.clients.forget_all();
    Ok(())
}

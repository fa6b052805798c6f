//! Reads keys, switches and blocks again after they were changed on this node or another one.

use crate::audit::tell;
use crate::state::app::App;
use crate::state::{refused, switches};
use std::sync::Arc;
use testudo_core::records::{Held, Kind};
use testudo_store::StoreFault;

/// Applies records that were written on this node or another one: removes clients from memory, and reads keys, switches
/// and blocks again, once for all records.
pub(crate) async fn records(app: &App, written: &[(Kind, Vec<u8>)]) -> Result<(), String> {
    let (mut has_keys, mut has_standing) = (false, false);
    for (kind, key) in written {
        match kind.announced().held() {
            Some(Held::Clients) => app.memory.clients.forget(key),
            Some(Held::Keys) => has_keys = true,
            Some(Held::Switches) => has_standing = true,
            // Handled by `reload::follow` and `trust::follow`.
            Some(Held::Configuration | Held::Bundles) | None => {}
        }
    }
    if has_standing {
        switches(app).await.map_err(|fault| fault.to_string())?;
    }
    if has_keys {
        signing_keys(app).await?;
    }
    Ok(())
}

/// Reads the signing keys again after one was created, activated, retired or revoked.
pub async fn signing_keys(app: &App) -> Result<(), String> {
    let _turn = app.turns.reading.lock().await;
    let algorithm = app.in_force.load().policy.tokens.signing_algorithm;
    let before = app.keys.load_full();
    let mut keys = before
        .load_again(&app.store, &app.encryption, algorithm, app.now())
        .await?;
    let mut news = std::mem::take(&mut keys.news);
    news.extend(refused::news(&before.refused, &keys.refused));
    app.keys.store(Arc::new(keys));
    tell(app, news).await;
    Ok(())
}

/// Reads switches and blocks again after one was changed.
pub async fn switches(app: &App) -> Result<(), StoreFault> {
    let _turn = app.turns.reading.lock().await;
    let (switches, refused) = switches::load(&app.store).await?;
    app.switches.store(Arc::new(switches));
    let refused = Arc::new(refused);
    let before = app.refused.switches.swap(refused.clone());
    tell(app, refused::news(&before, &refused)).await;
    Ok(())
}

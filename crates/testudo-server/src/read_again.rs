//! Keys, switches and blocks, read again after a change on this node or another one.

use crate::audit::tell;
use crate::state::app::App;
use crate::state::{refused, switches};
use std::sync::Arc;
use testudo_core::records::{Held, Kind};
use testudo_store::StoreFault;

/// Takes over records that were written, here or on another node: what is remembered of them is forgotten, or read
/// again, once for all of them.
pub(crate) async fn records(app: &App, written: &[(Kind, Vec<u8>)]) -> Result<(), String> {
    let (mut has_keys, mut has_standing) = (false, false);
    for (kind, key) in written {
        match kind.announced().held() {
            Some(Held::Clients) => app.memory.clients.forget(key),
            Some(Held::Keys) => has_keys = true,
            Some(Held::Standing) => has_standing = true,
            // An order to reload and a bundle have followers of their own.
            Some(Held::Configuration | Held::Bundles) | None => {}
        }
    }
    if has_standing {
        switches(app).await.map_err(|fault| fault.to_string())?;
    }
    if has_keys {
        keys(app).await?;
    }
    Ok(())
}

/// Reads the signing keys again: another one was made, became due, or was withdrawn.
pub async fn keys(app: &App) -> Result<(), String> {
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
    let before = app.refused_switches.swap(refused.clone());
    tell(app, refused::news(&before, &refused)).await;
    Ok(())
}

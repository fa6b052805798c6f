//! Keys, switches and blocks, read again after a change on this node or another one.

use crate::audit::tell;
use crate::state::app::App;
use crate::state::{refused, standing};
use std::sync::Arc;
use testudo_store::StoreFault;

/// Reads the signing keys again: another one was made, became due, or was withdrawn.
pub async fn keys(app: &App) -> Result<(), String> {
    let _turn = app.reading_turn.lock().await;
    let algorithm = app.policy.load().tokens.signing_algorithm;
    let before = app.keys.load_full();
    let moment = (algorithm, app.now());
    let mut keys = before.load_again(&app.store, &app.encryption, moment).await?;
    let mut news = std::mem::take(&mut keys.news);
    news.extend(refused::news(&before.refused, &keys.refused));
    app.keys.store(Arc::new(keys));
    tell(app, news).await;
    Ok(())
}

/// Reads switches and blocks again after one was changed.
pub async fn standing(app: &App) -> Result<(), StoreFault> {
    let _turn = app.reading_turn.lock().await;
    let (standing, refused) = standing::load(&app.store).await?;
    app.standing.store(Arc::new(standing));
    let refused = Arc::new(refused);
    let before = app.refused_standing.swap(refused.clone());
    tell(app, refused::news(&before, &refused)).await;
    Ok(())
}

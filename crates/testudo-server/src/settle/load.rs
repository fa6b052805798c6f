//! Reads the records that a decision needs, with one call of the store.

use crate::state::app::App;
use crate::state::refused::RefusedRecord;
use testudo_core::records::{Kind, Loaded, Needs};
use testudo_store::StoreFault;

/// Reads the needed records, except the client with the key `remembered`, which is in memory. Where nothing is left to
/// read, the store is not called.
pub(crate) async fn load<'n>(
    app: &App,
    needs: &Needs<'n>,
    remembered: Option<&[u8]>,
) -> Result<Loaded<'n>, StoreFault> {
    let mut loaded = Loaded::nothing();
    let keys: Vec<_> = needs
        .to_read(remembered)
        .map(|wanted| (wanted.kind, wanted.key.to_vec()))
        .collect();
    if keys.is_empty() {
        return Ok(loaded);
    }
    let found = app.store.get_many(keys).await?;
    for (wanted, stored) in needs.to_read(remembered).zip(found) {
        let Some(stored) = stored else { continue };
        loaded
            .add(&wanted, &stored.body, stored.version)
            .map_err(|error| {
                let fault = StoreFault::unreadable(wanted.kind, &error);
                if wanted.kind == Kind::Client {
                    app.note_refused_client(&RefusedRecord::of_client(&stored.key, &fault));
                }
                fault
            })?;
    }
    Ok(loaded)
}

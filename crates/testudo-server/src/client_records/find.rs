//! Finds a client by its client id.

use crate::state::app::App;
use testudo_core::Authority;
use testudo_core::records::{Client, ClientIdAlias, Versioned, client_key};
use testudo_store::StoreFault;

/// The client with this client id, which is the identity itself, an alias, or the id with which it was configured or
/// registered.
pub(crate) async fn client_by_id(
    app: &App,
    client_id: &str,
) -> Result<Option<Versioned<Client>>, StoreFault> {
    let authorities = [
        Authority::at_the_beginning(client_id),
        Some(Authority::configuration()),
        Some(Authority::registration()),
    ];
    for authority in authorities.into_iter().flatten() {
        let key = client_key(authority.key(), client_id);
        if let Some(client) = app.store.read::<Client>(&key).await? {
            return Ok(Some(client));
        }
    }
    let alias = app.store.read::<ClientIdAlias>(client_id.as_bytes()).await?;
    let Some(alias) = alias.map(|alias| alias.record) else {
        return Ok(None);
    };
    app.store
        .read::<Client>(&client_key(&alias.authority, &alias.subject))
        .await
}

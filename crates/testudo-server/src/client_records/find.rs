//! Finds a client by its client id.

use crate::state::app::App;
use crate::state::clients::CachedClient;
use std::sync::Arc;
use testudo_core::Authority;
use testudo_core::records::{Client, ClientIdAlias, Record as _, Versioned, client_key};
use testudo_store::StoreFault;

/// The client with this client id, from the memory of this node if it is there.
pub(crate) async fn known_client(
    app: &App,
    client_id: &str,
) -> Result<Option<Arc<CachedClient>>, StoreFault> {
    let clients = &app.memory.clients;
    let remembered = keys_of(client_id).find_map(|key| clients.get(&key));
    if remembered.is_some() {
        return Ok(remembered);
    }
    let ticket = clients.ticket();
    let stored = client_by_id(app, client_id).await?;
    Ok(stored.map(|stored| clients.file(stored.record.key(), stored, ticket)))
}

/// The keys that a client may have whose client id is no alias: it is the identity, or the id with which the client was
/// configured or registered.
fn keys_of(client_id: &str) -> impl Iterator<Item = Vec<u8>> {
    let authorities = [
        Authority::at_the_beginning(client_id),
        Some(Authority::configuration()),
        Some(Authority::registration()),
    ];
    authorities
        .into_iter()
        .flatten()
        .map(|authority| client_key(authority.key(), client_id))
}

/// The client with this client id, which is the identity itself, an alias, or the id with which it was configured or
/// registered.
pub(crate) async fn client_by_id(
    app: &App,
    client_id: &str,
) -> Result<Option<Versioned<Client>>, StoreFault> {
    for key in keys_of(client_id) {
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

//! Records that belong to a client and are written or deleted when the client is removed.

use crate::state::app::App;
use testudo_core::admission::lifecycle::Traces;
use testudo_core::records::{Client, ClientIdAlias, Record as _, Removed, Versioned};
use testudo_store::StoreFault;

/// The history and the alias of a client, as far as there are any.
pub(crate) struct Left {
    history: Option<Versioned<Removed>>,
    alias: Option<Versioned<ClientIdAlias>>,
}

impl Left {
    /// The records, in the form that the decision needs.
    pub(crate) fn traces(&self) -> Traces<'_> {
        Traces {
            history: self.history.as_ref(),
            alias: self.alias.as_ref(),
        }
    }
}

/// Reads the history and the alias of a client.
pub(crate) async fn left_by(app: &App, client: &Client) -> Result<Left, StoreFault> {
    let history = app.store.read::<Removed>(&client.key()).await?;
    let alias = match client.has_alias() {
        false => None,
        true => {
            let alias = app
                .store
                .read::<ClientIdAlias>(client.client_id.as_bytes())
                .await?;
            // In earlier versions, configured clients had no alias: the alias may belong to another client.
            alias.filter(|alias| {
                alias.record.authority == client.authority && alias.record.subject == client.subject
            })
        }
    };
    Ok(Left { history, alias })
}

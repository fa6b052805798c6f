//! What goes with a client when it is removed, or is replaced by what it leaves behind.

use crate::state::app::App;
use testudo_core::admission::lifecycle::Traces;
use testudo_core::records::{Client, ClientIdAlias, Record as _, Removed, Versioned};
use testudo_store::StoreFault;

/// See the module.
pub(crate) struct Left {
    history: Option<Versioned<Removed>>,
    alias: Option<Versioned<ClientIdAlias>>,
}

impl Left {
    /// As the decision wants it.
    pub(crate) fn traces(&self) -> Traces<'_> {
        Traces {
            history: self.history.as_ref(),
            alias: self.alias.as_ref(),
        }
    }
}

/// Reads it.
pub(crate) async fn left_by(app: &App, client: &Client) -> Result<Left, StoreFault> {
    let history = app.store.read::<Removed>(&client.key()).await?;
    let alias = match client.has_alias() {
        false => None,
        true => {
            let alias = app
                .store
                .read::<ClientIdAlias>(client.client_id.as_bytes())
                .await?;
            // Clients that the configuration names had none in earlier versions: it may be another client's.
            alias.filter(|alias| {
                alias.record.authority == client.authority && alias.record.subject == client.subject
            })
        }
    };
    Ok(Left { history, alias })
}

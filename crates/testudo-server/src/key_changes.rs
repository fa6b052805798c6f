//! Changes of the signing keys while the server runs: an administrator rotates or revokes a key, or a key becomes
//! active or retires because its time has come. Core decides what happens to each key; this module reads, creates,
//! encrypts and writes the keys.

use crate::audit::tell;
use crate::change::Change;
use crate::fault::Fault;
use crate::read_again;
use crate::state::app::App;
use crate::state::keys::make_signing_key;
use crate::state::keys::stored::{self, Found};
use testudo_core::Actor;
use testudo_core::admin::keys::{self, KeyOrder, KeysDecided};
use testudo_core::admin::{Decided, NotDone, Order};
use testudo_protocol::Timestamp;
use testudo_store::{CommitError, StoreFault};

/// Most attempts to make a change. An attempt fails where another node changes the keys meanwhile.
const ATTEMPTS: usize = 4;
const RACED: &str =
    "other nodes changed the signing keys at the same time, several times: nothing was changed, try again";

/// Why keys were not changed.
#[derive(Debug)]
pub enum NotChanged {
    /// The order cannot be carried out as it is.
    NotDone(NotDone),
    /// This server failed.
    Failed(StoreFault),
}

impl From<NotDone> for NotChanged {
    fn from(why: NotDone) -> NotChanged {
        NotChanged::NotDone(why)
    }
}

impl From<String> for NotChanged {
    fn from(why: String) -> NotChanged {
        NotChanged::Failed(StoreFault(why))
    }
}

/// Carries out the order of an administrator. It is in force on this node at once, and on other nodes as soon as the
/// store announces it to them.
pub async fn carry_out(app: &App, wanted: KeyOrder<'_>, change: &Change<'_>) -> Result<Decided, NotChanged> {
    for _ in 0..ATTEMPTS {
        let order = change.order().map_err(NotChanged::Failed)?;
        let algorithm = app.in_force.load().policy.tokens.signing_algorithm;
        let found = read(app, order.now).await?;
        let plan = keys::plan(wanted, &found.keys, algorithm, order.now)?;
        let made = match plan.needs_key(order.now) {
            Some(from) => Some(make_signing_key(&app.encryption, algorithm, from, order.now)?),
            None => None,
        };
        let KeysDecided { mut decided, list } = plan.decide(&order, made.as_ref());
        let Some(changes) = decided.changes.take() else {
            return Ok(decided);
        };
        let changes = changes.and(found.seal(list, &app.encryption)?);
        match change.commit(&changes).await {
            Ok(()) => {
                tell(app, found.news).await;
                return Ok(decided);
            }
            // Another node changed the keys at the same moment: read them again.
            Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Busy) => return Err("the store is busy".to_owned().into()),
            Err(CommitError::Unavailable(fault)) => {
                let why = format!("{fault}; check with `testudo key list` whether the change was written");
                return Err(why.into());
            }
        }
    }
    Err(RACED.to_owned().into())
}

/// Removes keys that are no longer published, and activates the key whose time has come.
pub async fn retire(app: &App) -> Result<(), String> {
    let order = Order {
        actor: &Actor::Clock,
        reason: None,
        entropy: app.clock.entropy().ok_or_else(|| Fault::NoEntropy.to_string())?,
        now: app.now(),
    };
    let found = read(app, order.now).await?;
    let algorithm = app.in_force.load().policy.tokens.signing_algorithm;
    if let Some((changes, list)) = keys::retire(&order, &found.keys, algorithm) {
        let changes = changes.and(found.seal(list, &app.encryption)?);
        match app.commit(changes.batch()).await {
            Ok(()) => tell(app, found.news).await,
            // Another node removed them at the same moment.
            Err(CommitError::Conflict(_)) => {}
            Err(error) => return Err(format!("a retired key cannot be removed: {error}")),
        }
    }
    read_again::signing_keys(app).await
}

async fn read(app: &App, now: Timestamp) -> Result<Found, String> {
    let known = app.keys.load_full();
    stored::read(&app.store, &app.encryption, Some(&known.known), now).await
}

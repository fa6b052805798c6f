//! Authorities: switched off at once, and on again, without touching the configuration.

use super::order::{Audited, Decided, NotDone, Order};
use crate::identity::Authority;
use crate::policy::Policy;
use crate::records::{Batch, EventKind, Kind, Switch};

/// The authority of this name: an order is about one that the configuration names.
pub fn known(name: &str, policy: &Policy) -> Result<Authority, NotDone> {
    let found = policy.authority_named(name).cloned();
    found.ok_or_else(|| not_configured(name))
}

/// No authority of the configuration has this name.
pub fn not_configured(name: &str) -> NotDone {
    let problem = format!("no trust domain or issuer named {name:?} is configured");
    NotDone::not_found(problem, "`testudo trust list` shows those that are")
}

/// Refuses an authority from the next request on. `held`: the version of the switch that is there.
pub fn disable(order: &Order<'_>, authority: &Authority, held: Option<u64>) -> Decided {
    let name = authority.name();
    if held.is_some() {
        return Decided::nothing(format!("{name}: disabled already"));
    }
    let mut batch = Batch::default();
    batch.insert(&Switch {
        authority: authority.key().to_owned(),
        by: order.actor.to_string(),
        since: order.now,
    });
    let changes = told(order, batch, EventKind::AuthorityDisabled, authority);
    Decided::change(changes, format!("{name}: disabled"))
}

/// Lets it in again, whether or not the record of the switch can be read.
pub fn enable(order: &Order<'_>, authority: &Authority, held: Option<u64>) -> Decided {
    let name = authority.name();
    let Some(version) = held else {
        return Decided::nothing(format!("{name}: enabled already"));
    };
    let mut batch = Batch::default();
    batch.remove(Kind::Switch, authority.key().as_bytes().to_vec(), version);
    let changes = told(order, batch, EventKind::AuthorityEnabled, authority);
    Decided::change(changes, format!("{name}: enabled"))
}

fn told(order: &Order<'_>, batch: Batch, kind: EventKind, authority: &Authority) -> Audited {
    let mut event = order.event(kind);
    event.authority = Some(authority.key().to_owned());
    Audited::new(batch, event)
}

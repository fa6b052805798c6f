//! Disables and enables authorities at run time, without a change of the configuration.

use super::order::{Audited, Decided, NotDone, Order};
use crate::identity::Authority;
use crate::policy::Policy;
use crate::records::{Batch, EventKind, Kind, Switch};

/// The configured authority with this name.
pub fn known(name: &str, policy: &Policy) -> Result<Authority, NotDone> {
    let found = policy.authority_named(name).cloned();
    found.ok_or_else(|| not_configured(name))
}

/// No authority of the configuration has this name.
pub fn not_configured(name: &str) -> NotDone {
    let problem = format!("no trust domain or issuer named {name:?} is configured");
    NotDone::not_found(problem, "`testudo trust list` shows the configured ones")
}

/// Disables an authority: its identities are refused from the next request on. `held`: the version of the stored
/// switch, if there is one.
pub fn disable(order: &Order<'_>, authority: &Authority, held: Option<u64>) -> Decided {
    let name = authority.name();
    if held.is_some() {
        return Decided::nothing(format!("{name} is disabled already"));
    }
    let mut batch = Batch::default();
    batch.insert(&Switch {
        authority: authority.key().to_owned(),
        by: order.actor.to_string(),
        since: order.now,
    });
    let changes = audited(order, batch, EventKind::AuthorityDisabled, authority);
    Decided::change(changes, format!("{name}: disabled"))
}

/// Enables an authority again, also if the record of the switch cannot be read.
pub fn enable(order: &Order<'_>, authority: &Authority, held: Option<u64>) -> Decided {
    let name = authority.name();
    let Some(version) = held else {
        return Decided::nothing(format!("{name} is enabled already"));
    };
    let mut batch = Batch::default();
    batch.remove(Kind::Switch, authority.key().as_bytes().to_vec(), version);
    let changes = audited(order, batch, EventKind::AuthorityEnabled, authority);
    Decided::change(changes, format!("{name}: enabled"))
}

fn audited(order: &Order<'_>, batch: Batch, kind: EventKind, authority: &Authority) -> Audited {
    let mut event = order.event(kind);
    event.authority = Some(authority.key().to_owned());
    Audited::new(batch, event)
}

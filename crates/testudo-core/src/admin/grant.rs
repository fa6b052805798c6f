//! Revokes what people granted to clients.

use super::order::{Audited, Decided, NotDone, Order};
use crate::records::{Batch, Consent, EventKind, Grant, Versioned};

/// The warning of every revocation: an API that only verifies signatures does not ask this server.
const VALID_UNTIL_EXP: &str =
    "an API that verifies access tokens without asking this server accepts them until they expire";

/// What a person granted to one client, and the consent that this server remembers for this client.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The grant.
    pub grant: Versioned<Grant>,
    /// The remembered consent. It is deleted too: otherwise the client would get a new grant without a question.
    pub consent: Option<Versioned<Consent>>,
}

/// The grant that an administrator named.
pub fn known(id: &str, found: Option<Versioned<Grant>>) -> Result<Versioned<Grant>, NotDone> {
    found.ok_or_else(|| {
        let problem = format!("no grant has the id {id:?}");
        NotDone::not_found(
            problem,
            "`testudo grant list` shows the grants that have not ended",
        )
    })
}

/// Revokes one grant: its tokens are refused at this server.
pub fn revoke(order: &Order<'_>, granted: &Granted) -> Decided {
    let grant = &granted.grant.record;
    let mut batch = Batch::default();
    batch.delete(grant, granted.grant.version);
    if let Some(consent) = &granted.consent {
        batch.delete(&consent.record, consent.version);
    }
    let done = format!(
        "grant of {} to {}: revoked",
        grant.id.person().sub(),
        grant.client.client_id
    );
    let mut event = order.event(EventKind::GrantRevoked);
    grant.describe(&mut event);
    Decided {
        warning: Some(VALID_UNTIL_EXP),
        ..Decided::change(Audited::new(batch, event), done)
    }
}

//! Ends sessions of people.

use super::order::{Audited, Decided, NotDone, Order};
use super::user::about;
use crate::records::{Batch, EventKind, Person, Session, Versioned};

/// The session that an administrator named.
pub fn known(id: &str, found: Option<Versioned<Session>>) -> Result<Versioned<Session>, NotDone> {
    found.ok_or_else(|| {
        let problem = format!("no session has the id {id:?}");
        NotDone::not_found(
            problem,
            "`testudo session list` shows the sessions that have not ended",
        )
    })
}

/// Ends one session.
pub fn end(order: &Order<'_>, session: &Versioned<Session>) -> Decided {
    let mut batch = Batch::default();
    batch.delete(&session.record, session.version);
    let person = session.record.name.person;
    let event = about(order, EventKind::SessionEnded, person);
    Decided::change(
        Audited::new(batch, event),
        format!("session of {}: ended", person.sub()),
    )
}

/// Ends all sessions of a person, also one that begins at another node in this second. The server deletes their records
/// after it.
pub fn end_all(order: &Order<'_>, person: &Versioned<Person>) -> Decided {
    let changed = Person {
        sessions_from: person.record.sessions_end(order.now),
        ..person.record.clone()
    };
    let mut batch = Batch::default();
    batch.replace(&changed, person.version);
    let mut event = about(order, EventKind::SessionEnded, person.record.id);
    event.detail = Some("all sessions of the person".to_owned());
    Decided::change(
        Audited::new(batch, event),
        format!("sessions of {}: ended", person.record.label()),
    )
}

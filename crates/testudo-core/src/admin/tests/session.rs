//! Tests of ending sessions.

use super::*;
use crate::admin::session::{end, end_all, known};
use crate::people::SessionName;
use crate::records::Session;

fn session() -> Versioned<Session> {
    let name = SessionName::make(alice(PersonState::Active).record.id, &[2; 32]).1;
    Versioned {
        version: 5,
        record: Session {
            name,
            created: NOW,
            last_used: NOW,
            authenticated: NOW,
            acr: None,
            method: "passkey".into(),
            passkey: None,
            ends: NOW + Seconds(60),
        },
    }
}

#[test]
fn session_that_does_not_exist_is_not_found() {
    check_not_done(known("x", None), true, "no session has the id \"x\"");
    assert_eq!(known("x", Some(session())).unwrap(), session());
}

#[test]
fn one_session_is_deleted_at_the_version_that_was_read() {
    let decided = end(&order(), &session());
    let sub = session().record.name.person.sub();
    let batch = decided.changes.as_ref().unwrap().batch();
    let key = session().record.name.key().to_vec();
    assert_eq!(batch.writes[0], Write::Delete(Kind::Session, key, 5));
    assert_eq!(batch.writes.len(), 2);
    let [event] = batch.events.as_slice() else {
        panic!("{batch:?}");
    };
    assert_eq!(event.event.name(), "session.ended");
    assert_eq!(event.person.as_deref(), Some(sub.as_str()));
    assert_eq!(decided.done, format!("session of {sub}: ended"));
}

#[test]
fn all_sessions_of_a_person_end_also_one_of_the_same_second() {
    let decided = end_all(&order(), &alice(PersonState::Active));
    let lines = ["replace Person alice-alice-alic @3", "session.ended"];
    check(&decided, &lines, "sessions of alice: ended");
    let batch = decided.changes.unwrap().batch();
    let Some(Write::Replace(document, _)) = batch.writes.first() else {
        panic!("{batch:?}");
    };
    let account: Person = serde_json::from_slice(&document.body).unwrap();
    let is_alive = |account: &Person| session().record.is_alive(account, Seconds(60), NOW);
    assert!(is_alive(&alice(PersonState::Active).record));
    assert!(!is_alive(&account));
    let expected = Person {
        sessions_from: NOW + Seconds(1),
        ..alice(PersonState::Active).record
    };
    assert_eq!(account, expected, "nothing else of the account may change");
}

//! Tests of the end of a grant by its person.

use super::*;
use crate::grants::tests::world::{WEB, World, person, refresh_token, web};
use crate::people::{PersonId, SecretDigest};
use crate::records::Kind;
use crate::rejection::GrantReason;
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::ScopeSet;

fn session_of(person: PersonId) -> SessionName {
    SessionName::make(person, &[1; 32]).1
}

/// A grant with its consent, and its refresh token.
fn granted() -> (World, Grant, String) {
    let mut world = World::new();
    let token = refresh_token(&world.redeem(&web(), "").unwrap());
    let grant = world.grant().unwrap();
    world.put(&Consent {
        person: person(),
        client: grant.client.clone(),
        scope: ScopeSet::parse("read").unwrap(),
        shown: SecretDigest::of("page"),
        given: Timestamp(0),
        until: None,
    });
    (world, grant, token)
}

#[test]
fn grant_that_its_person_ends_is_gone_with_its_consent() {
    let (mut world, grant, token) = granted();
    let own = session_of(person());
    world
        .settle(&GrantEnd::of_own(own, &grant, "r").unwrap())
        .unwrap();
    assert!(world.grant().is_none());
    assert_eq!(world.count(Kind::Consent), 0, "the application must ask again");
    let event = world.store.events.last().unwrap();
    assert_eq!(event.event, EventKind::GrantRevoked);
    assert_eq!(event.reason.as_deref(), Some("ended_by_person"));
    assert_eq!(event.client_id.as_deref(), Some(WEB));
    assert_eq!(event.request_id.as_deref(), Some("r"));
    let refused = world.refresh(&web(), &token, "").unwrap_err();
    assert_eq!(refused, GrantReason::GrantRevoked.into());
    // Another window ends it again.
    let events = world.store.events.len();
    world
        .settle(&GrantEnd::of_own(own, &grant, "r").unwrap())
        .unwrap();
    assert_eq!(world.store.events.len(), events);
}

#[test]
fn person_cannot_end_the_grant_of_another_person() {
    let (_, grant, _) = granted();
    let other = session_of(PersonId::of_random(&[8; 16]));
    assert!(GrantEnd::of_own(other, &grant, "r").is_none());
    assert!(GrantEnd::of_own(session_of(person()), &grant, "r").is_some());
}

//! Tests of the sign-in with a name, and of the session that begins.

use super::development::DevelopmentSignIn;
use super::*;
use crate::grants::tests::world::{START, World, person};
use crate::records::{PersonName, PersonState};
use crate::velocity::Limit;

/// Signs in as this name, with the second decision that knows the account. Returns the session.
fn sign_in(world: &mut World, name: &str, earlier: Option<&SessionName>) -> Result<SessionName, Rejection> {
    let names = ["alice".to_owned(), "bob".to_owned()];
    let mut request = DevelopmentSignIn {
        name,
        names: &names,
        person: None,
        session: NewSession {
            method: "development",
            passkey: None,
            acr: None,
            authenticated: None,
            lifetime: Seconds(600),
            earlier: earlier.map(SessionName::key),
            address: None,
            request_id: "r",
        },
    };
    let mut outcome = world.settle(&request)?;
    if let SignedIn::Account(person) = outcome {
        request.person = Some(person);
        outcome = world.settle(&request)?;
    }
    match outcome {
        SignedIn::Begun(cookie) => Ok(SessionName::parse(&cookie).unwrap()),
        SignedIn::Account(person) => panic!("{person:?} is known"),
    }
}

fn events(world: &World) -> Vec<EventKind> {
    world.store.events.iter().map(|event| event.event).collect()
}

#[test]
fn first_sign_in_with_a_name_makes_the_account_and_later_ones_find_it() {
    let mut world = World::new();
    let first = sign_in(&mut world, "alice", None).unwrap();
    let second = sign_in(&mut world, "alice", None).unwrap();
    assert_eq!(first.person, second.person);
    assert_ne!(first, second, "each sign-in has a new secret");
    assert_ne!(sign_in(&mut world, "bob", None).unwrap().person, first.person);
    assert_eq!(
        events(&world),
        [
            EventKind::PersonCreated,
            EventKind::PersonSignedIn,
            EventKind::PersonSignedIn,
            EventKind::PersonCreated,
            EventKind::PersonSignedIn
        ]
    );
    let event = world.store.events.last().unwrap();
    assert_eq!(event.detail.as_deref(), Some("development"));
    assert_eq!(event.request_id.as_deref(), Some("r"));
    let session: Session = world.read(&first.key()).unwrap();
    assert_eq!(session.ends, Timestamp(START + 600));
    assert_eq!(
        (session.created, session.authenticated),
        (Timestamp(START), Timestamp(START))
    );
}

#[test]
fn name_that_is_not_configured_and_account_that_is_locked_get_no_session() {
    let mut world = World::new();
    for name in ["carol", "Alice", "", "alice "] {
        let refused = sign_in(&mut world, name, None).unwrap_err();
        assert_eq!(refused, SignInReason::NameNotListed.into(), "{name}");
    }
    world.put(&PersonName {
        name: "alice".to_owned(),
        person: person(),
    });
    assert_eq!(sign_in(&mut world, "alice", None).unwrap().person, person());
    for state in [PersonState::Locked, PersonState::Removed] {
        world.change_person(|account| account.state = state);
        let refused = sign_in(&mut world, "alice", None).unwrap_err();
        assert_eq!(refused, SignInReason::AccountNotActive.into(), "{state:?}");
    }
    assert_eq!(world.store.all::<Session>().len(), 1);
}

/// The name leads to an account whose record is gone.
#[test]
fn name_without_an_account_gets_no_session() {
    let mut world = World::new();
    world.put(&PersonName {
        name: "alice".to_owned(),
        person: PersonId::of_random(&[7; 16]),
    });
    let refused = sign_in(&mut world, "alice", None).unwrap_err();
    assert_eq!(refused, SignInReason::AccountNotActive.into());
}

#[test]
fn sign_in_ends_the_session_that_the_browser_had_and_no_other_one() {
    let mut world = World::new();
    let (here, there) = (
        sign_in(&mut world, "alice", None).unwrap(),
        sign_in(&mut world, "alice", None).unwrap(),
    );
    let next = sign_in(&mut world, "bob", Some(&here)).unwrap();
    let left = |world: &World, name: &SessionName| world.read::<Session>(&name.key()).is_some();
    assert!(!left(&world, &here));
    assert!(left(&world, &there) && left(&world, &next));
    // The cookie names a session that has ended already.
    sign_in(&mut world, "bob", Some(&here)).unwrap();
    assert!(left(&world, &there) && left(&world, &next));
}

#[test]
fn sign_ins_of_one_address_have_one_limit() {
    let bucket = |address: &str| -> Limit { sign_in_limit(address.parse().unwrap()) };
    assert_eq!(bucket("192.0.2.1"), bucket("::ffff:192.0.2.1"));
    assert_eq!(bucket("2001:db8::1"), bucket("2001:db8::ffff:1"));
    assert_ne!(bucket("192.0.2.1"), bucket("192.0.2.2"));
}

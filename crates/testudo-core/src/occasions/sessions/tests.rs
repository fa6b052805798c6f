//! Tests of the use and the end of a session.

use super::*;
use crate::grants::tests::world::{START, World, person};
use crate::records::PersonState;
use testudo_protocol::Timestamp;

const IDLE: Seconds = Seconds(600);

fn session(world: &mut World, number: u8) -> SessionName {
    let (_, name) = SessionName::make(person(), &[number; 32]);
    let began = Timestamp(world.now);
    world.put(&Session {
        name,
        created: began,
        last_used: began,
        authenticated: began,
        acr: None,
        method: "passkey".to_owned(),
        passkey: None,
        ends: began + Seconds(3_600),
    });
    name
}

fn is_used(world: &mut World, name: SessionName) -> bool {
    world.settle(&SessionUse::new(name, IDLE)).unwrap().is_some()
}

#[test]
fn use_of_a_session_is_written_once_a_minute_and_keeps_it_alive() {
    let mut world = World::new();
    let name = session(&mut world, 1);
    let last_used = |world: &World| world.read::<Session>(&name.key()).unwrap().last_used;
    for (now, written) in [(0, 0), (59, 0), (60, 60), (100, 60), (659, 659), (1_258, 1_258)] {
        world.now = START + now;
        assert!(is_used(&mut world, name), "{now}");
        assert_eq!(last_used(&world), Timestamp(START + written), "{now}");
    }
    world.now = START + 1_258 + 600;
    assert!(!is_used(&mut world, name), "idle");
    assert_eq!(
        last_used(&world),
        Timestamp(START + 1_258),
        "an ended session is not used again"
    );
}

#[test]
fn session_that_is_unknown_or_of_an_account_that_is_not_active_is_not_used() {
    let mut world = World::new();
    let name = session(&mut world, 1);
    let (_, unknown) = SessionName::make(person(), &[9; 32]);
    assert!(!is_used(&mut world, unknown));
    assert!(is_used(&mut world, name));
    world.change_person(|account| account.sessions_from = Timestamp(START + 1));
    assert!(
        !is_used(&mut world, name),
        "all sessions of the person were ended"
    );
    world.change_person(|account| {
        account.sessions_from = Timestamp(0);
        account.state = PersonState::Locked;
    });
    assert!(!is_used(&mut world, name));
}

#[test]
fn end_of_a_session_is_an_event_once_and_leaves_other_sessions() {
    let mut world = World::new();
    let (first, second) = (session(&mut world, 1), session(&mut world, 2));
    for _ in 0..2 {
        world.settle(&SessionEnd::sign_out(first, "r1")).unwrap();
    }
    assert!(!is_used(&mut world, first));
    assert!(is_used(&mut world, second));
    let [event] = &world.store.events[..] else {
        panic!("{:?}", world.store.events)
    };
    assert_eq!(event.event, EventKind::SessionEnded);
    assert_eq!(event.reason.as_deref(), Some("signed_out"));
    assert_eq!(event.person, Some(person().sub()));
    let third = session(&mut world, 3);
    world
        .settle(&SessionEnd::of_own(third, second, "r2").unwrap())
        .unwrap();
    assert!(!is_used(&mut world, second));
    assert!(is_used(&mut world, third));
    let event = world.store.events.last().unwrap();
    assert_eq!(event.reason.as_deref(), Some("ended_by_person"));
}

#[test]
fn person_cannot_end_a_session_of_another_person() {
    let other = crate::people::PersonId::of_random(&[8; 16]);
    let (_, own) = SessionName::make(other, &[1; 32]);
    let (_, foreign) = SessionName::make(person(), &[1; 32]);
    assert!(SessionEnd::of_own(own, foreign, "r").is_none());
    assert!(SessionEnd::of_own(foreign, foreign, "r").is_some());
}

//! Tests of the sign-in with a passkey, and of the use of an invitation.

use super::*;
use crate::occasions::ceremonies::CeremonyEnd;
use crate::records::{InvitedName, Kind, PersonLink, PersonName, PersonState};
use crate::rejection::PasskeyFault;

#[track_caller]
fn begun(outcome: Result<SignedIn, Rejection>) -> SessionName {
    match outcome.unwrap() {
        SignedIn::Begun(cookie) => SessionName::parse(&cookie).unwrap(),
        SignedIn::Account(person) => panic!("decide again with {person:?}"),
    }
}

fn refused(fault: PasskeyFault) -> Rejection {
    PasskeyReason::Refused(fault).into()
}

// Row PK-02.
#[test]
fn sign_in_begins_a_session_that_resists_phishing_and_uses_the_ceremony() {
    let alice = alice(&["a", "b"]);
    let mut world = World::with(&alice);
    let session = begun(world.sign_in(&passkey("b"), 7));
    let session: Session = world.store.read(&session.key()).unwrap();
    assert_eq!(
        (session.acr.as_deref(), session.method.as_str()),
        (Some("phr"), "passkey")
    );
    assert_eq!(world.store.count(Kind::Ceremony), 0);
    assert_eq!(world.events(), ["person.signed_in"]);
    let stored = world.person(alice.id);
    assert_eq!(
        stored.passkeys[0],
        passkey("a"),
        "the other passkey is not changed"
    );
    assert_eq!(stored.passkeys[1].credential, json!({ "counter": 7 }));
    assert_eq!(stored.passkeys[1].last_used, Some(NOW));
}

// Rows PK-16, PK-17.
#[test]
fn ceremony_is_used_once_in_its_browser_and_in_time() {
    let alice = alice(&["a"]);
    let mut world = World::with(&alice);
    let unknown: Rejection = PasskeyReason::CeremonyUnknown.into();
    let ceremony = world.ceremony(CeremonyPurpose::SignIn);
    let elsewhere = world.finish(&ceremony, "another browser", &passkey("a"), 1);
    assert_eq!(elsewhere, Err(unknown.clone()));
    begun(world.finish(&ceremony, BROWSER, &passkey("a"), 1));
    let known = world.person(alice.id).passkeys[0].clone();
    let again = world.finish(&ceremony, BROWSER, &known, 2);
    assert_eq!(again, Err(unknown.clone()));
    for purpose in [
        CeremonyPurpose::Invitation(SecretDigest::of("invitation")),
        CeremonyPurpose::Addition(SecretDigest::of("session")),
    ] {
        let ceremony = world.ceremony(purpose);
        let other = world.finish(&ceremony, BROWSER, &known, 2);
        assert_eq!(other, Err(unknown.clone()), "{purpose:?}");
    }
    let late = world.ceremony(CeremonyPurpose::SignIn);
    let request = PasskeySignIn {
        finished: finished(&late, BROWSER),
        person: alice.id,
        verified: &known,
        used: &Value::Null,
        session: new_session(),
    };
    assert_eq!(world.settle_at(&request, NOW + Ceremony::LIFETIME), Err(unknown));
    begun(world.settle_at(&request, NOW + Ceremony::LIFETIME - Seconds(1)));
}

#[test]
fn passkey_that_was_used_meanwhile_is_verified_again() {
    let alice = alice(&["a"]);
    let mut world = World::with(&alice);
    begun(world.sign_in(&passkey("a"), 5));
    let outdated = world.sign_in(&passkey("a"), 6);
    assert_eq!(outdated, Ok(SignedIn::Account(alice.id)));
    assert_eq!(
        world.person(alice.id).passkeys[0].credential,
        json!({ "counter": 5 })
    );
    assert_eq!(world.store.count(Kind::Session), 1);
    assert_eq!(world.store.count(Kind::Ceremony), 1, "the next decision uses it");
}

// Row PK-12.
#[test]
fn unknown_locked_and_removed_accounts_and_unknown_passkeys_get_the_same_answer() {
    let answer = |rejection: Rejection| rejection.answer(crate::rejection::Endpoint::None);
    let active = alice(&["a"]);
    let locked = Person {
        state: PersonState::Locked,
        ..active.clone()
    };
    let mut answers = Vec::new();
    for (stored, with, fault) in [
        (&active, "b", PasskeyFault::UnknownPasskey),
        (&locked, "a", PasskeyFault::AccountNotActive),
        (&active.erased(NOW), "a", PasskeyFault::AccountNotActive),
        (
            &Person::new(PersonId::of_random(&[9; 16]), NOW),
            "a",
            PasskeyFault::UnknownAccount,
        ),
    ] {
        let mut world = World::with(stored);
        let outcome = world.sign_in(&passkey(with), 1);
        assert_eq!(outcome, Err(refused(fault.clone())), "{fault:?}");
        assert_eq!(world.store.count(Kind::Session), 0);
        answers.push(answer(outcome.unwrap_err()));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

// Row PK-14.
#[test]
fn counter_that_is_not_higher_has_an_event_and_ends_the_ceremony() {
    let alice = alice(&["a"]);
    let mut world = World::with(&alice);
    let digest = world.ceremony(CeremonyPurpose::SignIn);
    let end = CeremonyEnd {
        digest: &digest,
        copied: Some(alice.id),
        request_id: "r",
    };
    world.settle(&end).unwrap();
    assert_eq!(world.events(), ["passkey.refused"]);
    assert_eq!(world.store.events[0].person, Some(alice.id.sub()));
    assert_eq!(world.store.count(Kind::Ceremony), 0);
    world.settle(&end).unwrap();
    assert_eq!(world.events().len(), 1, "one event for each ceremony");
}

// Row PK-01.
#[test]
fn invitation_makes_an_account_with_its_name_and_groups_once() {
    let mut world = World::with(&alice(&["a"]));
    let invitation = invitation(false);
    world.store.put(&invitation);
    let session = begun(world.use_invitation(&invitation, NOW));
    let carol = world.person(session.person);
    assert_eq!(carol.id, invitation.person);
    assert_eq!(carol.name.as_deref(), Some("carol"));
    assert_eq!(carol.groups, ["staff"]);
    assert_eq!(carol.passkeys, [passkey("new")]);
    let name: PersonName = world.store.read(b"carol").unwrap();
    assert_eq!(name.person, carol.id);
    assert_eq!(world.events(), ["person.created", "person.signed_in"]);
    assert_eq!(world.store.count(Kind::Invitation), 0);
    let again = world.use_invitation(&invitation, NOW);
    assert_eq!(again, Err(PasskeyReason::InvitationUnknown.into()));
}

#[test]
fn invitation_is_refused_where_the_record_of_its_name_states_another_one() {
    let mut world = World::with(&alice(&["a"]));
    let invitation = invitation(false);
    world.store.put(&invitation);
    let invited = |digest| InvitedName {
        name: invitation.name.clone(),
        digest,
        expires: invitation.expires,
    };
    world.store.put(&invited(SecretDigest::of("a later invitation")));
    let refused = world.use_invitation(&invitation, NOW);
    assert_eq!(refused, Err(PasskeyReason::InvitationUnknown.into()));
    assert_eq!(world.store.count(Kind::Person), 1);
    assert_eq!(world.store.count(Kind::InvitedName), 1);
    world.store.put(&invited(invitation.digest));
    let session = begun(world.use_invitation(&invitation, NOW));
    assert_eq!(world.person(session.person).name.as_deref(), Some("carol"));
    assert_eq!(world.store.count(Kind::InvitedName), 0);
}

#[test]
fn invitation_that_has_expired_or_whose_name_is_taken_is_refused() {
    let mut world = World::with(&alice(&["a"]));
    let invitation = invitation(false);
    world.store.put(&invitation);
    let unknown: Rejection = PasskeyReason::InvitationUnknown.into();
    assert_eq!(
        world.use_invitation(&invitation, invitation.expires),
        Err(unknown.clone())
    );
    world.store.put(&PersonName {
        name: "carol".to_owned(),
        person: PersonId::of_random(&[7; 16]),
    });
    assert_eq!(world.use_invitation(&invitation, NOW), Err(unknown));
    assert_eq!(world.store.count(Kind::Person), 1);
}

// Row PK-21.
#[test]
fn recovery_leaves_one_new_passkey_and_ends_all_earlier_sessions() {
    let alice = alice(&["a", "b"]);
    let mut world = World::with(&alice);
    let earlier = [
        world.session(&alice, NOW - Seconds(9)),
        world.session(&alice, NOW),
    ];
    let invitation = invitation(true);
    world.store.put(&invitation);
    let session = begun(world.use_invitation(&invitation, NOW));
    let recovered = world.person(alice.id);
    assert_eq!(recovered.passkeys, [passkey("new")]);
    assert_eq!(
        (recovered.name, recovered.groups),
        (alice.name.clone(), alice.groups.clone())
    );
    assert_eq!(world.events(), ["person.recovered", "person.signed_in"]);
    let is_alive = |name: SessionName| {
        let session: Session = world.store.read(&name.key()).unwrap();
        session.is_alive(&world.person(alice.id), IDLE, NOW)
    };
    assert!(is_alive(session));
    assert_eq!(earlier.map(is_alive), [false, false]);
}

/// The second recovery follows in the same second, and the account may be locked then as well.
#[test]
fn sessions_that_began_with_a_recovery_end_with_the_next_one_also_in_the_same_second() {
    let alice = alice(&["a"]);
    let mut world = World::with(&alice);
    let mut sessions = Vec::new();
    for _ in 0..3 {
        world.store.put(&invitation(true));
        sessions.push(begun(world.use_invitation(&invitation(true), NOW)));
    }
    let person = world.person(alice.id);
    let is_alive = |name: &SessionName| {
        let session: Session = world.store.read(&name.key()).unwrap();
        session.is_alive(&person, IDLE, NOW)
    };
    let alive: Vec<bool> = sessions.iter().map(is_alive).collect();
    assert_eq!(alive, [false, false, true]);
}

#[test]
fn recovery_ends_the_accounts_at_providers_and_what_they_stated() {
    let account = |sub: &str| ProviderAccount {
        issuer: "https://login.example".to_owned(),
        sub: sub.to_owned(),
    };
    let linked = Person {
        links: vec![account("of alice"), account("of an attacker")],
        provider_groups: [("corp".to_owned(), vec!["admins".to_owned()])].into(),
        display: Some("Alice A.".to_owned()),
        email: Some("attacker@mail.example".to_owned()),
        groups: vec!["auditors".to_owned()],
        ..alice(&["a"])
    };
    let mut world = World::with(&linked);
    for (account, person) in [
        (account("of alice"), linked.id),
        (account("of an attacker"), linked.id),
        (account("of bob"), PersonId::of_random(&[2; 16])),
    ] {
        world.store.put(&PersonLink { account, person });
    }
    let invitation = invitation(true);
    world.store.put(&invitation);
    // Which accounts at providers there are is read before: with others, the decision is repeated and nothing is written.
    let keys = linked.link_keys();
    let outdated: [&[Vec<u8>]; 2] = [&[], &keys[..1]];
    for outdated in outdated {
        let outcome = world.use_invitation_with(&invitation, outdated, NOW);
        assert_eq!(outcome, Ok(SignedIn::Account(linked.id)));
        assert_eq!(world.person(linked.id), linked);
        assert_eq!(world.store.count(Kind::Invitation), 1);
    }
    begun(world.use_invitation_with(&invitation, &keys, NOW));
    let recovered = world.person(linked.id);
    let expected = Person {
        groups: vec!["auditors".to_owned()],
        passkeys: vec![passkey("new")],
        sessions_from: recovered.sessions_from,
        ..alice(&[])
    };
    assert_eq!(recovered, expected);
    let links = world.store.all::<PersonLink>();
    assert_eq!(links.len(), 1, "{links:?}");
    assert_eq!(links[0].account, account("of bob"));
}

#[test]
fn invitation_of_a_locked_account_unlocks_it_with_the_new_passkey_in_one_batch() {
    let locked = Person {
        state: PersonState::Locked,
        sessions_from: NOW - Seconds(5),
        ..alice(&["a"])
    };
    let mut world = World::with(&locked);
    let invitation = Invitation {
        unlocks: Some(NOW - Seconds(5)),
        ..invitation(true)
    };
    world.store.put(&invitation);
    begun(world.use_invitation(&invitation, NOW));
    let recovered = world.person(locked.id);
    assert!(recovered.is_active());
    assert_eq!(recovered.passkeys, [passkey("new")]);
    assert_eq!(
        world.events(),
        ["person.unlocked", "person.recovered", "person.signed_in"]
    );
}

/// The administrator may have locked the account because an attacker has the link.
#[test]
fn invitation_does_not_unlock_an_account_that_was_locked_or_removed_after_it() {
    let active = alice(&["a"]);
    let locked = Person {
        state: PersonState::Locked,
        sessions_from: NOW - Seconds(5),
        ..active.clone()
    };
    for stored in [&locked, &active.erased(NOW - Seconds(5))] {
        for unlocks in [None, Some(NOW - Seconds(6)), Some(NOW - Seconds(4))] {
            let mut world = World::with(stored);
            let invitation = Invitation {
                unlocks,
                ..invitation(true)
            };
            world.store.put(&invitation);
            let outcome = world.use_invitation(&invitation, NOW);
            assert_eq!(outcome, Err(SignInReason::AccountNotActive.into()), "{unlocks:?}");
            assert_eq!(world.person(stored.id), *stored);
            assert_eq!(world.store.count(Kind::Invitation), 1);
        }
    }
}

//! Tests of the sign-in with an account at a provider, and of adding one.

use super::*;
use crate::policy::Policy;
use crate::records::test_store::TestStore;
use testudo_protocol::Timestamp;

const NOW: Timestamp = Timestamp(1_800_000_000);
const IDLE: Seconds = Seconds(3600);

fn stated(provider: &str, sub: &str) -> Stated {
    Stated {
        account: ProviderAccount {
            issuer: format!("https://{provider}.example"),
            sub: sub.to_owned(),
        },
        display: Some(format!("{sub} at {provider}")),
        email: None,
        groups: vec!["staff".to_owned()],
    }
}

fn key_of(stated: &Stated) -> Vec<u8> {
    PersonLink::key_of(&stated.account.issuer, &stated.account.sub)
}

fn session_of(provider: &str) -> NewSession<'_> {
    NewSession {
        method: provider,
        passkey: None,
        acr: None,
        authenticated: None,
        lifetime: Seconds(43_200),
        earlier: None,
        address: None,
        request_id: "r",
    }
}

/// Accounts, and what is decided about them. Each decision has other random bytes.
struct World {
    store: TestStore,
    policy: Policy,
    number: u8,
}

impl World {
    fn new() -> World {
        World {
            store: TestStore::default(),
            policy: Policy::of_tests(),
            number: 0,
        }
    }

    fn settle<O: Occasion>(&mut self, request: &O, now: Timestamp) -> Result<O::Outcome, Rejection> {
        self.number += 1;
        self.store.settle(request, &self.policy, self.number, now)
    }

    /// Signs in, with the second decision that knows the person. Returns the session.
    fn sign_in(&mut self, provider: &str, sub: &str) -> Result<SessionName, Rejection> {
        let stated = stated(provider, sub);
        let mut request = ProviderSignIn {
            provider,
            stated: &stated,
            link: &key_of(&stated),
            person: None,
            session: session_of(provider),
        };
        let mut outcome = self.settle(&request, NOW)?;
        if let SignedIn::Account(person) = outcome {
            request.person = Some(person);
            outcome = self.settle(&request, NOW)?;
        }
        match outcome {
            SignedIn::Begun(cookie) => Ok(SessionName::parse(&cookie).unwrap()),
            SignedIn::Account(_) => panic!("the account is known"),
        }
    }

    fn link(
        &mut self,
        session: SessionName,
        provider: &str,
        sub: &str,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let stated = stated(provider, sub);
        let request = ProviderLink {
            provider,
            stated: &stated,
            link: &key_of(&stated),
            session: (session, session.key()),
            idle: IDLE,
            request_id: "r",
        };
        self.settle(&request, now)
    }

    fn person(&self, session: SessionName) -> Person {
        self.store.read(session.person.key()).unwrap()
    }
}

#[test]
fn account_is_named_by_issuer_and_sub_together() {
    let mut world = World::new();
    let first = world.sign_in("corp", "1").unwrap();
    assert_eq!(world.sign_in("corp", "1").unwrap().person, first.person);
    for (provider, sub) in [("corp", "2"), ("other", "1")] {
        assert_ne!(world.sign_in(provider, sub).unwrap().person, first.person);
    }
    assert_eq!(world.store.all::<Person>().len(), 3);
    assert_eq!(world.store.all::<Session>().len(), 4);
}

#[test]
fn labels_are_those_of_the_first_provider_and_groups_of_each_are_kept_apart() {
    let mut world = World::new();
    let session = world.sign_in("corp", "1").unwrap();
    world.link(session, "other", "x", NOW).unwrap();
    let second = world.sign_in("other", "x").unwrap();
    assert_eq!(second.person, session.person);
    let person = world.person(session);
    assert_eq!(person.display.as_deref(), Some("1 at corp"));
    assert!(
        person.is_in("corp/staff") && person.is_in("other/staff"),
        "{person:?}"
    );
}

#[test]
fn account_that_is_locked_removed_or_absent_gets_no_session() {
    for state in [PersonState::Locked, PersonState::Removed] {
        let mut world = World::new();
        let session = world.sign_in("corp", "1").unwrap();
        let person = Person {
            state,
            ..world.person(session)
        };
        world.store.put(&person);
        let refused = world.sign_in("corp", "1").unwrap_err();
        assert_eq!(refused, SignInReason::AccountNotActive.into(), "{state:?}");
        assert_eq!(world.store.all::<Session>().len(), 1);
    }
    let mut world = World::new();
    world.store.put(&PersonLink {
        account: stated("corp", "1").account,
        person: PersonId::of_random(&[9; 16]),
    });
    let refused = world.sign_in("corp", "1").unwrap_err();
    assert_eq!(refused, SignInReason::AccountNotActive.into());
    assert!(world.store.all::<Person>().is_empty());
}

#[test]
fn account_at_a_provider_is_added_within_five_minutes_after_the_sign_in() {
    let mut world = World::new();
    let session = world.sign_in("corp", "1").unwrap();
    let refused = world.link(session, "other", "x", NOW + Seconds(301));
    assert_eq!(refused, Err(SignInReason::SignInTooLongAgo.into()));
    assert_eq!(world.store.all::<PersonLink>().len(), 1);
    world.link(session, "other", "x", NOW + Seconds(300)).unwrap();
    assert_eq!(world.person(session).links.len(), 2);
    let linked = world.store.events.last().unwrap();
    assert_eq!(linked.event, EventKind::PersonLinked);
    assert_eq!(linked.person, Some(session.person.sub()));
    // The same again writes nothing.
    let events = world.store.events.len();
    world.link(session, "other", "x", NOW).unwrap();
    assert_eq!(world.store.events.len(), events);
    assert_eq!(world.person(session).links.len(), 2);
}

#[test]
fn account_of_another_person_and_one_without_a_session_are_not_added() {
    let mut world = World::new();
    let alice = world.sign_in("corp", "1").unwrap();
    let bob = world.sign_in("corp", "2").unwrap();
    let refused = world.link(bob, "corp", "1", NOW);
    assert_eq!(refused, Err(SignInReason::AccountOfAnotherPerson.into()));
    let unknown = SessionName::make(alice.person, &[7; 32]).1;
    let refused = world.link(unknown, "other", "x", NOW);
    assert_eq!(refused, Err(SignInReason::NotSignedIn.into()));
    let locked = Person {
        state: PersonState::Locked,
        ..world.person(alice)
    };
    world.store.put(&locked);
    let refused = world.link(alice, "other", "x", NOW);
    assert_eq!(refused, Err(SignInReason::NotSignedIn.into()));
    assert_eq!(world.store.all::<PersonLink>().len(), 2);
    world.link(bob, "other", "x", NOW).unwrap();
}

#[test]
fn person_has_at_most_ten_accounts_at_providers() {
    let mut world = World::new();
    let session = world.sign_in("corp", "0").unwrap();
    for number in 1..LINKS_MAX {
        world.link(session, "corp", &number.to_string(), NOW).unwrap();
    }
    let refused = world.link(session, "corp", "more", NOW);
    assert_eq!(refused, Err(SignInReason::TooManyProviders.into()));
    assert_eq!(world.store.all::<PersonLink>().len(), LINKS_MAX);
}

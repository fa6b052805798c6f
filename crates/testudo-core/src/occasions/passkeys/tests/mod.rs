//! Tests of what a passkey changes: sign-in and use of an invitation (`sign_ins.rs`), and the passkeys of an account.

mod sign_ins;

use super::*;
use crate::occasions::sign_in::invitation::InvitationUse;
use crate::occasions::sign_in::passkey::PasskeySignIn;
use crate::occasions::sign_in::{NewSession, SignedIn};
use crate::people::{PersonId, SecretDigest};
use crate::policy::Policy;
use crate::records::test_store::TestStore;
use crate::records::{Ceremony, Invitation, ProviderAccount};
use serde_json::{Value, json};
use testudo_protocol::Timestamp;

const NOW: Timestamp = Timestamp(1_800_000_000);
const IDLE: Seconds = Seconds(3600);
const BROWSER: &str = "cookie of the browser";
const REMOVE: Change<'_> = Change::Remove {
    issuers: &["https://other.example", "https://login.example"],
};

fn passkey(id: &str) -> Passkey {
    Passkey {
        id: id.to_owned(),
        name: format!("passkey {id}"),
        credential: json!({ "counter": 0 }),
        created: NOW,
        last_used: None,
    }
}

fn alice(passkeys: &[&str]) -> Person {
    Person {
        name: Some("alice".to_owned()),
        passkeys: passkeys.iter().map(|id| passkey(id)).collect(),
        ..Person::new(PersonId::of_random(&[1; 16]), Timestamp(0))
    }
}

fn invitation(is_recovery: bool) -> Invitation {
    Invitation {
        digest: SecretDigest::of("invitation"),
        name: if is_recovery { "alice" } else { "carol" }.to_owned(),
        groups: vec!["staff".to_owned()],
        person: PersonId::of_random(&[if is_recovery { 1 } else { 3 }; 16]),
        is_recovery,
        unlocks: None,
        by: "bob".to_owned(),
        expires: NOW + Seconds(60),
    }
}

fn new_session() -> NewSession<'static> {
    NewSession {
        method: "passkey",
        passkey: None,
        acr: Some("phr"),
        authenticated: None,
        lifetime: Seconds(43_200),
        earlier: None,
        address: None,
        request_id: "r",
    }
}

/// Records, and what is decided about them. Each decision has other random bytes.
struct World {
    store: TestStore,
    policy: Policy,
    number: u8,
}

impl World {
    fn with(person: &Person) -> World {
        let mut store = TestStore::default();
        store.put(person);
        World {
            store,
            policy: Policy::of_tests(),
            number: 0,
        }
    }

    fn settle_at<O: Occasion>(&mut self, request: &O, now: Timestamp) -> Result<O::Outcome, Rejection> {
        self.number += 1;
        self.store.settle(request, &self.policy, self.number, now)
    }

    fn settle<O: Occasion>(&mut self, request: &O) -> Result<O::Outcome, Rejection> {
        self.settle_at(request, NOW)
    }

    /// A ceremony that the browser began.
    fn ceremony(&mut self, purpose: CeremonyPurpose) -> SecretDigest {
        self.number += 1;
        let digest = SecretDigest::of(&self.number.to_string());
        self.store.put(&Ceremony {
            digest,
            browser: SecretDigest::of(BROWSER),
            purpose,
            state: Value::Null,
            expires: NOW + Ceremony::LIFETIME,
        });
        digest
    }

    /// A session that began at this time.
    fn session(&mut self, person: &Person, began: Timestamp) -> SessionName {
        self.number += 1;
        let (_, name) = SessionName::make(person.id, &[self.number; 32]);
        self.store.put(&Session {
            name,
            created: began,
            last_used: NOW,
            authenticated: began,
            acr: None,
            method: "passkey".to_owned(),
            passkey: None,
            ends: NOW + Seconds(43_200),
        });
        name
    }

    /// `alice` signs in with a passkey that has this counter then.
    fn sign_in(&mut self, with: &Passkey, counter: u32) -> Result<SignedIn, Rejection> {
        let ceremony = self.ceremony(CeremonyPurpose::SignIn);
        self.finish(&ceremony, BROWSER, with, counter)
    }

    fn finish(
        &mut self,
        ceremony: &SecretDigest,
        browser: &str,
        with: &Passkey,
        counter: u32,
    ) -> Result<SignedIn, Rejection> {
        let request = PasskeySignIn {
            finished: finished(ceremony, browser),
            person: alice(&[]).id,
            verified: with,
            used: &json!({ "counter": counter }),
            session: new_session(),
        };
        self.settle(&request)
    }

    fn use_invitation(&mut self, invitation: &Invitation, now: Timestamp) -> Result<SignedIn, Rejection> {
        self.use_invitation_with(invitation, &[], now)
    }

    fn use_invitation_with(
        &mut self,
        invitation: &Invitation,
        links: &[Vec<u8>],
        now: Timestamp,
    ) -> Result<SignedIn, Rejection> {
        let ceremony = self.ceremony(CeremonyPurpose::Invitation(invitation.digest));
        let request = InvitationUse {
            finished: finished(&ceremony, BROWSER),
            invitation,
            passkey: &passkey("new"),
            links,
            session: new_session(),
        };
        self.settle_at(&request, now)
    }

    fn add(&mut self, session: SessionName, id: &str) -> Result<(), Rejection> {
        let ceremony = self.ceremony(CeremonyPurpose::addition(&session));
        let request = PasskeyAddition {
            finished: finished(&ceremony, BROWSER),
            own: OwnAccount::new(session, IDLE, "r"),
            passkey: &passkey(id),
        };
        self.settle(&request)
    }

    fn change(&mut self, session: SessionName, id: &str, change: Change<'_>) -> Result<(), Rejection> {
        let request = PasskeyChange {
            own: OwnAccount::new(session, IDLE, "r"),
            passkey: id,
            change,
        };
        self.settle(&request)
    }

    fn person(&self, id: PersonId) -> Person {
        self.store.read(id.key()).unwrap()
    }

    fn passkeys_of(&self, person: &Person) -> Vec<String> {
        let passkeys = self.person(person.id).passkeys.into_iter();
        passkeys.map(|passkey| passkey.id).collect()
    }

    fn events(&self) -> Vec<&'static str> {
        self.store.events.iter().map(|event| event.event.name()).collect()
    }
}

fn finished<'a>(ceremony: &'a SecretDigest, browser: &str) -> Finished<'a> {
    Finished {
        ceremony,
        browser: SecretDigest::of(browser),
    }
}

// Row PK-10.
#[test]
fn person_adds_passkeys_up_to_the_limit_and_each_one_once() {
    let alice = alice(&["a"]);
    let mut world = World::with(&alice);
    let session = world.session(&alice, NOW);
    world.add(session, "b").unwrap();
    assert_eq!(world.passkeys_of(&alice), ["a", "b"]);
    assert_eq!(world.events(), ["passkey.added"]);
    let twice = world.add(session, "b").unwrap_err();
    assert_eq!(twice.name(), "passkey_not_made");
    for number in 2..PASSKEYS_MAX {
        world.add(session, &number.to_string()).unwrap();
    }
    assert_eq!(world.add(session, "more"), Err(PasskeyReason::TooMany.into()));
    assert_eq!(world.passkeys_of(&alice).len(), PASSKEYS_MAX);
}

#[test]
fn person_who_is_known_only_through_a_provider_adds_no_passkey() {
    let links = vec![ProviderAccount {
        issuer: "https://login.example".to_owned(),
        sub: "x".to_owned(),
    }];
    let named = Person { links, ..alice(&[]) };
    let of_provider = Person {
        name: None,
        ..named.clone()
    };
    let added = |person: &Person| {
        let mut world = World::with(person);
        let session = world.session(person, NOW);
        let outcome = world.add(session, "a");
        (outcome, world.passkeys_of(person).len())
    };
    assert_eq!(added(&named), (Ok(()), 1));
    let refused = Err(PasskeyReason::AccountOfProvider.into());
    assert_eq!(added(&of_provider), (refused, 0));
}

// Row PK-22.
#[test]
fn passkey_is_added_and_removed_within_five_minutes_after_the_sign_in() {
    let alice = alice(&["a", "b"]);
    let mut world = World::with(&alice);
    let old = world.session(&alice, NOW - Seconds(301));
    let too_long_ago: Rejection = SignInReason::SignInTooLongAgo.into();
    assert_eq!(world.add(old, "c"), Err(too_long_ago.clone()));
    assert_eq!(world.change(old, "a", REMOVE), Err(too_long_ago));
    world.change(old, "a", Change::Rename("laptop")).unwrap();
    let recent = world.session(&alice, NOW - Seconds(300));
    world.add(recent, "c").unwrap();
    world.change(recent, "a", REMOVE).unwrap();
    assert_eq!(world.passkeys_of(&alice), ["b", "c"]);
}

// Row PK-23.
#[test]
fn last_passkey_is_removed_only_by_a_person_who_signs_in_at_a_configured_provider() {
    let only_passkeys = alice(&["a", "b"]);
    let mut world = World::with(&only_passkeys);
    let session = world.session(&only_passkeys, NOW);
    world.change(session, "a", REMOVE).unwrap();
    let last = world.change(session, "b", REMOVE);
    assert_eq!(last, Err(PasskeyReason::LastPasskey.into()));
    assert_eq!(world.passkeys_of(&only_passkeys), ["b"]);
    let linked = Person {
        links: vec![ProviderAccount {
            issuer: "https://login.example".to_owned(),
            sub: "x".to_owned(),
        }],
        ..alice(&["a"])
    };
    let mut world = World::with(&linked);
    let session = world.session(&linked, NOW);
    // The provider is not configured any more.
    let others: [&[&str]; 2] = [&[], &["https://login.example.net", "https://login"]];
    for issuers in others {
        let last = world.change(session, "a", Change::Remove { issuers });
        assert_eq!(last, Err(PasskeyReason::LastPasskey.into()), "{issuers:?}");
    }
    world.change(session, "a", REMOVE).unwrap();
    assert_eq!(world.events(), ["passkey.removed"]);
}

#[test]
fn passkey_of_the_account_only_is_changed_and_only_in_a_session() {
    let alice = alice(&["a", "b"]);
    let mut world = World::with(&alice);
    let session = world.session(&alice, NOW);
    for change in [Change::Rename("x"), REMOVE] {
        let unknown = world.change(session, "c", change);
        assert_eq!(unknown, Err(PasskeyReason::NoSuchPasskey.into()));
    }
    let (_, ended) = SessionName::make(alice.id, &[99; 32]);
    for change in [Change::Rename("x"), REMOVE] {
        let outcome = world.change(ended, "a", change);
        assert_eq!(outcome, Err(SignInReason::NotSignedIn.into()));
    }
    assert_eq!(world.add(ended, "c"), Err(SignInReason::NotSignedIn.into()));
    assert_eq!(world.person(alice.id), alice);
}

#[test]
fn passkey_that_was_begun_in_another_session_is_not_added() {
    let alice = alice(&["a"]);
    let mut world = World::with(&alice);
    let [began, other] = [world.session(&alice, NOW), world.session(&alice, NOW)];
    let ceremony = world.ceremony(CeremonyPurpose::addition(&began));
    let added = passkey("b");
    let request = |session| PasskeyAddition {
        finished: finished(&ceremony, BROWSER),
        own: OwnAccount::new(session, IDLE, "r"),
        passkey: &added,
    };
    let (other, began) = (request(other), request(began));
    assert_eq!(world.settle(&other), Err(PasskeyReason::CeremonyUnknown.into()));
    world.settle(&began).unwrap();
}

#[test]
fn name_of_a_passkey_is_one_line() {
    let longest = "n".repeat(64);
    for (name, expected) in [
        ("", "passkey"),
        ("  ", "passkey"),
        (" my laptop ", "my laptop"),
        (&longest, longest.as_str()),
    ] {
        assert_eq!(checked_name(name).as_deref(), Ok(expected));
    }
    let longer = "n".repeat(65);
    for name in ["a\nb", "a\u{202e}b", "a\u{0}", &longer] {
        assert_eq!(checked_name(name), Err(PasskeyReason::NameRefused), "{name:?}");
    }
}

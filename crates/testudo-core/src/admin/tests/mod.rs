//! Tests of the orders of administrators: what is written, what is answered, and which orders are refused.

mod block;
mod bundle;
mod client;
mod grant;
mod invitation;
mod keys;
mod order;
mod session;
mod trust;
mod user;

use super::{Decided, NotDone, Order};
use crate::actor::{Actor, ProcessOwner};
use crate::entropy::Entropy;
use crate::identity::{Authority, CredentialKind, OccasionKind};
use crate::people::PersonId;
use crate::policy::{AuthorityPolicy, Policy};
use crate::records::{
    Batch, Client, ClientState, Event, Kind, Passkey, Person, PersonState, ProviderAccount, Versioned, Write,
};
use crate::rules::{ClaimCaptures, Rule, RuleSet, RuleSpec};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;
use testudo_protocol::jose::Algorithm;
use testudo_protocol::{Seconds, Timestamp};

const NOW: Timestamp = Timestamp(1_800_000_000);
const ALICE: &str = "uid:1000(alice) gid:100 pid:4711";

static ACTOR: LazyLock<Actor> = LazyLock::new(|| {
    Actor::Process(ProcessOwner {
        uid: 1000,
        name: Some("alice".into()),
        gid: 100,
        pid: Some(4711),
    })
});

fn order() -> Order<'static> {
    Order {
        actor: &ACTOR,
        reason: Some("incident 7"),
        entropy: Entropy {
            millis: 1_800_000_000_000,
            sequence: 5,
            random: [9; Entropy::RANDOM_BYTES],
        },
        now: NOW,
    }
}

fn authority(key: &str) -> Authority {
    Authority::of_key(key).unwrap()
}

/// Trust domain `a.example` with one rule for `/pay/*`, issuer `ci`, and the configured client `ops-tool`.
fn policy() -> Policy {
    let trusted = AuthorityPolicy::of_tests;
    let rule = Rule::compile(&RuleSpec {
        name: "pay".into(),
        identities: vec!["spiffe://a.example/pay/*".into()],
        ..RuleSpec::default()
    });
    Policy {
        authorities: HashMap::from([
            (authority("spiffe://a.example"), trusted()),
            (Authority::of_identity("ci:x").unwrap(), trusted()),
        ]),
        rules: RuleSet::new(vec![rule.unwrap()], ClaimCaptures::default()),
        ..Policy::of_tests()
    }
}

fn client(authority: &str, subject: &str, state: ClientState) -> Versioned<Client> {
    Versioned {
        version: 3,
        record: Client {
            format: 1,
            authority: authority.into(),
            subject: subject.into(),
            client_id: "c1".into(),
            state,
            rule: "pay".into(),
            rule_revision: "r1".into(),
            occasion: OccasionKind::Token,
            first_credential: CredentialKind::JwtSvid,
            last_credential: CredentialKind::JwtSvid,
            created: NOW,
            last_used: NOW,
            idle_lifetime: None,
            expires: None,
            generation: 1,
            predecessor: None,
            metadata: Default::default(),
            registration: None,
            credential: None,
            sponsor: None,
            sponsor_credential: None,
            management: None,
        },
    }
}

/// The account `alice`, with a name, a group, an account at a provider and a passkey.
fn alice(state: PersonState) -> Versioned<Person> {
    let record = Person {
        id: PersonId::of_random(b"alice-alice-alic"),
        name: Some("alice".into()),
        display: Some("Alice A.".into()),
        email: Some("alice@mail.example".into()),
        groups: vec!["auditors".into()],
        provider_groups: BTreeMap::from([("corp".into(), vec!["staff".into()])]),
        passkeys: vec![Passkey {
            id: "AQID".into(),
            name: "laptop".into(),
            credential: json!({ "key": "public" }),
            created: NOW,
            last_used: None,
        }],
        links: vec![ProviderAccount {
            issuer: "https://login.example".into(),
            sub: "id-at-login".into(),
        }],
        state,
        created: Timestamp(1_700_000_000),
        sessions_from: Timestamp(1_700_000_000),
    };
    Versioned { record, version: 3 }
}

/// One line for each change: the operation, the kind of record, its key, and its required version. For an event, its
/// name.
fn lines(batch: &Batch) -> Vec<String> {
    let key = |key: &[u8]| String::from_utf8_lossy(key).replace('\0', " ");
    let line = |write: &Write| match write {
        Write::Insert(document) if document.kind == Kind::Event => {
            let event: Event = serde_json::from_slice(&document.body).unwrap();
            event.event.name().to_owned()
        }
        Write::Insert(document) => format!("insert {:?} {}", document.kind, key(&document.key)),
        Write::Replace(document, version) => {
            format!("replace {:?} {} @{version}", document.kind, key(&document.key))
        }
        Write::Delete(kind, of, version) => format!("delete {kind:?} {} @{version}", key(of)),
        Write::Absent(kind, of) => format!("absent {kind:?} {}", key(of)),
        Write::Mark(mark) => format!("mark {:?}", mark.key),
        Write::Add { counter, delta, .. } => format!("add {counter} {delta}"),
    };
    batch.writes.iter().map(line).collect()
}

/// Checks the changes and the answer, and that each event has the administrator, the reason and a unique id.
#[track_caller]
fn check(decided: &Decided, written: &[&str], done: &str) {
    let batch = decided.changes.as_ref().map(|changes| changes.batch());
    assert_eq!(lines(&batch.unwrap_or_default()), written, "{done}");
    assert_eq!(decided.done, done);
    let events = decided.changes.as_ref().map(|changes| changes.events());
    let events = events.unwrap_or_default();
    assert_eq!(
        events.is_empty(),
        written.is_empty(),
        "{done}: every change must have an event"
    );
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event.actor.as_deref(), Some(ALICE), "{done}");
        assert_eq!(event.reason.as_deref(), Some("incident 7"), "{done}");
        assert_eq!(event.time, NOW, "{done}");
        let is_twin = |other: &Event| other.id == event.id;
        assert_eq!(
            events.iter().position(is_twin),
            Some(number),
            "{done}: the ids of events must differ"
        );
    }
}

/// Checks that the order was refused with these words, as not found or for another reason.
#[track_caller]
fn check_not_done<T>(outcome: Result<T, NotDone>, is_not_found: bool, words: &str) {
    let Err(why) = outcome else {
        panic!("the order was carried out, expected: {words}")
    };
    assert_eq!(why.is_not_found, is_not_found, "{why:?}");
    assert!(why.problem.contains(words), "{why:?} does not contain {words:?}");
}

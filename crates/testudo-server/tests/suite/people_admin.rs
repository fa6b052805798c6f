//! Tests of the admin API for accounts of people, their sessions, and what they granted.

use crate::nodes::postgres;
use crate::world::{RULES, World, domains};
use serde_json::{Value, json};
use std::path::Path;
use testudo_core::people::{GrantId, PersonId, PresentedSecret, SecretDigest, SessionName};
use testudo_core::records::{
    Batch, BoundTo, Consent, Document, Grant, GrantTerms, GrantedClient, Invitation, IssuedRefreshToken,
    Kind, Person, PersonLink, PersonName, PersonState, ProviderAccount, RefreshToken, Rotation, Session,
    Write,
};
use testudo_protocol::oauth::ScopeSet;
use testudo_protocol::{Seconds, Timestamp};
use testudo_server::App;
use testudo_testkit::http::over_socket;

/// People sign in for an hour, and sessions end after ten minutes without use.
const LOGIN: &str = "[login]\nsession_lifetime = \"1h\"\nsession_idle_lifetime = \"10m\"\n";

async fn world() -> World {
    World::start_with(&format!("{LOGIN}{}", domains("")), RULES).await
}

/// A person of this test: the account, and what belongs to it.
struct Prepared {
    account: Person,
    batch: Batch,
    now: Timestamp,
}

impl Prepared {
    /// A person with a name, a group and an account at a provider. `number` makes the id.
    fn new(app: &App, name: &str, number: u8) -> Prepared {
        let now = app.now();
        let link = ProviderAccount {
            issuer: "https://login.example".into(),
            sub: format!("{name}-at-login"),
        };
        let account = Person {
            id: PersonId::of_random(&[number; 16]),
            name: Some(name.into()),
            display: Some(format!("{name} surname")),
            email: Some(format!("{name}@mail.example")),
            groups: vec!["auditors".into()],
            provider_groups: [("corp".to_owned(), vec!["staff".to_owned()])].into(),
            passkeys: Vec::new(),
            links: vec![link.clone()],
            state: PersonState::Active,
            created: now,
            sessions_from: now,
        };
        let mut batch = Batch::default();
        batch.insert(&account);
        batch.insert(&PersonName {
            name: name.into(),
            person: account.id,
        });
        batch.insert(&PersonLink {
            account: link,
            person: account.id,
        });
        Prepared { account, batch, now }
    }

    fn session(mut self, number: u32) -> Prepared {
        self.batch.insert(&self.session_of(number));
        self
    }

    fn session_of(&self, number: u32) -> Session {
        Session {
            name: SessionName::make(self.account.id, &secret(number)).1,
            created: self.now,
            last_used: self.now,
            authenticated: self.now,
            acr: None,
            method: "corp".into(),
            passkey: None,
            ends: self.now + Seconds(3600),
        }
    }

    /// A grant with one refresh token, and the consent to it.
    fn grant(mut self, number: u32) -> Prepared {
        let grant = self.grant_of(number);
        let rotation = grant.refresh.as_ref().unwrap();
        let name = PresentedSecret {
            grant: grant.id,
            digest: rotation.current.digest,
        };
        self.batch.insert(&RefreshToken {
            name,
            issued: self.now,
            expires: rotation.current.expires,
        });
        self.batch.insert(&Consent {
            person: self.account.id,
            client: grant.client.clone(),
            scope: grant.terms.scope.clone(),
            shown: SecretDigest::of("page"),
            given: self.now,
            until: None,
        });
        self.batch.insert(&grant);
        self
    }

    fn grant_of(&self, number: u32) -> Grant {
        let mut random = [0; 16];
        random[..4].copy_from_slice(&number.to_be_bytes());
        let id = GrantId::new(self.account.id, &random);
        let (_, token) = PresentedSecret::make(id, &secret(number));
        let expires = self.now + Seconds(86_400);
        let subject = format!("spiffe://a.example/web/{number}");
        Grant {
            id,
            client: GrantedClient {
                authority: "spiffe://a.example".into(),
                client_id: subject.clone(),
                subject,
                // It has no record of its own here.
                generation: None,
            },
            terms: GrantTerms {
                scope: ScopeSet::parse("r").unwrap(),
                resources: Vec::new(),
                ends: None,
                auth_time: self.now,
                acr: None,
                consent: None,
            },
            created: self.now,
            bound_to: BoundTo::default(),
            refresh: Some(Rotation {
                current: IssuedRefreshToken {
                    digest: token.digest,
                    expires,
                },
                replaced: None,
                earlier: Vec::new(),
                number: 1,
                bound_since: None,
            }),
            live_until: expires,
        }
    }

    /// Writes the records. Returns `sub`.
    async fn store(self, app: &App) -> String {
        for writes in self.batch.writes.chunks(500) {
            let batch = Batch {
                writes: writes.to_vec(),
                ..Batch::default()
            };
            app.store.commit(batch).await.unwrap();
        }
        self.account.id.sub()
    }
}

fn secret(number: u32) -> [u8; 32] {
    let mut secret = [9; 32];
    secret[..4].copy_from_slice(&number.to_be_bytes());
    secret
}

/// The entries of a list, page by page with two entries each.
async fn list(world: &World, noun: &str, query: &str) -> Vec<Value> {
    list_at(&world.folder, noun, query).await
}

async fn list_at(folder: &Path, noun: &str, query: &str) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/admin/v1/{noun}?limit=2{query}{after}");
        let (status, page) = over_socket(&folder.join("admin.sock"), "GET", &path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {page}");
        let some = page[noun].as_array().unwrap();
        assert!(some.len() <= 2, "{page}");
        entries.extend(some.iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return entries,
        }
    }
}

fn of<'v>(entries: &'v [Value], member: &str) -> Vec<&'v str> {
    entries
        .iter()
        .map(|entry| entry[member].as_str().unwrap())
        .collect()
}

async fn change(world: &World, path: &str, body: Value) -> Value {
    world.admin("POST", &format!("/admin/v1/{path}"), body).await
}

#[tokio::test]
async fn accounts_are_listed_by_page_state_and_group_and_shown_by_name_and_by_sub() {
    let world = world().await;
    let app = &world.running.app;
    for (name, number) in [("alice", 1), ("bob", 2), ("carol", 3)] {
        Prepared::new(app, name, number).store(app).await;
    }
    change(&world, "users/lock", json!({ "user": "bob" })).await;
    change(&world, "users/remove", json!({ "user": "carol" })).await;
    change(
        &world,
        "users/groups/add",
        json!({ "user": "alice", "group": "night shift" }),
    )
    .await;
    for (query, expected) in [
        ("", vec!["alice", "bob"]),
        ("&state=active", vec!["alice"]),
        ("&state=locked", vec!["bob"]),
        ("&group=auditors", vec!["alice", "bob"]),
        ("&group=night%20shift", vec!["alice"]),
        ("&group=corp/staff", vec!["alice", "bob"]),
        ("&group=staff", vec![]),
    ] {
        assert_eq!(
            of(&list(&world, "users", query).await, "name"),
            expected,
            "{query}"
        );
    }
    let removed = list(&world, "users", "&state=removed").await;
    assert_eq!(removed.len(), 1);
    assert_eq!(removed[0]["name"], Value::Null);
    let alice = change(&world, "users/show", json!({ "user": "alice" })).await;
    let by_sub = change(&world, "users/show", json!({ "user": alice["sub"] })).await;
    assert_eq!(alice, by_sub);
    assert_eq!(alice["groups"], json!(["auditors", "night shift"]));
    assert_eq!(alice["providers"][0]["sub"], "alice-at-login");
    for unknown in ["dave", "Alice", "", "alice-at-login", "alice@mail.example"] {
        let body = json!({ "user": unknown });
        let (status, answer) = world.try_admin("POST", "/admin/v1/users/show", body).await;
        assert_eq!(status, 404, "{unknown}: {answer}");
    }
}

#[tokio::test]
async fn lock_ends_sessions_and_makes_grants_unusable_until_the_account_is_unlocked() {
    let world = world().await;
    let app = &world.running.app;
    let sub = Prepared::new(app, "alice", 1)
        .session(1)
        .session(2)
        .grant(1)
        .store(app)
        .await;
    Prepared::new(app, "bob", 2).session(3).grant(2).store(app).await;
    assert_eq!(list(&world, "sessions", "").await.len(), 3);
    change(&world, "users/lock", json!({ "user": sub })).await;
    assert_eq!(of(&list(&world, "sessions", "").await, "name"), ["bob"]);
    let usable = |grants: Vec<Value>| -> Vec<Value> {
        grants.iter().map(|grant| grant["is_usable"].clone()).collect()
    };
    assert_eq!(usable(list(&world, "grants", "&user=alice").await), [false]);
    assert_eq!(usable(list(&world, "grants", "&user=bob").await), [true]);
    change(&world, "users/unlock", json!({ "user": "alice" })).await;
    assert_eq!(usable(list(&world, "grants", "&user=alice").await), [true]);
    assert_eq!(
        of(&list(&world, "sessions", "").await, "name"),
        ["bob"],
        "the person has to sign in again"
    );
}

#[tokio::test]
async fn sessions_are_listed_until_they_end_and_are_ended_one_by_one_or_for_a_person() {
    let world = world().await;
    let app = &world.running.app;
    let alice = Prepared::new(app, "alice", 1);
    let first = alice.session_of(1).name.id();
    let alice = alice.session(1).session(2).session(3);
    alice.store(app).await;
    Prepared::new(app, "bob", 2).session(4).store(app).await;
    assert_eq!(list(&world, "sessions", "&user=alice").await.len(), 3);
    change(&world, "sessions/end", json!({ "session": first })).await;
    let left = list(&world, "sessions", "&user=alice").await;
    assert!(!of(&left, "session").contains(&first.as_str()), "{left:?}");
    assert_eq!(left.len(), 2);
    for ended in [first.as_str(), "", "x"] {
        let body = json!({ "session": ended });
        let (status, _) = world.try_admin("POST", "/admin/v1/sessions/end", body).await;
        assert_eq!(status, 404, "{ended}");
    }
    change(&world, "users/sessions/end", json!({ "user": "alice" })).await;
    assert_eq!(of(&list(&world, "sessions", "").await, "name"), ["bob"]);
    // The idle lifetime is ten minutes; on a busy machine, some seconds of it are over already.
    app.clock.shift(570);
    assert_eq!(list(&world, "sessions", "").await.len(), 1);
    app.clock.shift(30);
    assert!(list(&world, "sessions", "").await.is_empty(), "idle");
}

#[tokio::test]
async fn revoked_grant_is_gone_with_its_consent_and_other_grants_stay() {
    let world = world().await;
    let app = &world.running.app;
    let alice = Prepared::new(app, "alice", 1);
    let first = alice.grant_of(1);
    alice.grant(1).grant(2).grant(3).store(app).await;
    Prepared::new(app, "bob", 2).grant(1).store(app).await;
    assert_eq!(list(&world, "grants", "").await.len(), 4);
    let query = format!("&client_id={}", first.client.client_id);
    assert_eq!(
        of(&list(&world, "grants", &query).await, "name"),
        ["alice", "bob"]
    );
    let id = first.id.to_string();
    let answer = change(&world, "grants/revoke", json!({ "grant_id": id })).await;
    assert!(answer["warning"].as_str().unwrap().contains("until they expire"));
    assert_eq!(of(&list(&world, "grants", &query).await, "name"), ["bob"]);
    assert_eq!(list(&world, "grants", "&user=alice").await.len(), 2);
    let consent = Consent::key_of(first.id.person(), &first.client.key());
    assert!(app.store.read::<Consent>(&consent).await.unwrap().is_none());
    for unknown in [id.as_str(), "", "x"] {
        let body = json!({ "grant_id": unknown });
        let (status, _) = world.try_admin("POST", "/admin/v1/grants/revoke", body).await;
        assert_eq!(status, 404, "{unknown}");
    }
}

/// Every record but events and the one of the account itself, as text, with the text of its key.
async fn everything(app: &App) -> Vec<String> {
    let mut texts = Vec::new();
    for kind in Kind::ALL {
        if matches!(kind, Kind::Event | Kind::Person) {
            continue;
        }
        let mut after = Vec::new();
        loop {
            let stored = app.store.list(kind, &after, 1_000).await.unwrap();
            let Some(last) = stored.last() else { break };
            after.clone_from(&last.key);
            texts.extend(stored.iter().map(|record| {
                let key = String::from_utf8_lossy(&record.key);
                format!("{kind:?} {key} {}", String::from_utf8_lossy(&record.body))
            }));
        }
    }
    texts
}

#[tokio::test]
async fn removal_leaves_no_record_that_names_the_person_however_many_there_were() {
    let world = world().await;
    let app = &world.running.app;
    let mut alice = Prepared::new(app, "alice", b'B');
    let id = alice.account.id;
    alice.batch.insert(&Invitation {
        digest: SecretDigest::of("link"),
        name: "alice".into(),
        groups: Vec::new(),
        person: id,
        is_recovery: true,
        unlocks: None,
        by: "an administrator".into(),
        expires: app.now() + Seconds(60),
    });
    for number in 0..1_100 {
        alice = alice.session(number);
    }
    for number in 0..250 {
        alice = alice.grant(number);
    }
    let sub = alice.store(app).await;
    let bob = Prepared::new(app, "bob", 2).session(1).grant(1);
    bob.store(app).await;
    // The id in base64url, alone or at the beginning of the id of a grant.
    let bare = &sub.trim_start_matches("u_")[..21];
    // The keys of records of this person contain these bytes as text.
    let key = "B".repeat(16);
    let names_alice = |texts: Vec<String>| -> usize {
        let named = |text: &&String| [bare, "alice", &key].iter().any(|part| text.contains(part));
        texts.iter().filter(named).count()
    };
    assert_eq!(names_alice(everything(app).await), 3 + 1_100 + 3 * 250);
    change(
        &world,
        "users/remove",
        json!({ "user": "alice", "reason": "left" }),
    )
    .await;
    assert_eq!(names_alice(everything(app).await), 0);
    assert_eq!(of(&list(&world, "sessions", "").await, "name"), ["bob"]);
    let account = app.store.read::<Person>(id.key()).await.unwrap().unwrap();
    assert_eq!(
        account.record,
        account.record.erased(account.record.sessions_from)
    );
    let events = world.events("person.removed").await;
    assert_eq!(events[0]["person"], json!(sub));
    assert!(!events[0].to_string().contains("alice"), "{events:?}");
    for path in ["users/lock", "users/unlock", "users/sessions/end"] {
        let body = json!({ "user": sub });
        let (status, _) = world.try_admin("POST", &format!("/admin/v1/{path}"), body).await;
        assert_eq!(status, 404, "{path}: a removed account is not changed");
    }
    // A name is free again, and an order that was interrupted can be repeated.
    change(&world, "users/remove", json!({ "user": sub })).await;
    assert_eq!(world.events("person.removed").await.len(), 1);
    Prepared::new(app, "alice", 0x43).store(app).await;
}

/// The token before the valid one may be sent again, and may be an earlier one as well.
#[tokio::test]
async fn removal_deletes_the_refresh_token_that_may_be_sent_again() {
    let world = world().await;
    let app = &world.running.app;
    for is_earlier in [false, true] {
        let mut alice = Prepared::new(app, "alice", 1 + u8::from(is_earlier));
        let mut grant = alice.grant_of(1);
        let rotation = grant.refresh.as_mut().unwrap();
        let replaced = IssuedRefreshToken {
            digest: SecretDigest::of("replaced"),
            ..rotation.current
        };
        rotation.replaced = Some((replaced.digest, alice.now));
        rotation.earlier.extend(is_earlier.then_some(replaced));
        for issued in [replaced, rotation.current] {
            let name = PresentedSecret {
                grant: grant.id,
                digest: issued.digest,
            };
            alice.batch.insert(&RefreshToken {
                name,
                issued: alice.now,
                expires: issued.expires,
            });
        }
        alice.batch.insert(&grant);
        alice.store(app).await;
        assert_eq!(app.store.read_all::<RefreshToken>().await.unwrap().len(), 2);
        change(&world, "users/remove", json!({ "user": "alice" })).await;
        assert_eq!(app.store.read_all::<RefreshToken>().await.unwrap(), []);
    }
}

/// Writes a row that cannot be read in the place of this record.
async fn spoil(app: &App, kind: Kind, key: &[u8]) {
    let stored = app.store.get(kind, key).await.unwrap().unwrap();
    let document = Document {
        kind,
        key: key.to_vec(),
        body: b"{}".to_vec(),
        expires: None,
    };
    let batch = Batch {
        writes: vec![Write::Replace(document, stored.version)],
        ..Batch::default()
    };
    app.store.commit(batch).await.unwrap();
}

#[tokio::test]
async fn record_that_cannot_be_read_is_left_out_of_lists_and_shown_by_status_and_doctor() {
    let world = world().await;
    let app = &world.running.app;
    let (alice, bob) = (Prepared::new(app, "alice", 1), Prepared::new(app, "bob", 2));
    let (session, grant, account) = (
        alice.session_of(3).name.key(),
        alice.grant_of(3).id,
        bob.account.id,
    );
    let alice = [1, 2, 3].into_iter().fold(alice, Prepared::session);
    let alice = [1, 2, 3].into_iter().fold(alice, Prepared::grant);
    alice.store(app).await;
    bob.session(4).grant(4).store(app).await;
    for (noun, expected) in [("users", 2), ("sessions", 4), ("grants", 4)] {
        assert_eq!(list(&world, noun, "").await.len(), expected, "{noun}");
    }
    spoil(app, Kind::Session, &session).await;
    spoil(app, Kind::Grant, grant.key()).await;
    spoil(app, Kind::Person, account.key()).await;
    assert_eq!(of(&list(&world, "users", "").await, "name"), ["alice"]);
    assert_eq!(
        of(&list(&world, "sessions", "").await, "name"),
        ["alice", "alice"]
    );
    let grants = list(&world, "grants", "").await;
    let usable = grants.iter().filter(|grant| grant["is_usable"] == true).count();
    assert_eq!((grants.len(), usable), (3, 2), "{grants:?}");
    let status = world.admin("GET", "/admin/v1/status", Value::Null).await;
    let (configuration, _) = testudo_server::config::load(&world.folder.join("testudo.toml"), 1).unwrap();
    let findings = testudo_server::doctor::examine(&configuration).await;
    for (kind, key) in [
        ("session", hex::encode(session)),
        ("grant", hex::encode(grant.key())),
        ("person", hex::encode(account.key())),
    ] {
        let refused = status["refused_records"].as_array().unwrap();
        let is_this = |record: &&Value| record["kind"] == kind && record["key"] == json!(key);
        assert_eq!(refused.iter().filter(is_this).count(), 1, "{kind}: {status}");
        let found = findings.iter().filter(|finding| finding.subject.contains(&key));
        assert_eq!(found.filter(|finding| !finding.is_good).count(), 1, "{kind}");
    }
    // All entries of a page cannot be read: the list ends.
    for number in [1, 2] {
        let session = Prepared::new(app, "alice", 1).session_of(number).name.key();
        spoil(app, Kind::Session, &session).await;
    }
    assert_eq!(list(&world, "sessions", "").await, Vec::<Value>::new());
}

#[tokio::test]
async fn every_node_sees_a_lock_and_a_revocation_at_once() {
    let (world, _) = World::start_over(&postgres().database("people").unwrap()).await;
    let (second, folder) = world.join().await;
    let app = &world.running.app;
    let alice = Prepared::new(app, "alice", 1);
    let grant = alice.grant_of(1).id.to_string();
    alice.grant(1).grant(2).store(app).await;
    assert_eq!(list_at(&folder, "grants", "").await.len(), 2);
    change(&world, "grants/revoke", json!({ "grant_id": grant })).await;
    assert_eq!(list_at(&folder, "grants", "").await.len(), 1);
    change(&world, "users/lock", json!({ "user": "alice" })).await;
    let there = list_at(&folder, "users", "&state=locked").await;
    assert_eq!(of(&there, "name"), ["alice"]);
    assert_eq!(list_at(&folder, "grants", "").await[0]["is_usable"], false);
    drop(second);
}

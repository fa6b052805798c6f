//! Many sessions and refresh tokens in the store, and many visits of clients that do not exist: memory, size of the store,
//! latency, and how long the deletion of what expired takes.

use crate::binary::{Server, Site, now};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use testudo_core::people::{GrantId, PersonId, PresentedSecret, SessionName};
use testudo_core::records::{
    Batch, BoundTo, Grant, GrantTerms, GrantedClient, IssuedRefreshToken, Kind, Person, Record, RefreshToken,
    Rotation, Session,
};
use testudo_protocol::oauth::{Resource, ScopeSet};
use testudo_protocol::{Seconds, Timestamp};
use testudo_store::Store;
use testudo_testkit::form;
use testudo_testkit::http::Connection;
use url::Url;

const CLIENT: &str = "spiffe://prod.example/web/shop";
const RESOURCE: &str = "https://orders.example/";
/// Sessions and grants of one person.
const EACH: usize = 10;
/// Most documents that the server deletes at once.
const DELETED_AT_ONCE: usize = 2_000;
/// How long everything lives.
const LIFETIME: Seconds = Seconds(86_400);
/// Requests of one measurement.
const REQUESTS: usize = 500;

const RULE: &str = r#"
[login]
development = ["alice"]
[[rules]]
name = "web"
identities = ["spiffe://prod.example/web/{name}"]
grant_types = ["authorization_code", "refresh_token", "client_credentials"]
pushed_authorization = "optional"
redirect_uris = ["https://{name}.apps.example/cb"]
scopes = ["orders.read"]
default_scopes = ["orders.read"]
resources = ["https://orders.example/"]
"#;

fn site() -> (Site, String) {
    let (site, issuer) = Site::under_its_own_name();
    site.append(RULE);
    (site, issuer)
}

/// 32 random-looking bytes of a number.
fn bytes_of(number: usize) -> [u8; 32] {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes
}

fn person(number: usize) -> PersonId {
    let mut id = [0; 16];
    id.copy_from_slice(&bytes_of(number / EACH)[..16]);
    PersonId::of_random(&id)
}

/// The cookie of a session, and its name.
fn session(number: usize) -> (String, SessionName) {
    SessionName::make(person(number), &bytes_of(number))
}

/// A refresh token, and its name.
fn token(number: usize) -> (String, PresentedSecret) {
    let mut random = [0; 16];
    random.copy_from_slice(&bytes_of(number)[..16]);
    PresentedSecret::make(GrantId::new(person(number), &random), &bytes_of(number))
}

/// Writes sessions and grants with a refresh token each, so many of both.
async fn fill(site: &Site, from: usize, to: usize) {
    let store = Store::sqlite(&site.folder.join("testudo.db")).unwrap();
    let began = Timestamp(now());
    for first in (from..to).step_by(100) {
        let mut batch = Batch::default();
        for number in first..to.min(first + 100) {
            if number % EACH == 0 {
                batch.insert(&Person::new(person(number), began));
            }
            batch.insert(&Session {
                name: session(number).1,
                created: began,
                last_used: began,
                authenticated: began,
                acr: None,
                method: "development".into(),
                passkey: None,
                ends: began + LIFETIME,
            });
            let (_, name) = token(number);
            let expires = began + LIFETIME;
            batch.insert(&RefreshToken {
                name,
                issued: began,
                expires,
            });
            batch.insert(&grant(name, began));
        }
        store.commit(batch).await.unwrap();
    }
    store.release_lock();
}

fn grant(name: PresentedSecret, began: Timestamp) -> Grant {
    let expires = began + LIFETIME;
    Grant {
        id: name.grant,
        client: GrantedClient {
            authority: "spiffe://prod.example".into(),
            client_id: CLIENT.into(),
            subject: CLIENT.into(),
            generation: Some(1),
        },
        terms: GrantTerms {
            scope: ScopeSet::parse("orders.read").unwrap(),
            resources: vec![Resource::parse(RESOURCE).unwrap()],
            ends: Some(expires),
            auth_time: began,
            acr: None,
            consent: None,
        },
        created: began,
        bound_to: BoundTo::default(),
        refresh: Some(Rotation {
            current: IssuedRefreshToken {
                digest: name.digest,
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

/// What one request took, the median and the slowest hundredth.
#[derive(Debug, Clone, Copy)]
struct Latency {
    median: Duration,
    p99: Duration,
}

impl Latency {
    fn of(mut all: Vec<Duration>) -> Latency {
        all.sort();
        Latency {
            median: all[all.len() / 2],
            p99: all[all.len() * 99 / 100],
        }
    }
}

struct Figures {
    ready_after: Duration,
    memory: usize,
    store: u64,
    visits: Latency,
    refreshes: Latency,
}

/// Starts the server over the store of the site, in which the records up to `count` are, and uses some of them, each once.
async fn measure(site: &Site, issuer: &str, count: usize, used: &mut usize) -> Figures {
    let started = Instant::now();
    let server = site.serve();
    let ready_after = started.elapsed();
    let host = Url::parse(issuer).unwrap();
    let cookie = format!("testudo-session-{}", host.port().unwrap());
    let mut connection = Connection::open(server.address).await;
    let form_type = ("content-type", "application/x-www-form-urlencoded");
    let svid = |more: &[(&str, &str)]| {
        let svid = site.issuer.svid("/web/shop", issuer, now());
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
        form(
            &[
                &[("client_assertion_type", kind), ("client_assertion", &svid)],
                more,
            ]
            .concat(),
        )
    };
    let own = svid(&[("grant_type", "client_credentials")]);
    let answer = connection.send("POST", "/token", &[form_type], own).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let asking = visit(CLIENT, "https://shop.apps.example/cb");
    let (mut visits, mut refreshes) = (Vec::new(), Vec::new());
    let step = count / (2 * REQUESTS);
    for _ in 0..REQUESTS {
        let number = (*used * step.max(1)) % count;
        *used += 1;
        let cookie = format!("{cookie}={}", session(number).0);
        let host = format!("127.0.0.1:{}", host.port().unwrap());
        let headers = [("cookie", cookie.as_str()), ("host", &host)];
        let sent = Instant::now();
        let answer = connection.send("GET", &asking, &headers, "").await;
        visits.push(sent.elapsed());
        // The person is signed in and is asked.
        assert!(
            String::from_utf8_lossy(&answer.body).contains("asks for access"),
            "{answer:?}"
        );
        let refresh = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &token(number).0),
        ];
        let body = svid(&refresh);
        let sent = Instant::now();
        let answer = connection.send("POST", "/token", &[form_type], body).await;
        refreshes.push(sent.elapsed());
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let memory = server.resident_bytes();
    let mut server = server;
    server.log_until_end();
    Figures {
        ready_after,
        memory,
        store: std::fs::metadata(site.folder.join("testudo.db")).unwrap().len(),
        visits: Latency::of(visits),
        refreshes: Latency::of(refreshes),
    }
}

/// A direct request.
fn visit(client: &str, redirect_uri: &str) -> String {
    let parameters = [
        ("client_id", client),
        ("response_type", "code"),
        ("redirect_uri", redirect_uri),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    format!("/authorize?{}", form(&parameters))
}

/// The number of records of a kind.
async fn count_of(store: &Store, kind: Kind) -> usize {
    let (mut count, mut after) = (0, Vec::new());
    loop {
        let part = store.list(kind, &after, 1_000).await.unwrap();
        let Some(last) = part.last() else { return count };
        after.clone_from(&last.key);
        count += part.len();
    }
}

/// Deletes what expired, as the server does. Returns how long all of it and the longest deletion took.
async fn sweep(path: &Path) -> (usize, Duration, Duration) {
    let store = Store::sqlite(path).unwrap();
    let (started, mut longest, mut deleted) = (Instant::now(), Duration::ZERO, 0);
    // The grants that were used live for another `refresh_token_idle_lifetime`, 14 days.
    let late = Timestamp(now()) + Seconds(20 * LIFETIME.0);
    loop {
        let begun = Instant::now();
        let some = store.drop_expired(late, DELETED_AT_ONCE).await.unwrap();
        longest = longest.max(begun.elapsed());
        deleted += some;
        if some < DELETED_AT_ONCE {
            break;
        }
    }
    let all = started.elapsed();
    for kind in [Session::KIND, Grant::KIND] {
        assert_eq!(count_of(&store, kind).await, 0, "{kind:?}");
    }
    store.release_lock();
    (deleted, all, longest)
}

/// Compares a store with so many sessions and refresh tokens with a small one.
async fn many_people(count: usize) {
    const FEW: usize = 1_000;
    let (site, issuer) = site();
    fill(&site, 0, FEW).await;
    let mut used = 0;
    let few = measure(&site, &issuer, FEW, &mut used).await;
    fill(&site, FEW, count).await;
    let many = measure(&site, &issuer, count, &mut used).await;
    for (number, figures) in [(FEW, &few), (count, &many)] {
        println!(
            "{number} sessions and refresh tokens: ready after {:?}, memory {:.1} MB, store {:.1} MB, authorize with a session p50 {:?} p99 {:?}, refresh p50 {:?} p99 {:?}",
            figures.ready_after,
            figures.memory as f64 / 1e6,
            figures.store as f64 / 1e6,
            figures.visits.median,
            figures.visits.p99,
            figures.refreshes.median,
            figures.refreshes.p99
        );
    }
    let each = (many.store - few.store) / (count - FEW) as u64;
    let (deleted, all, longest) = sweep(&site.folder.join("testudo.db")).await;
    println!("each session with a grant and its refresh token: {each} bytes of the store");
    println!(
        "{deleted} expired records deleted in {all:?}, {DELETED_AT_ONCE} at once, the longest deletion {longest:?}"
    );
    assert!(deleted >= 3 * count, "{deleted}");
    assert!(
        many.memory < few.memory + 64_000_000,
        "sessions and refresh tokens must not be kept in memory"
    );
    assert!(each < 4_000, "{each}");
    let bound = |few: Duration| 5 * few + Duration::from_millis(5);
    assert!(
        many.visits.median < bound(few.visits.median),
        "{many:?}",
        many = many.visits
    );
    assert!(
        many.refreshes.median < bound(few.refreshes.median),
        "{many:?}",
        many = many.refreshes
    );
}

/// Visits of clients that do not exist, each another one. Nothing may be left of them.
async fn invented_clients(count: usize) {
    let (site, issuer) = site();
    let mut server = site.serve();
    let host = issuer.trim_start_matches("http://").to_owned();
    visited(&server, &host, 0..500).await;
    let before = server.resident_bytes();
    let started = Instant::now();
    visited(&server, &host, 500..500 + count).await;
    let (elapsed, after) = (started.elapsed(), server.resident_bytes());
    println!(
        "{count} visits of invented clients in {elapsed:?}: memory {:+.1} MB",
        (after as f64 - before as f64) / 1e6
    );
    assert!(
        after < before + 32_000_000,
        "{before} bytes before, {after} after"
    );
    server.log_until_end();
    let store = Store::sqlite(&site.folder.join("testudo.db")).unwrap();
    let about_visitors = [
        Kind::Client,
        Kind::ClientIdAlias,
        Kind::Person,
        Kind::Session,
        Kind::PushedRequest,
        Kind::AuthorizationCode,
        Kind::Grant,
        Kind::Consent,
    ];
    for kind in about_visitors {
        assert_eq!(count_of(&store, kind).await, 0, "{kind:?}");
    }
    assert!(count_of(&store, Kind::Event).await < 20);
    assert_eq!(store.count_marks().await.unwrap(), 0);
}

async fn visited(server: &Server, host: &str, numbers: std::ops::Range<usize>) {
    let (next, end) = (Arc::new(AtomicUsize::new(numbers.start)), numbers.end);
    let visitors: Vec<_> = (0..16)
        .map(|_| {
            let (next, address, host) = (next.clone(), server.address, host.to_owned());
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= end {
                        return;
                    }
                    let client = format!("spiffe://prod.example/web/made-up-{number}");
                    let uri = format!("https://made-up-{number}.apps.example/cb");
                    let headers = [("host", host.as_str())];
                    let answer = connection.send("GET", &visit(&client, &uri), &headers, "").await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            })
        })
        .collect();
    for visitor in visitors {
        visitor.await.unwrap();
    }
}

// Row RF-89, in small.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visits_of_invented_clients_leave_nothing_in_memory_and_store() {
    invented_clients(2_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_and_refresh_tokens_are_in_the_store_only_and_are_deleted_when_they_end() {
    many_people(4_000).await;
}

// Row RF-89.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "100,000 visits: cargo xtask soak people"]
async fn soak_visits_of_invented_clients() {
    invented_clients(100_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "1,000,000 sessions: cargo xtask soak people"]
async fn soak_sessions_and_refresh_tokens() {
    many_people(1_000_000).await;
}

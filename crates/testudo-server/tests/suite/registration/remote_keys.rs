//! Tests of `jwks_uri`: keys that a client publishes at a URL that it registered itself.

use super::open::{joined, jwks, key};
use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use testudo_protocol::jose::SigningKey;
use testudo_server::{NameLookup, Network};
use testudo_testkit::web::DocumentServer;

struct Remote {
    world: World,
    server: DocumentServer,
    key: SigningKey,
    id: String,
}

/// The root of a web server's certificate, as a file.
fn root_of(server: &DocumentServer) -> std::path::PathBuf {
    let root = testudo_testkit::scratch::folder("keys").join("root.pem");
    std::fs::write(&root, &server.root_pem).unwrap();
    root
}

async fn open_world(outbound: &str) -> World {
    let open = "[registration]\nopen = { jwks_uri = true, scopes = [\"open.read\"], \
                grant_types = [\"client_credentials\"], registrations_per_minute = 10000, \
                registrations_per_minute_per_address = 10000 }\n";
    World::start_with(&format!("{outbound}{open}{}", domains("")), RULES).await
}

impl Remote {
    /// A client whose keys are at `keys.example`, which the network of the test resolves to a local server.
    async fn start() -> Remote {
        let server = DocumentServer::start("keys.example").await;
        let outbound = format!("[outbound]\nca = \"{}\"\n", root_of(&server).display());
        let network = Network {
            client_url_routes: [("keys.example".to_owned(), server.address)].into(),
            ..Network::default()
        };
        let world = open_world(&outbound).await.on(network).await;
        let uri = "https://keys.example/jwks";
        let body = joined(&world, json!({ "jwks_uri": uri })).await;
        assert_eq!(
            (&body["jwks_uri"], &body["token_endpoint_auth_method"]),
            (&json!(uri), &json!("private_key_jwt"))
        );
        assert!(
            body["jwks"].is_null(),
            "a client must not have both jwks and jwks_uri"
        );
        Remote {
            world,
            server,
            key: key(),
            id: body["client_id"].as_str().unwrap().to_owned(),
        }
    }

    async fn ask(&self, key: &SigningKey, jti: &str) -> Answer {
        let assertion = Draft::assertion(key, &self.id, ISSUER, jti, self.world.now());
        self.world.ask_with(assertion, &[]).await
    }

    fn publish(&self, key: &SigningKey) {
        self.server.answers(200, None, &jwks(key).to_string());
    }
}

#[tokio::test]
async fn keys_are_fetched_when_they_are_needed_and_then_cached() {
    let remote = Remote::start().await;
    assert_eq!(
        remote.server.connections(),
        0,
        "nothing may be fetched at registration"
    );
    remote.publish(&remote.key);
    assert_eq!(remote.ask(&remote.key, "1").await.status, 200);
    assert_eq!(remote.ask(&remote.key, "2").await.status, 200);
    assert_eq!(remote.server.connections(), 1);
    // A new key is fetched, but not more often than every 30 s.
    let next = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, Some("k2"));
    remote.publish(&next);
    assert_eq!(remote.ask(&next, "3").await.error(), "invalid_client");
    assert_eq!(remote.server.connections(), 1);
    remote.world.running.app.clock.shift(31);
    assert_eq!(remote.ask(&next, "4").await.status, 200);
    assert_eq!(
        remote.ask(&remote.key, "5").await.error(),
        "invalid_client",
        "the old key is no longer accepted"
    );
    assert_eq!(remote.server.connections(), 2);
    // If the URL cannot be fetched, the last keys are used for an hour.
    remote.server.answers(500, None, "");
    remote.world.running.app.clock.shift(1800);
    assert_eq!(remote.ask(&next, "6").await.status, 200);
    remote.world.running.app.clock.shift(1801);
    assert_eq!(remote.ask(&next, "7").await.error(), "invalid_client");
}

// Row DR-69.
#[tokio::test]
async fn redirect_of_a_jwks_uri_is_not_followed() {
    let remote = Remote::start().await;
    let elsewhere = DocumentServer::start("keys.example").await;
    elsewhere.answers(200, None, &jwks(&remote.key).to_string());
    let location = format!("https://keys.example:{}/jwks", elsewhere.address.port());
    remote.server.answers(302, Some(&location), "");
    assert_eq!(remote.ask(&remote.key, "1").await.error(), "invalid_client");
    assert_eq!((remote.server.connections(), elsewhere.connections()), (1, 0));
}

#[tokio::test]
async fn keys_from_a_jwks_uri_are_checked_like_registered_keys() {
    let remote = Remote::start().await;
    let mut private = jwks(&remote.key);
    private["keys"][0]["d"] = json!("c2VjcmV0");
    let large = json!({ "keys": [], "x": "a".repeat(20_000) });
    for body in [
        "<html>",
        "[]",
        "{\"keys\":[]}",
        &private.to_string(),
        &large.to_string(),
    ] {
        remote.server.answers(200, None, body);
        remote.world.running.app.clock.shift(31);
        let before = remote.server.connections();
        assert_eq!(
            remote.ask(&remote.key, &format!("{before}")).await.error(),
            "invalid_client"
        );
        assert_eq!(remote.server.connections(), before + 1);
    }
}

// Row DR-68.
#[tokio::test]
async fn jwks_uri_that_resolves_to_a_private_address_is_not_fetched() {
    let remote = Remote::start().await;
    // The name of this machine resolves to an address that is not public, or does not resolve.
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name = match name.trim() {
        "" | "localhost" => "ip6-localhost",
        name => name,
    };
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let body = joined(
        &remote.world,
        json!({ "jwks_uri": format!("https://{name}:{port}/jwks") }),
    )
    .await;
    let id = body["client_id"].as_str().unwrap();
    let assertion = Draft::assertion(&remote.key, id, ISSUER, "1", remote.world.now());
    let inward = remote.world.ask_with(assertion, &[]).await;
    // The answer is the same as for an unregistered key.
    remote.publish(&key());
    let unknown = remote.ask(&remote.key, "2").await;
    assert_eq!((inward.status, inward.body), (unknown.status, unknown.body));
    let came = tokio::time::timeout(std::time::Duration::from_millis(200), listener.accept()).await;
    assert!(came.is_err(), "0 connections");
}

#[tokio::test]
async fn frozen_client_causes_no_fetch_of_its_jwks_uri() {
    let remote = Remote::start().await;
    remote.publish(&remote.key);
    remote
        .world
        .admin(
            "POST",
            "/admin/v1/clients/freeze",
            json!({ "client_id": remote.id }),
        )
        .await;
    assert_eq!(remote.ask(&remote.key, "1").await.error(), "invalid_client");
    assert_eq!(remote.server.connections(), 0);
}

// Row DR-67.
#[tokio::test]
async fn jwks_uris_with_a_forbidden_host_or_scheme_are_refused_at_registration() {
    let remote = Remote::start().await;
    for uri in [
        "http://keys.example/jwks",
        "file:///etc/passwd",
        "https://169.254.169.254/",
        "https://[::1]/",
        "https://localhost/",
        "https://as.example/jwks",
    ] {
        let answer = super::open::join(&remote.world, json!({ "jwks_uri": uri })).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_client_metadata"),
            "{uri}"
        );
    }
    assert_eq!(remote.world.client_ids().await.len(), 1);
}

#[tokio::test]
async fn jwks_uri_does_not_use_the_name_map_and_ports_of_the_configuration() {
    let server = DocumentServer::start("keys.example").await;
    let own = key();
    server.answers(200, None, &jwks(&own).to_string());
    let outbound = format!(
        "[outbound]\nca = \"{}\"\nresolve = {{ \"keys.example\" = \"127.0.0.1\" }}\n",
        root_of(&server).display()
    );
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let network = Network {
        lookup: NameLookup::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(vec!["127.0.0.1".parse().unwrap()])
        }),
        ..Network::default()
    };
    let world = open_world(&outbound).await.on(network).await;
    for uri in [
        format!("https://keys.example:{}/jwks", server.address.port()),
        "https://keys.example/jwks".to_owned(),
    ] {
        let body = joined(&world, json!({ "jwks_uri": uri })).await;
        let id = body["client_id"].as_str().unwrap();
        let assertion = Draft::assertion(&own, id, ISSUER, "1", world.now());
        assert_eq!(
            world.ask_with(assertion, &[]).await.error(),
            "invalid_client",
            "{uri}"
        );
    }
    assert_eq!(server.connections(), 0);
    assert_eq!(
        asked.load(Ordering::SeqCst),
        1,
        "only the URL with port 443 may be resolved"
    );
    let refusals = world.events("client.refused").await;
    let details: Vec<&str> = refusals
        .iter()
        .filter_map(|event| event["detail"].as_str())
        .collect();
    assert!(
        details.iter().any(|detail| detail.contains("must use port 443")),
        "the event must contain the reason for the administrator: {details:?}"
    );
}

#[tokio::test]
async fn spellings_of_one_jwks_uri_share_one_pause() {
    let remote = Remote::start().await;
    remote.server.answers(500, None, "");
    for (number, uri) in [
        "https://keys.example/jwks",
        "https://KEYS.example:443/jwks",
        "https://keys.example/a/../jwks",
        "https://keys.example/%6awks",
        "https://keys.example./jwks",
    ]
    .iter()
    .enumerate()
    {
        let body = joined(&remote.world, json!({ "jwks_uri": uri })).await;
        let id = body["client_id"].as_str().unwrap();
        let assertion = Draft::assertion(&remote.key, id, ISSUER, &number.to_string(), remote.world.now());
        assert_eq!(
            remote.world.ask_with(assertion, &[]).await.error(),
            "invalid_client"
        );
    }
    assert_eq!(remote.server.connections(), 1);
}

#[tokio::test]
async fn assertion_with_invalid_claims_causes_no_fetch() {
    let remote = Remote::start().await;
    remote.publish(&remote.key);
    let (now, id) = (remote.world.now(), remote.id.as_str());
    let draft = |jti: &str| Draft::assertion(&remote.key, id, ISSUER, jti, now);
    for (what, assertion) in [
        (
            "another audience",
            draft("1").claim("aud", "https://other.example"),
        ),
        ("expired", draft("2").claim("exp", now - 1)),
        ("too long a lifetime", draft("3").claim("exp", now + 3600)),
        ("from the future", draft("4").claim("nbf", now + 300)),
        ("another issuer", draft("5").claim("iss", "other-client")),
        ("without jti", draft("6").claim("jti", json!(""))),
    ] {
        let answer = remote.world.ask_with(assertion, &[]).await;
        assert_eq!(answer.error(), "invalid_client", "{what}");
        assert_eq!(remote.server.connections(), 0, "{what}");
    }
    assert_eq!(remote.ask(&remote.key, "7").await.status, 200);
    assert_eq!(remote.server.connections(), 1);
    assert_eq!(fetches(&remote.world, "fetched"), 1);
}

fn fetches(world: &World, outcome: &str) -> u64 {
    let name = format!("testudo_client_key_fetches_total{{outcome=\"{outcome}\"}}");
    let text = world.running.app.metrics.text();
    let line = text.lines().find(|line| line.starts_with(&name));
    line.and_then(|line| line.rsplit(' ').next())
        .map_or(0, |count| count.parse().unwrap())
}

/// Sends assertions of a client whose keys must be fetched, without waiting for the answers.
fn send_in_background(world: &World, key: &SigningKey, ids: &[String]) -> Vec<tokio::task::JoinHandle<u16>> {
    let send = |id: &String| {
        let assertion = Draft::assertion(key, id, ISSUER, "1", world.now()).sign();
        let body = testudo_testkit::assertion_form(&assertion, &[]);
        let address = world.address();
        tokio::spawn(async move {
            let mut connection = testudo_testkit::http::Connection::open(address).await;
            connection.post("/token", body).await.status
        })
    };
    ids.iter().map(send).collect()
}

/// The whole server runs in a runtime with two blocking threads, so that blocking work in that pool is detected.
#[test]
fn name_lookup_that_hangs_for_a_jwks_uri_stops_neither_the_store_nor_other_clients() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = open_world("").await;
        assert_eq!(world.ask("/ns/shop/sa/pay", &[]).await.status, 200);
        let own = key();
        let mut ids = Vec::new();
        for number in 0..40 {
            let uri = format!("https://keys.site{number}.example/jwks");
            let body = joined(&world, json!({ "jwks_uri": uri })).await;
            ids.push(body["client_id"].as_str().unwrap().to_owned());
        }
        let (hanging, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let answers = Arc::new(AtomicBool::new(false));
        let (now_hanging, peak, gate) = (hanging.clone(), most.clone(), answers.clone());
        let lookup = NameLookup::new(move |_| {
            let count = now_hanging.fetch_add(1, Ordering::SeqCst) + 1;
            peak.fetch_max(count, Ordering::SeqCst);
            while !gate.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            now_hanging.fetch_sub(1, Ordering::SeqCst);
            Err(std::io::Error::other("no such name"))
        });
        // After a restart, no client is in memory.
        let world = world
            .on(Network {
                lookup,
                ..Network::default()
            })
            .await;
        let waiting = send_in_background(&world, &own, &ids);
        let started = Instant::now();
        while hanging.load(Ordering::SeqCst) < 8 {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "not all lookups began within the deadline"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let started = Instant::now();
        for _ in 0..10 {
            assert_eq!(
                world.client_ids().await.len(),
                41,
                "the store must still be readable"
            );
        }
        assert_eq!(
            world.ask("/ns/shop/sa/pay", &[]).await.status,
            200,
            "a client must still be read from the store"
        );
        assert_eq!(
            world.ask("/ns/shop/sa/new", &[]).await.status,
            200,
            "a new client must be registered"
        );
        // This must happen before the first request with a hanging lookup ends by its deadline.
        println!("while the resolver hung: 12 requests in {:?}", started.elapsed());
        assert!(
            hanging.load(Ordering::SeqCst) >= 8,
            "the resolver must still hang"
        );
        for request in waiting {
            assert_eq!(request.await.unwrap(), 400);
        }
        assert_eq!(
            most.load(Ordering::SeqCst),
            8,
            "the number of concurrent lookups for clients' URLs must be limited"
        );
        assert_eq!(fetches(&world, "failed"), 8);
        assert_eq!(fetches(&world, "shed"), 32);
        answers.store(true, Ordering::SeqCst);
    });
}

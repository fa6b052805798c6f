//! Tests of signing keys over time: retirement, withdrawal, and tokens that were signed with a stolen key.

use crate::world::{ISSUER, RULES, World, domains, moment};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testudo_core::records::Batch;
use testudo_core::records::StoredSigningKey;
use testudo_testkit::http::Connection;

const RULE: &str = r#"
[[rules]]
name = "people"
identities = ["spiffe://a.example/ops/*"]
scopes = ["admin.read", "admin.write", "client.register"]
default_scopes = ["admin.write"]
resources = ["https://as.example", "https://as.example/register"]
[registration]
initial_access_tokens = true
"#;

async fn world() -> World {
    let admin = "listen = \"127.0.0.1:0\"\nadministrators = [\"spiffe://a.example/ops/*\"]\n";
    World::start_with(&format!("{admin}{}", domains("")), &format!("{RULES}{RULE}")).await
}

async fn published(world: &World) -> Vec<Value> {
    let keys = world.connect().await.get("/jwks").await.json();
    keys["keys"].as_array().unwrap().clone()
}

/// Waits for a condition; the upkeep task runs every five seconds.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "did not happen within the deadline: {what}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retired_key_is_removed_at_its_time_and_not_only_at_the_next_rotation() {
    let world = world().await;
    let app = &world.running.app;
    let first = app.keys.load().active.kid().to_owned();
    world.admin("POST", "/admin/v1/keys/rotate", json!({})).await;
    app.clock.shift(601);
    until("the next key signs", async || {
        app.keys.load().active.kid() != first
    })
    .await;
    assert_eq!(
        published(&world).await.len(),
        2,
        "the first key is published while its tokens are valid"
    );
    let listed = world.admin("GET", "/admin/v1/keys", Value::Null).await;
    let retiring = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == json!(first))
        .unwrap();
    assert_eq!(retiring["state"], "retiring");
    let end = moment(&retiring["published_until"]);
    let until_then = end - world.now();
    let expires = format!("testudo_signing_key_expires_seconds{{kid=\"{first}\"}} {end}\n");
    let text = testudo_server::scrape::scrape(app);
    assert!(text.contains(&expires), "{expires}{text}");

    // One second before its end the key is published, at its end it is removed. There is no rotation meanwhile.
    app.clock.shift(until_then - 30);
    testudo_server::read_again::signing_keys(app).await.unwrap();
    assert_eq!(published(&world).await.len(), 2);
    app.clock.shift(30);
    until("the first key is removed", async || {
        published(&world).await.len() == 1
    })
    .await;
    let stored = app.store.read_all::<StoredSigningKey>().await.unwrap();
    assert_eq!(stored.len(), 1, "its private key must be deleted too");
    assert_ne!(stored[0].record.kid, first);
    let events = world.events("key.retired").await;
    assert!(
        events[0]["detail"].as_str().unwrap().contains(&first),
        "{events:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn withdrawn_key_whose_row_is_restored_is_neither_published_nor_used() {
    let world = world().await;
    let app = &world.running.app;
    let stored = app.store.read_all::<StoredSigningKey>().await.unwrap();
    let stolen = stored[0].record.clone();
    world
        .admin("POST", "/admin/v1/keys/rotate", json!({ "now": true }))
        .await;
    let mut backup = Batch::default();
    backup.insert(&stolen);
    app.store.commit(backup).await.unwrap();
    testudo_server::read_again::signing_keys(app).await.unwrap();
    assert!(
        published(&world)
            .await
            .iter()
            .all(|key| key["kid"] != json!(stolen.kid))
    );
    let world = world.restart().await;
    let kids: Vec<Value> = published(&world)
        .await
        .iter()
        .map(|key| key["kid"].clone())
        .collect();
    assert_eq!(kids.len(), 1);
    assert_ne!(kids[0], json!(stolen.kid));
    assert_ne!(world.running.app.keys.load().active.kid(), stolen.kid);
}

/// Sends a token to the admin API and to the registration endpoint. True for each that accepts it.
async fn accepted(world: &World, for_admin: &str, for_registration: &str) -> [bool; 2] {
    let admin = Connection::open(world.running.admin_address.unwrap());
    let bearer = format!("Bearer {for_admin}");
    let headers = [("authorization", bearer.as_str())];
    let of_admin = admin.await.send("GET", "/admin/v1/status", &headers, "").await;
    let bearer = format!("Bearer {for_registration}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let public = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, Some("k"));
    let body = json!({
        "jwks": { "keys": [public.public_jwk("sig", true)] },
        "grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt",
    });
    let mut connection = world.connect().await;
    let registered = connection
        .send("POST", "/register", &headers, body.to_string())
        .await;
    let answers = [(of_admin.status, 200), (registered.status, 201)];
    for (status, good) in answers {
        assert!([good, 401].contains(&status), "{of_admin:?} {registered:?}");
    }
    answers.map(|(status, good)| status == good)
}

/// An attacker signs a token of 720 hours with a stolen key. The server accepts its own tokens only up to the longest
/// lifetime that it issues, so such a token ends early even before the administrator withdraws the key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_token_is_refused_after_the_longest_issued_lifetime_even_if_its_exp_is_later() {
    let world = world().await;
    let client = "spiffe://a.example/ops/alice";
    assert_eq!(
        world.ask("/ops/alice", &[("resource", ISSUER)]).await.status,
        200,
        "the identity must be registered as a client"
    );
    // The client exists for some time, because a token from before its registration is always refused.
    world.running.app.clock.shift(1_000);
    let key = world.running.app.keys.load().active.clone();
    let now = world.now();
    let forge = |audience: &str, scope: &str, issued: i64, expires: i64| {
        let claims = json!({
            "iss": ISSUER, "aud": audience, "sub": client, "client_id": client, "sub_type": "client",
            "jti": "forged", "scope": scope, "iat": issued, "exp": expires,
        });
        key.sign_jwt(Some("at+jwt"), claims.to_string().as_bytes())
            .unwrap()
    };
    let year = now + 31_536_000;
    let cases = [
        ("issued now", now, now + 300, true),
        ("issued now for a year", now, year, true),
        ("issued four minutes ago for a year", now - 240, year, true),
        ("issued six minutes ago for a year", now - 360, year, false),
        ("issued next week for a year", now + 604_800, year, false),
        ("without end", now - 360, i64::MAX, false),
        ("issued at the largest time", i64::MAX, i64::MAX, false),
    ];
    for (what, issued, expires, is_good) in cases {
        let for_admin = forge(ISSUER, "admin.write", issued, expires);
        let for_registration = forge("https://as.example/register", "client.register", issued, expires);
        let found = accepted(&world, &for_admin, &for_registration).await;
        assert_eq!(found, [is_good, is_good], "a token {what}");
    }
}

/// A person who may use a client could otherwise grant it a scope such as `admin.write`, and the client would have the
/// rights of an administrator.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_that_a_client_has_for_a_person_gives_no_right_of_the_client() {
    let world = world().await;
    let client = "spiffe://a.example/ops/alice";
    let answer = world.ask("/ops/alice", &[("resource", ISSUER)]).await;
    assert_eq!(answer.status, 200, "the identity must be registered as a client");
    let key = world.running.app.keys.load().active.clone();
    let now = world.now();
    let signed = |audience: &str, scope: &str, sub: &str, sub_type: &str| {
        let claims = json!({
            "iss": ISSUER, "aud": audience, "sub": sub, "client_id": client, "sub_type": sub_type,
            "jti": "signed", "scope": scope, "iat": now, "exp": now + 300,
        });
        key.sign_jwt(Some("at+jwt"), claims.to_string().as_bytes())
            .unwrap()
    };
    let person = "u_BwcHBwcHBwcHBwcHBwcHBw";
    let cases = [
        ("of the client", client, "client", true),
        ("of a person", person, "user", false),
        ("of a person with the id of the client", client, "user", false),
    ];
    for (what, sub, sub_type, is_good) in cases {
        let for_admin = signed(ISSUER, "admin.write", sub, sub_type);
        let for_registration = signed("https://as.example/register", "client.register", sub, sub_type);
        let found = accepted(&world, &for_admin, &for_registration).await;
        assert_eq!(found, [is_good, is_good], "a token {what}");
    }
}

//! Tests of registration without evidence, which is off by default.

use super::*;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::{generate_key, key_set};

const CALLBACK: &str = "https://app.example/cb";

pub(super) async fn open_door(settings: &str) -> World {
    let open = format!("[registration]\nopen = {settings}\n{}", domains(""));
    World::start_with(&open, RULES).await
}

/// Registration without evidence with the settings of the conformance table, and limits that are high enough for many
/// tests.
pub(super) async fn wide_open() -> World {
    open_door(
        "{ scopes = [\"open.read\", \"open.write\"], default_scopes = [\"open.read\"], \
         grant_types = [\"authorization_code\", \"refresh_token\", \"client_credentials\"], \
         registrations_per_minute_per_address = 100000, registrations_per_minute = 100000 }",
    )
    .await
}

pub(super) async fn join(world: &World, body: Value) -> Answer {
    let mut connection = world.connect().await;
    let answer = connection
        .send("POST", "/register", &[JSON], body.to_string())
        .await;
    assert_eq!(answer.header("cache-control"), Some("no-store"), "DR-140");
    assert!(answer.json()["client_secret"].is_null(), "DR-133");
    if answer.status != 201 {
        assert!(answer.json()["registration_access_token"].is_null());
        assert!(answer.json()["error_description"].as_str().unwrap().is_ascii());
    }
    answer
}

pub(super) async fn joined(world: &World, body: Value) -> Value {
    let answer = join(world, body.clone()).await;
    assert_eq!(answer.status, 201, "{body}: {answer:?}");
    answer.json()
}

async fn turned_away(world: &World, body: Value) -> String {
    let answer = join(world, body.clone()).await;
    assert_eq!(answer.status, 400, "{body}: {answer:?}");
    answer.error()
}

pub(super) fn key() -> SigningKey {
    generate_key(Algorithm::ES256, Some("k1"))
}

pub(super) fn jwks(key: &SigningKey) -> Value {
    key_set(&[key])
}

fn machine(key: &SigningKey) -> Value {
    json!({ "jwks": jwks(key), "grant_types": ["client_credentials"] })
}

// Rows DR-75, DR-108.
#[tokio::test]
async fn registration_without_evidence_is_off_by_default_and_not_a_fallback_for_bad_evidence() {
    for closed in ["", "[registration]", "[registration]\nopen = false"] {
        let world = World::start_with(&format!("{closed}\n{}", domains("")), RULES).await;
        let answer = world
            .connect()
            .await
            .send(
                "POST",
                "/register",
                &[JSON],
                json!({ "redirect_uris": [CALLBACK] }).to_string(),
            )
            .await;
        assert!([401, 404].contains(&answer.status), "{closed}");
        assert!(world.client_ids().await.is_empty());
    }
    // Bad evidence is refused even if registration without evidence is enabled. DR-75: there is no fallback.
    let world = wide_open().await;
    let broken = json!({ "software_statement": "a.b.c", "redirect_uris": [CALLBACK] });
    assert_eq!(turned_away(&world, broken).await, "invalid_software_statement");
    let only_open = World::start_with(
        &format!("[registration]\nstatements = false\nopen = true\n{}", domains("")),
        RULES,
    )
    .await;
    let evidence = json!({ "software_statement": statement(&only_open, PAY_ID) });
    assert_eq!(
        turned_away(&only_open, evidence).await,
        "unapproved_software_statement"
    );
    assert!(world.client_ids().await.is_empty() && only_open.client_ids().await.is_empty());
}

// Row DR-143.
#[tokio::test]
async fn native_client_as_mcp_specifies_it_registers() {
    let world = open_door("true").await;
    let callback = "http://localhost:33418/callback";
    let body = joined(
        &world,
        json!({ "redirect_uris": [callback], "application_type": "native", "client_name": "Inspector",
            "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none" }),
    )
    .await;
    assert_eq!(body["redirect_uris"], json!([callback]));
    assert_eq!(body["application_type"], "native");
    assert_eq!(body["token_endpoint_auth_method"], "none");
    assert_eq!(
        body["grant_types"],
        json!(["authorization_code", "refresh_token"])
    );
    assert_eq!(body["response_types"], json!(["code"]));
    assert_eq!(body["client_name"], "Inspector");
    assert_eq!(body["require_pushed_authorization_requests"], true);
    assert!(body["scope"].is_null() && body["software_statement"].is_null());
    let id = body["client_id"].as_str().unwrap();
    assert_eq!(body["registration_client_uri"], format!("{ENDPOINT}/{id}"));
    assert!(
        body["registration_access_token"]
            .as_str()
            .unwrap()
            .starts_with("rat_")
    );
    let metadata = world
        .connect()
        .await
        .get("/.well-known/oauth-authorization-server")
        .await
        .json();
    assert_eq!(metadata["registration_endpoint"], ENDPOINT);
    assert!(
        metadata["token_endpoint_auth_methods_supported"]
            .as_array()
            .unwrap()
            .contains(&json!("private_key_jwt"))
    );
    let shown = world.clients().await.remove(0);
    assert_eq!(
        (&shown["client_id"], &shown["governed_by"]),
        (&json!(id), &json!("registration.open"))
    );
    let event = world.events("client.registered").await.remove(0);
    assert_eq!(
        (&event["door"], &event["occasion"]),
        (&json!("none"), &json!("registration"))
    );
    // Only the hash of the token is stored.
    let kept = format!(
        "{:?}{:?}",
        world.clients().await,
        world.events("client.registered").await
    );
    assert!(!kept.contains("rat_"));
    // A client with keys and no other members gets `client_credentials`, if the section allows it.
    let wide = wide_open().await;
    let body = joined(&wide, json!({ "jwks": jwks(&key()) })).await;
    assert_eq!(body["grant_types"], json!(["client_credentials"]));
    assert_eq!(
        turned_away(&world, json!({ "jwks": jwks(&key()) })).await,
        "invalid_redirect_uri"
    );
    // A client without members becomes a public client with the default grant of RFC 7591, and the answer contains
    // both.
    let silent = joined(&world, json!({ "redirect_uris": [CALLBACK] })).await;
    assert_eq!(silent["grant_types"], json!(["authorization_code"]));
    assert_eq!(
        (&silent["token_endpoint_auth_method"], &silent["application_type"]),
        (&json!("none"), &json!("web"))
    );
}

// Row DR-111.
#[tokio::test]
async fn client_without_evidence_gets_no_secret_and_only_the_scopes_of_the_section() {
    let world = open_door("{ scopes = [\"open.read\"] }").await;
    for asked in [
        json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_basic" }),
        json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_post" }),
        json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_jwt" }),
        json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "spiffe_jwt" }),
        json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "https://x.example/method" }),
        json!({ "redirect_uris": [CALLBACK], "scope": "admin" }),
        json!({ "redirect_uris": [CALLBACK], "spiffe_id": PAY_ID }),
        json!({ "grant_types": ["client_credentials"] }),
        json!({ "grant_types": [] }),
        json!({ "redirect_uris": [CALLBACK], "grant_types": ["implicit"], "response_types": ["token"] }),
        json!({ "redirect_uris": [CALLBACK], "response_types": ["token"] }),
    ] {
        assert_eq!(turned_away(&world, asked).await, "invalid_client_metadata");
    }
    let body = joined(
        &world,
        json!({ "redirect_uris": [CALLBACK], "scope": "open.read admin", "require_pushed_authorization_requests": false,
            "grant_types": ["client_credentials", "authorization_code"], "client_secret": "mine",
            "registration_access_token": "rat_mine" }),
    )
    .await;
    assert_eq!(
        (&body["scope"], &body["grant_types"]),
        (&json!("open.read"), &json!(["authorization_code"]))
    );
    assert_eq!(body["require_pushed_authorization_requests"], true);
    assert_ne!(body["registration_access_token"], "rat_mine");
    // Row TK-25.
    let form = testudo_testkit::form(&[
        ("grant_type", "client_credentials"),
        ("client_id", body["client_id"].as_str().unwrap()),
    ]);
    assert_eq!(world.send(&form).await.error(), "unauthorized_client");
}

// Row DR-20.
#[tokio::test]
async fn client_without_evidence_cannot_choose_its_client_id() {
    let world = wide_open().await;
    for id in [PAY_ID, "alice", "https://app.example/client", "c6", "c_AAAA"] {
        let asked = json!({ "redirect_uris": [CALLBACK], "client_id": id });
        assert_eq!(
            turned_away(&world, asked).await,
            "invalid_client_metadata",
            "{id}"
        );
    }
}

// Rows DR-33 to DR-47.
#[tokio::test]
async fn dangerous_redirect_uris_of_clients_without_evidence_are_refused() {
    let world = wide_open().await;
    for uri in [
        "javascript:alert(1)//",
        "data:text/html,x",
        "myapp:/cb",
        "https://app.example/cb#",
        "https://app.example@evil.example/cb",
        "https://app.example/a/../cb",
        "https://*.example/cb",
        "http://app.example/cb",
        "http://localhost.evil.example/cb",
        "http://127.0.0.1.nip.io/cb",
    ] {
        for kind in [json!(null), json!("native"), json!("web")] {
            let asked = json!({ "redirect_uris": [uri], "application_type": kind });
            assert_eq!(
                turned_away(&world, asked).await,
                "invalid_redirect_uri",
                "{uri} {kind}"
            );
        }
    }
    for asked in [
        json!({ "redirect_uris": ["http://127.0.0.1/cb"], "application_type": "web" }),
        json!({ "redirect_uris": ["https://localhost/cb"], "application_type": "native" }),
        json!({ "redirect_uris": ["http://127.0.0.1/cb", CALLBACK] }),
        json!({ "redirect_uris": [CALLBACK, "https://two.example/cb", "javascript:alert(1)"] }),
        json!({ "redirect_uris": [] }),
        json!({ "redirect_uris": [CALLBACK, CALLBACK] }),
        json!({}),
    ] {
        assert_eq!(turned_away(&world, asked).await, "invalid_redirect_uri");
    }
    assert!(
        world.client_ids().await.is_empty(),
        "refused registrations must not be stored"
    );
    for (uri, kind) in [
        ("com.example.app:/cb", "native"),
        ("http://[::1]:4000/cb", "native"),
        (CALLBACK, "web"),
    ] {
        assert_eq!(
            joined(&world, json!({ "redirect_uris": [uri] })).await["application_type"],
            kind,
            "{uri}"
        );
    }
    // Redirect URIs without a grant that uses them are refused.
    let mut asked = machine(&key());
    asked["redirect_uris"] = json!([CALLBACK]);
    assert_eq!(turned_away(&world, asked).await, "invalid_client_metadata");
}

// Rows DR-48 to DR-56.
#[tokio::test]
async fn bad_keys_of_clients_without_evidence_are_refused() {
    let world = wide_open().await;
    let good = key().public_jwk("sig", true);
    let with = |member: &str, value: Value| {
        let mut key = good.clone();
        key[member] = value;
        key
    };
    let secret = "c2VjcmV0LXZhbHVl";
    let weak = json!({ "kty": "RSA", "e": "AQAB", "n": "A".repeat(171) });
    let sets = [
        json!({ "keys": [with("d", json!(secret))] }),
        json!({ "keys": [good, { "kty": "RSA", "n": "x", "e": "AQAB", "p": secret }] }),
        json!({ "keys": [good, { "kty": "XYZ", "priv": secret }] }),
        json!({ "keys": [weak] }),
        json!({ "keys": [{ "kty": "oct", "k": secret }] }),
        json!({ "keys": [{ "kty": "oct" }] }),
        json!({ "keys": [with("alg", json!("HS256"))] }),
        json!({ "keys": [with("alg", json!("none"))] }),
        json!({ "keys": [with("x", json!("AAAA"))] }),
        json!({ "keys": [good, good] }),
        json!({ "keys": [{ "kty": "XYZ" }] }),
        json!({ "keys": [] }),
        json!({ "keys": {} }),
        json!({ "keys": [7] }),
        json!({}),
        json!([]),
        json!("keys"),
        json!({ "keys": (0..11).map(|n| with("kid", json!(n.to_string()))).collect::<Vec<_>>() }),
    ];
    for jwks in sets {
        let asked = json!({ "jwks": jwks, "grant_types": ["client_credentials"] });
        let answer = join(&world, asked.clone()).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_client_metadata"),
            "{asked}"
        );
        assert!(!String::from_utf8_lossy(&answer.body).contains(secret));
    }
    let events = world.events("client.refused").await;
    let disclosed = events
        .iter()
        .filter(|event| event["reason"] == "private_key_disclosed");
    assert_eq!(
        disclosed.count(),
        4,
        "DR-49: each private key that a client sent is refused and recorded"
    );
    assert!(!format!("{events:?}").contains(secret));
    for (asked, row) in [
        (
            json!({ "token_endpoint_auth_method": "private_key_jwt" }),
            "DR-55",
        ),
        (json!({ "jwks_uri": "https://app.example/jwks" }), "DR-56"),
        (
            json!({ "jwks": { "keys": [good] }, "jwks_uri": "https://app.example/jwks" }),
            "DR-48",
        ),
        (
            json!({ "jwks": { "keys": [good] }, "token_endpoint_auth_signing_alg": "RS256" }),
            "alg",
        ),
    ] {
        let mut asked = asked;
        asked["grant_types"] = json!(["client_credentials"]);
        assert_eq!(
            turned_away(&world, asked).await,
            "invalid_client_metadata",
            "{row}"
        );
    }
    assert!(world.client_ids().await.is_empty());
    let beside = json!({ "keys": [{ "kty": "XYZ", "kid": "new" }, good] });
    let body = joined(
        &world,
        json!({ "jwks": beside, "grant_types": ["client_credentials"] }),
    )
    .await;
    assert_eq!(
        (&body["jwks"], &body["token_endpoint_auth_method"]),
        (&beside, &json!("private_key_jwt")),
        "DR-51"
    );
}

// Rows DR-66, DR-67, DR-70.
#[tokio::test]
async fn urls_in_client_metadata_are_checked_and_not_fetched() {
    let world = wide_open().await;
    for url in [
        "http://app.example/jwks",
        "file:///etc/passwd",
        "https://169.254.169.254/",
        "https://[::1]/",
        "https://localhost/",
        "https://as.example/jwks",
    ] {
        let asked = json!({ "jwks_uri": url, "grant_types": ["client_credentials"] });
        assert_eq!(
            turned_away(&world, asked).await,
            "invalid_client_metadata",
            "{url}"
        );
    }
    // DR-66, DR-70: accepted URLs are not fetched either. Labels on the host of the redirect URI are kept.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = format!("https://{}/x", listener.local_addr().unwrap());
    let callback = here.replace("https:", "http:");
    let members = [
        "logo_uri",
        "client_uri",
        "tos_uri",
        "policy_uri",
        "sector_identifier_uri",
        "initiate_login_uri",
    ];
    let mut asked = json!({
        "redirect_uris": [callback], "application_type": "native", "request_uris": [here.clone()],
    });
    for member in members {
        asked[member] = json!(here);
    }
    let registered = joined(&world, asked).await;
    for kept in ["client_uri", "tos_uri", "policy_uri"] {
        assert_eq!(registered[kept], here, "{kept}");
    }
    let fetched = tokio::time::timeout(std::time::Duration::from_millis(300), listener.accept()).await;
    assert!(fetched.is_err(), "0 connections");
}

// Row DR-57.
#[tokio::test]
async fn assertion_signed_by_an_unregistered_key_is_refused() {
    let world = wide_open().await;
    let (own, other) = (key(), key());
    let body = joined(&world, machine(&own)).await;
    let id = body["client_id"].as_str().unwrap();
    let assertion = |key, jti| Draft::assertion(key, id, ISSUER, jti, world.now());
    assert_eq!(
        world.ask_with(assertion(&other, "1"), &[]).await.error(),
        "invalid_client"
    );
    let brought = assertion(&other, "2").header("jwk", other.public_jwk("sig", true));
    assert_eq!(world.ask_with(brought, &[]).await.error(), "invalid_client");
    let answer = world.ask_with(assertion(&own, "3"), &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = claims(&answer.access_token());
    assert_eq!(
        (&token["client_id"], &token["scope"]),
        (&json!(id), &json!("open.read"))
    );
    assert_eq!(
        world.ask_with(assertion(&own, "3"), &[]).await.error(),
        "invalid_client",
        "an assertion must be accepted only once"
    );
    let wide = world
        .ask_with(assertion(&own, "4"), &[("scope", "open.write")])
        .await;
    assert_eq!(wide.status, 200);
    assert_eq!(
        world
            .ask_with(assertion(&own, "5"), &[("scope", "r")])
            .await
            .error(),
        "invalid_scope"
    );
    // Client ids that this server never created, one of them in the right form.
    for id in ["c_AAAA", "c_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "unknown"] {
        let unknown = Draft::assertion(&own, id, ISSUER, "6", world.now());
        assert_eq!(
            world.ask_with(unknown, &[]).await.error(),
            "invalid_client",
            "{id}"
        );
    }
    // Freezing, thawing and blocking apply at the next request, with the client in memory.
    let change = async |verb: &str| {
        world
            .admin(
                "POST",
                &format!("/admin/v1/clients/{verb}"),
                json!({ "client_id": id }),
            )
            .await
    };
    change("freeze").await;
    assert_eq!(
        world.ask_with(assertion(&own, "7"), &[]).await.error(),
        "invalid_client"
    );
    change("thaw").await;
    assert_eq!(world.ask_with(assertion(&own, "8"), &[]).await.status, 200);
    change("delete").await;
    assert_eq!(
        world.ask_with(assertion(&own, "9"), &[]).await.error(),
        "invalid_client"
    );
    assert!(
        world.client_ids().await.is_empty(),
        "a token request must not register the client again"
    );
}

#[tokio::test]
async fn assertion_with_another_algorithm_than_registered_is_refused() {
    let world = wide_open().await;
    let rsa = generate_key(Algorithm::RS256, Some("rsa"));
    let mut asked = machine(&rsa);
    asked["token_endpoint_auth_signing_alg"] = json!("PS256");
    asked["jwks"]["keys"][0].as_object_mut().unwrap().remove("alg");
    let body = joined(&world, asked).await;
    assert_eq!(body["token_endpoint_auth_signing_alg"], "PS256");
    let id = body["client_id"].as_str().unwrap();
    let rs256 = Draft::assertion(&rsa, id, ISSUER, "1", world.now());
    assert_eq!(world.ask_with(rs256, &[]).await.error(), "invalid_client");
}

#[tokio::test]
async fn client_without_evidence_expires_and_follows_the_current_configuration() {
    let world = wide_open().await;
    let own = key();
    let body = joined(&world, machine(&own)).await;
    let id = body["client_id"].as_str().unwrap();
    let ask = async |jti: &str| {
        world
            .ask_with(Draft::assertion(&own, id, ISSUER, jti, world.now()), &[])
            .await
    };
    assert_eq!(ask("1").await.status, 200);
    // Registration without evidence is disabled: its clients are refused, and shown as not governed by any rule.
    world
        .reload_with(&format!("[registration]\n{}", domains("")), RULES)
        .await;
    assert_eq!(ask("2").await.error(), "invalid_client");
    assert_eq!(world.clients().await.remove(0)["is_orphaned"], true);
    world.reload_with(&format!("[registration]\nopen = {{ scopes = [\"open.write\"], grant_types = [\"client_credentials\"] }}\n{}", domains("")), RULES).await;
    assert_eq!(
        claims(&ask("3").await.access_token())["scope"],
        json!(null),
        "the scopes of the current configuration, reduced to the registered ones"
    );
    world.running.app.clock.shift(31 * 86_400);
    assert_eq!(
        ask("4").await.error(),
        "invalid_client",
        "the client is past its lifetime"
    );
    let swept = world.admin("POST", "/admin/v1/clients/sweep", json!({})).await;
    assert_eq!(swept["removed"], 1);
}

// Rows DR-105 to DR-107.
#[tokio::test]
async fn rate_and_clients_max_limit_registration_without_evidence() {
    let world = open_door("{ registrations_per_minute_per_address = 3, clients_max = 5 }").await;
    let asked = json!({ "redirect_uris": [CALLBACK] });
    for _ in 0..20 {
        assert_eq!(
            turned_away(&world, json!({ "redirect_uris": ["x:y"] })).await,
            "invalid_redirect_uri"
        );
    }
    for _ in 0..3 {
        joined(&world, asked.clone()).await;
    }
    let fast = join(&world, asked.clone()).await;
    assert_eq!(
        (fast.status, fast.error().as_str()),
        (429, "temporarily_unavailable")
    );
    assert!(fast.header("retry-after").is_some());
    world.running.app.clock.shift(60);
    for _ in 0..2 {
        joined(&world, asked.clone()).await;
    }
    let full = join(&world, asked.clone()).await;
    assert_eq!(
        (full.status, full.error().as_str()),
        (429, "temporarily_unavailable"),
        "clients_max"
    );
    assert_eq!(world.client_ids().await.len(), 5);
    // Known workloads are not affected.
    assert_eq!(world.ask(PAY, &[]).await.status, 200);
    let world = world.restart().await;
    world.running.app.clock.shift(120);
    assert_eq!(
        join(&world, asked).await.status,
        429,
        "the number of clients must be exact after a restart"
    );
}

#[tokio::test]
async fn rate_per_address_counts_the_address_that_the_proxy_appended() {
    let server = "proxy = { trusted = [\"127.0.0.0/8\"], client_address_header = \"X-Forwarded-For\" }\n\
         [registration]\nopen = { registrations_per_minute_per_address = 1 }";
    let (world, _) = World::start_with_tls_off(server).await;
    let from = async |address: &str| {
        let headers = [JSON, ("x-forwarded-for", address)];
        let body = json!({ "redirect_uris": [CALLBACK] }).to_string();
        world
            .connect()
            .await
            .send("POST", "/register", &headers, body)
            .await
            .status
    };
    assert_eq!(from("192.0.2.1").await, 201);
    assert_eq!(from("192.0.2.1").await, 429);
    assert_eq!(
        from("198.51.100.9, 192.0.2.1").await,
        429,
        "addresses that the sender wrote into the header must be ignored"
    );
    assert_eq!(from("192.0.2.2").await, 201);
    assert_eq!(
        from("192.0.2.2:4711").await,
        429,
        "the port is not part of the address"
    );
    assert_eq!(from("192.0.2.3:4711").await, 201);
    assert_eq!(from("[2001:db8:1::1]:4711").await, 201);
    assert_eq!(
        from("[2001:db8:2::1]").await,
        201,
        "the address of the proxy must not be used"
    );
    assert_eq!(from("2001:db8:2::1").await, 429);
}

#[tokio::test]
async fn rate_per_address_counts_the_address_of_a_forwarded_field() {
    let server = "proxy = { trusted = [\"127.0.0.0/8\"], client_address_header = \"Forwarded\" }\n\
         [registration]\nopen = { registrations_per_minute_per_address = 1 }";
    let (world, _) = World::start_with_tls_off(server).await;
    let from = async |forwarded: &str| {
        let headers = [JSON, ("forwarded", forwarded)];
        let body = json!({ "redirect_uris": [CALLBACK] }).to_string();
        let answer = world
            .connect()
            .await
            .send("POST", "/register", &headers, body)
            .await;
        answer.status
    };
    assert_eq!(from("for=192.0.2.1;proto=https").await, 201);
    assert_eq!(from("for=198.51.100.9, for=\"192.0.2.1:4711\"").await, 429);
    assert_eq!(from("for=\"[2001:db8::1]:4711\"").await, 201);
}

// Rows DR-64, DR-65.
#[tokio::test]
async fn label_urls_on_other_hosts_are_dropped_and_equal_software_id_gives_no_rights() {
    let world = wide_open().await;
    let body = joined(
        &world,
        json!({ "redirect_uris": [CALLBACK], "client_name": "<script>alert(1)</script>", "software_id": "payments",
            "client_uri": "https://bank.example/", "tos_uri": "https://app.example/tos",
            "logo_uri": "https://app.example/logo.png", "contacts": ["\"><img src=x onerror=alert(1)>"] }),
    )
    .await;
    assert!(body["client_uri"].is_null(), "DR-64");
    assert_eq!(body["tos_uri"], "https://app.example/tos");
    assert!(body["logo_uri"].is_null());
    // The text is stored unchanged; a page that shows it must escape it.
    assert_eq!(body["client_name"], "<script>alert(1)</script>");
    let again = joined(
        &world,
        json!({ "redirect_uris": [CALLBACK], "software_id": "payments" }),
    )
    .await;
    assert_ne!(
        again["client_id"], body["client_id"],
        "DR-65: another client without rights of the first one"
    );
    assert!(again["scope"] == "open.read open.write" && again["client_name"].is_null());
}

#[tokio::test]
async fn explain_shows_a_registration_without_evidence_and_its_event_expires_earlier() {
    let world = wide_open().await;
    let answer = join(&world, json!({ "redirect_uris": [CALLBACK] })).await;
    let id = answer.header("request-id").unwrap();
    let explained = world
        .admin("POST", "/admin/v1/explain", json!({ "request_id": id }))
        .await;
    assert_eq!(
        (&explained["outcome"], &explained["event"]["door"]),
        (&json!("allowed"), &json!("none"))
    );
    // Events of clients without evidence are kept for a shorter time than those of workloads.
    let event = world.events("client.registered").await.remove(0);
    let [time, keep_until] = ["time", "keep_until"].map(|name| crate::world::moment(&event[name]));
    assert_eq!(keep_until - time, 90 * 86_400);
}

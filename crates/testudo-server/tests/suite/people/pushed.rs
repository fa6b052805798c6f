//! Pushed authorization requests, through HTTP. [RFC9126 §2]

use super::world::CHALLENGE;
use crate::nodes::postgres;
use crate::world::{ISSUER, RULES, World, domains};
use serde_json::{Value, json};
use testudo_core::people::SecretDigest;
use testudo_core::records::{Client, PushedRequest};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_protocol::oauth::authorization::PushedRequestUri;
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::token::Draft;
use testudo_testkit::{form, generate_key, svid_form};

const URI: &str = "https://as.example/par";
const PATH: &str = "/people/web";
const ID: &str = "spiffe://a.example/people/web";
const CALLBACK: &str = "https://web.apps.example/cb";

const PEOPLE: &str = r#"
[[rules]]
name = "people"
identities = ["spiffe://a.example/people/{service}"]
scopes = ["r", "w"]
default_scopes = ["r"]
resources = ["https://api.example/"]
redirect_uris = ["https://{service}.apps.example/cb"]
redirect_uri_hosts = ["{service}.preview.example"]
grant_types = ["authorization_code", "refresh_token"]
"#;

/// A server at which people sign in.
async fn world() -> World {
    World::start_with(&login(""), &rules()).await
}

fn login(more: &str) -> String {
    format!("[login]\n{more}{}", domains(""))
}

fn rules() -> String {
    format!("{RULES}{PEOPLE}")
}

/// The parameters of a right request, where `more` replaces or adds some; an empty value leaves one out.
fn asked(more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let mut parameters = vec![
        ("response_type", "code".to_owned()),
        ("code_challenge", CHALLENGE.to_owned()),
        ("code_challenge_method", "S256".to_owned()),
        ("redirect_uri", CALLBACK.to_owned()),
        ("state", "s".to_owned()),
    ];
    for (name, value) in more {
        parameters.retain(|(known, _)| known != name);
        if !value.is_empty() {
            parameters.push((name, (*value).to_owned()));
        }
    }
    parameters
}

/// The body of a request that a workload pushes with a new SVID.
fn body(world: &World, path: &str, more: &[(&'static str, &str)]) -> String {
    let asked = asked(more);
    let pairs: Vec<(&str, &str)> = asked
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    svid_form(&world.svid(path), &pairs)
}

async fn push(world: &World, more: &[(&'static str, &str)]) -> Answer {
    world.connect().await.post("/par", body(world, PATH, more)).await
}

#[track_caller]
fn assert_pushed(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.json()["expires_in"], 90);
    let uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
    assert!(PushedRequestUri::parse(&uri).is_ok(), "{uri}");
    uri
}

#[track_caller]
fn assert_refused(answer: &Answer, code: &str, case: &str) {
    assert_eq!(
        (answer.status, answer.error()),
        (400, code.to_owned()),
        "{case}: {answer:?}"
    );
    assert!(answer.json()["request_uri"].is_null());
}

async fn records(world: &World) -> Vec<PushedRequest> {
    let all = world.running.app.store.read_all::<PushedRequest>().await.unwrap();
    all.into_iter().map(|found| found.record).collect()
}

// Rows RF-80, AZ-12.
#[tokio::test]
async fn workload_pushes_a_request_and_becomes_a_client() {
    let world = world().await;
    let uri = assert_pushed(&push(&world, &[("scope", "w")]).await);
    assert_eq!(world.client_ids().await, ["c6", ID][1..].to_vec());
    let stored = records(&world).await.pop().unwrap();
    let named = SecretDigest::of_bytes(PushedRequestUri::parse(&uri).unwrap().digest());
    assert_eq!(stored.digest, named);
    assert_eq!(stored.client.client_id, ID);
    assert_eq!(stored.redirect_uri.as_str(), CALLBACK);
    let text = serde_json::to_string(&stored).unwrap();
    assert!(!text.contains(&uri), "only the digest of the name is stored");
    // A known client pushes again, and gets another name.
    assert_ne!(assert_pushed(&push(&world, &[]).await), uri);
    assert_eq!(records(&world).await.len(), 2);
    let events = world.events("client.registered").await;
    assert_eq!(events[0]["occasion"], "pushed_authorization");
}

// Row RF-81.
#[tokio::test]
async fn redirect_uri_that_the_rule_does_not_allow_is_refused_and_no_client_is_registered() {
    let world = world().await;
    for foreign in [
        "https://evil.example/cb",
        "https://web.apps.example/cb/",
        "https://api.apps.example/cb",
        "https://web.preview.example:8443/cb#x",
        "https://api.preview.example/cb",
        "https://web.preview.example.evil.example/cb",
    ] {
        let answer = push(&world, &[("redirect_uri", foreign)]).await;
        assert_refused(&answer, "invalid_request", foreign);
    }
    assert!(!world.client_ids().await.contains(&ID.to_owned()));
    assert!(records(&world).await.is_empty());
    // [RFC9126 §2.4] A client that is authenticated may name any URI on a host of its rule.
    let at_host = "https://web.preview.example/pull/7/cb";
    assert_pushed(&push(&world, &[("redirect_uri", at_host)]).await);
    assert_pushed(&push(&world, &[("redirect_uri", "")]).await);
}

// Rows AZ-13, RF-85, AZ-27.
#[tokio::test]
async fn request_that_the_authorization_endpoint_would_refuse_is_refused() {
    let world = world().await;
    let uri = assert_pushed(&push(&world, &[]).await);
    let cases: &[(&[(&'static str, &str)], &str)] = &[
        (&[("request_uri", &uri)], "invalid_request"),
        (&[("request", "e30")], "invalid_request_object"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("response_type", "")], "invalid_request"),
        (&[("response_mode", "jwt")], "invalid_request"),
        (&[("code_challenge", "")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("scope", "admin")], "invalid_scope"),
        (&[("scope", "r\\")], "invalid_scope"),
        (&[("resource", "https://api.example/#x")], "invalid_target"),
        (&[("resource", "https://other.example/")], "invalid_target"),
        (&[("prompt", "none login")], "invalid_request"),
        (&[("max_age", "-1")], "invalid_request"),
        (&[("dpop_jkt", "x")], "invalid_request"),
        (
            &[("client_id", "spiffe://a.example/people/api")],
            "invalid_client",
        ),
    ];
    for (more, code) in cases {
        assert_refused(&push(&world, more).await, code, &format!("{more:?}"));
    }
    assert_eq!(records(&world).await.len(), 1);
    assert_pushed(
        &push(
            &world,
            &[("client_id", ID), ("prompt", "login consent"), ("max_age", "60")],
        )
        .await,
    );
}

// Row AZ-14.
#[tokio::test]
async fn client_that_does_not_authenticate_or_may_not_use_codes_is_refused() {
    let world = world().await;
    let mut connection = world.connect().await;
    let pairs = asked(&[("client_id", ID)]);
    let pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_refused(
        &connection.post("/par", form(&pairs)).await,
        "invalid_client",
        "no credential",
    );
    let svid = world.svid(PATH);
    let broken = format!("{}AAAA", &svid[..svid.len() - 4]);
    assert_refused(
        &connection.post("/par", svid_form(&broken, &pairs)).await,
        "invalid_client",
        "another signature",
    );
    let other = body(&world, "/x/1", &[("redirect_uri", "")]);
    assert_refused(
        &connection.post("/par", other).await,
        "unauthorized_client",
        "rule without codes",
    );
    assert_eq!(connection.get("/par").await.status, 405);
    let in_url = connection.post("/par?client_id=x", body(&world, PATH, &[])).await;
    assert_refused(&in_url, "invalid_request", "parameters in the URL");
    assert_pushed(&connection.post("/par", body(&world, PATH, &[])).await);
}

// The twin of `[login]`.
#[tokio::test]
async fn endpoint_and_its_metadata_are_there_only_where_people_sign_in() {
    for (configured, is_there) in [(login(""), true), (domains(""), false)] {
        let world = World::start_with(&configured, &rules()).await;
        let mut connection = world.connect().await;
        let answer = connection.post("/par", body(&world, PATH, &[])).await;
        assert_eq!(answer.status, if is_there { 201 } else { 404 });
        let metadata = connection
            .get("/.well-known/oauth-authorization-server")
            .await
            .json();
        let expect = |value: Value| if is_there { value } else { Value::Null };
        assert_eq!(
            metadata["pushed_authorization_request_endpoint"],
            expect(json!(URI))
        );
        assert_eq!(
            metadata["require_pushed_authorization_requests"],
            expect(json!(true))
        );
        let authorize = format!("{ISSUER}/authorize");
        assert_eq!(metadata["authorization_endpoint"], expect(json!(authorize)));
        let grants = metadata["grant_types_supported"].as_array().unwrap();
        assert_eq!(grants.contains(&json!("authorization_code")), is_there);
        let redeemed = svid_form(
            &world.svid(PATH),
            &[("grant_type", "authorization_code"), ("code", "x")],
        );
        let code = world
            .send(&redeemed.replace("grant_type=client_credentials&", ""))
            .await
            .error();
        assert_eq!(
            code,
            if is_there {
                "invalid_grant"
            } else {
                "unsupported_grant_type"
            }
        );
    }
}

fn key() -> SigningKey {
    generate_key(Algorithm::ES256, None)
}

async fn push_with(connection: &mut Connection, body: String, proofs: &[&str]) -> Answer {
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
    headers.extend(proofs.iter().map(|proof| ("DPoP", *proof)));
    connection.send("POST", "/par", &headers, body).await
}

// Row G-09.
#[tokio::test]
async fn rfc9449_10_1_request_with_a_proof_binds_the_code_to_its_key() {
    let world = world().await;
    let mut connection = world.connect().await;
    let key = key();
    let proof = |jti: &str, uri: &str| Draft::dpop(&key, uri, jti, world.now()).sign();
    let jkt = testudo_protocol::base64url::text(&key.thumbprint());
    let first = proof("1", URI);
    assert_pushed(&push_with(&mut connection, body(&world, PATH, &[]), &[&first]).await);
    let bound = records(&world).await.pop().unwrap().bound_to.dpop_key.unwrap();
    assert_eq!(bound.0, key.thumbprint());
    let replayed = push_with(&mut connection, body(&world, PATH, &[]), &[&first]).await;
    assert_refused(&replayed, "invalid_dpop_proof", "the proof was used");
    let of_token = proof("2", "https://as.example/token");
    let elsewhere = push_with(&mut connection, body(&world, PATH, &[]), &[&of_token]).await;
    assert_refused(&elsewhere, "invalid_dpop_proof", "a proof for the token endpoint");
    let other = testudo_protocol::base64url::text(&[7; 32]);
    let differs = body(&world, PATH, &[("dpop_jkt", &other)]);
    let differs = push_with(&mut connection, differs, &[&proof("3", URI)]).await;
    assert_refused(&differs, "invalid_dpop_proof", "dpop_jkt names another key");
    let same = body(&world, PATH, &[("dpop_jkt", &jkt)]);
    assert_pushed(&push_with(&mut connection, same, &[&proof("4", URI)]).await);
    let named = body(&world, PATH, &[("dpop_jkt", &other)]);
    assert_pushed(&push_with(&mut connection, named, &[]).await);
}

#[tokio::test]
async fn proof_needs_a_nonce_where_the_server_requires_one() {
    let world = World::start_with(&login("[tokens]\ndpop_nonce = \"required\"\n"), &rules()).await;
    let mut connection = world.connect().await;
    let key = key();
    let proof = Draft::dpop(&key, URI, "1", world.now()).sign();
    let answer = push_with(&mut connection, body(&world, PATH, &[]), &[&proof]).await;
    assert_refused(&answer, "use_dpop_nonce", "no nonce");
    let nonce = answer.header("dpop-nonce").unwrap().to_owned();
    let proof = Draft::dpop(&key, URI, "2", world.now()).claim("nonce", json!(nonce));
    let answer = push_with(&mut connection, body(&world, PATH, &[]), &[&proof.sign()]).await;
    assert_pushed(&answer);
    assert!(
        answer.header("dpop-nonce").is_some(),
        "the nonce of the next proof"
    );
}

#[tokio::test]
async fn script_of_another_origin_may_push() {
    let world = world().await;
    let mut connection = world.connect().await;
    let preflight = connection
        .send(
            "OPTIONS",
            "/par",
            &[("origin", "https://app.example")],
            String::new(),
        )
        .await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-methods"), Some("POST"));
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "https://app.example"),
    ];
    let answer = connection
        .send("POST", "/par", &headers, body(&world, PATH, &[]))
        .await;
    assert_pushed(&answer);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

// Row AZ-15.
#[tokio::test]
async fn request_that_is_too_large_is_refused() {
    let world = world().await;
    let mut connection = world.connect().await;
    let long = "x".repeat(70_000);
    let answer = connection
        .post("/par", body(&world, PATH, &[("state", &long)]))
        .await;
    assert_eq!(answer.status, 413, "{answer:?}");
    let long = "x".repeat(5_000);
    let answer = push(&world, &[("state", &long)]).await;
    assert_refused(&answer, "invalid_request", "state");
}

#[tokio::test]
async fn request_that_was_pushed_at_one_node_is_known_at_the_other() {
    let (world, tls) = World::start_over(&postgres().database("pushed").unwrap()).await;
    let world = world
        .restart_after(|folder| {
            let path = folder.join("testudo.toml");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(path, format!("{text}\n[login]\n{PEOPLE}")).unwrap();
        })
        .await;
    let (second, _folder) = world.join().await;
    let mut connection = tls.connect(second.addresses[0], None).await.unwrap();
    let answer = connection.post("/par", body(&world, PATH, &[])).await;
    assert_pushed(&answer);
    assert_eq!(records(&world).await.len(), 1);
    let clients = world.running.app.store.read_all::<Client>().await.unwrap();
    assert!(clients.iter().any(|client| client.record.client_id == ID));
}

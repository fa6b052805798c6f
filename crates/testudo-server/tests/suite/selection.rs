//! Tests of the keys that verify a credential, and of the client that it selects. Rows B-10, B-35, B-36, C-03 to C-17,
//! I-13.

use crate::world::{ISSUER, World};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::Answer;
use testudo_testkit::token::{Draft, claims};
use testudo_testkit::{generate_key, svid_form};

const ID: &str = "spiffe://a.example/x/1";

/// Adds a key to the bundle of a trust domain.
async fn publish(world: &World, name: &str, jwk: Value) {
    let issuer = if name == "a" { &world.a } else { &world.b };
    let mut bundle = issuer.bundle();
    bundle["keys"].as_array_mut().unwrap().push(jwk);
    std::fs::write(world.folder.join(format!("{name}.json")), bundle.to_string()).unwrap();
    let path = format!("/admin/v1/trust/{name}.example/refresh");
    world.try_admin("POST", &path, json!({})).await;
}

async fn ask_signed_by(world: &World, key: &SigningKey, id: &str) -> Answer {
    let svid = Draft::svid(key, id, ISSUER, world.now()).sign();
    world.send(&svid_form(&svid, &[])).await
}

// Row B-10.
#[tokio::test]
async fn host_header_does_not_change_audience_or_issuer() {
    let world = World::start().await;
    let svid = world.a.svid("/x/1", "https://evil.example", world.now());
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("host", "evil.example"),
    ];
    let mut connection = world.connect().await;
    let answer = connection
        .send("POST", "/token", &headers, svid_form(&svid, &[]))
        .await;
    assert_eq!(answer.error(), "invalid_client");
    let metadata = connection
        .send(
            "GET",
            "/.well-known/oauth-authorization-server",
            &headers[1..],
            "",
        )
        .await;
    assert_eq!(metadata.json()["issuer"], ISSUER);
}

// Rows B-35, B-36, I-13.
#[tokio::test]
async fn weak_keys_and_keys_of_another_algorithm_or_use_verify_no_svid() {
    let world = World::start().await;
    let rsa = generate_key(Algorithm::PS256, Some("rsa"));
    let mut only_rs256 = rsa.public_jwk("jwt-svid", true);
    only_rs256["alg"] = json!("RS256");
    publish(&world, "a", only_rs256).await;
    assert_eq!(
        ask_signed_by(&world, &rsa, ID).await.error(),
        "invalid_client",
        "B-36: each key verifies only its own algorithm"
    );
    publish(&world, "a", rsa.public_jwk("jwt-svid", true)).await;
    assert_eq!(
        ask_signed_by(&world, &rsa, ID).await.status,
        200,
        "the SVID without the fault is accepted"
    );
    let weak = json!({ "kty": "RSA", "use": "jwt-svid", "kid": "weak", "e": "AQAB", "n": "A".repeat(171) });
    publish(&world, "a", weak).await;
    let shown = world.admin("GET", "/admin/v1/trust/a.example", Value::Null).await;
    assert!(
        !shown["jwt_keys"].as_array().unwrap().contains(&json!("weak")),
        "B-35"
    );
    let other = generate_key(Algorithm::ES256, Some("other"));
    publish(&world, "a", other.public_jwk("JWT-SVID", true)).await;
    assert_eq!(
        ask_signed_by(&world, &other, ID).await.error(),
        "invalid_client",
        "I-13: `use` is compared with its case"
    );
}

// Row C-03.
#[tokio::test]
async fn key_in_two_bundles_verifies_each_domain_for_its_own_svids_only() {
    let world = World::start().await;
    publish(&world, "b", world.a.key().public_jwk("jwt-svid", true)).await;
    for id in ["spiffe://b.example/x/1", ID] {
        let answer = ask_signed_by(&world, world.a.key(), id).await;
        assert_eq!(claims(&answer.access_token())["sub"], id);
    }
    // Other keys of B still verify no SVID of A.
    assert_eq!(
        ask_signed_by(&world, world.b.key(), ID).await.error(),
        "invalid_client"
    );
    assert_eq!(world.client_ids().await.len(), 2);
}

// Rows C-05, C-06, C-16, C-17.
#[tokio::test]
async fn client_is_selected_by_exact_spiffe_id() {
    let world = World::start().await;
    for client_id in [&[][..], &[("client_id", ID)]] {
        let answer = world.ask("/x/1", client_id).await;
        assert_eq!(claims(&answer.access_token())["client_id"], ID);
    }
    for other in [
        "spiffe://a.example/x/2",
        "spiffe://a.example/X/1",
        "spiffe://a.example/x/*",
        "x",
    ] {
        assert_eq!(
            world.ask("/x/1", &[("client_id", other)]).await.error(),
            "invalid_client",
            "{other}"
        );
    }
    for id in [
        "spiffe://a.example/X/1",
        "spiffe://a.example/x/*",
        "spiffe://a.example/x",
        "spiffe://a.example/x1",
    ] {
        assert_eq!(
            ask_signed_by(&world, world.a.key(), id).await.error(),
            "invalid_client",
            "{id}"
        );
    }
    assert_eq!(world.client_ids().await, [ID]);
}

//! Tokens that are bound to a key by DPoP, at the token endpoint. Rows of section G, F-24, DR-31, DR-145.

mod initial_access;
mod nodes;
mod registration;
mod restarts;

use crate::world::{ISSUER, RULES, World, domains};
use serde_json::json;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::token::{Draft, claims};
use testudo_testkit::{assertion_form, form, generate_key, svid_form};

const URI: &str = "https://as.example/token";
const PAY: &str = "/ns/pay/sa/api";

fn key() -> SigningKey {
    generate_key(Algorithm::ES256, None)
}

/// The thumbprint of a key, as a token has it in `cnf.jkt`.
pub fn thumbprint(key: &SigningKey) -> String {
    let mut text = String::new();
    testudo_protocol::jose::encode_segment(&key.thumbprint(), &mut text);
    text
}

/// Sends a token request with these DPoP headers.
async fn send(connection: &mut Connection, body: String, proofs: &[&str]) -> Answer {
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
    headers.extend(proofs.iter().map(|proof| ("DPoP", *proof)));
    connection.send("POST", "/token", &headers, body).await
}

/// A token request of a workload with this proof.
async fn ask(world: &World, proof: &str) -> Answer {
    let body = svid_form(&world.svid(PAY), &[]);
    send(&mut world.connect().await, body, &[proof]).await
}

/// A world in which every proof needs a nonce.
async fn world_with_nonces() -> World {
    let domains = format!("[tokens]\ndpop_nonce = \"required\"\n{}", domains(""));
    World::start_with(&domains, RULES).await
}

fn proof<'k>(world: &World, key: &'k SigningKey, jti: &str) -> Draft<'k> {
    Draft::dpop(key, URI, jti, world.now())
}

#[track_caller]
fn assert_refused(answer: &Answer, code: &str) {
    assert_eq!(
        (answer.status, answer.error()),
        (400, code.to_owned()),
        "{}",
        answer.json()
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.json()["access_token"].is_null());
}

// Row G-01.
#[tokio::test]
async fn rfc9449_5_token_of_a_request_with_a_proof_is_bound_to_its_key() {
    let world = World::start().await;
    let key = key();
    for (number, change) in [
        ("htu", json!("https://as.example/token?a=b#c")),
        ("htu", json!("HTTPS://as.example:443/token")),
        ("iat", json!(world.now() - 10)),
        ("iat", json!(world.now() + 10)),
    ]
    .into_iter()
    .enumerate()
    {
        let draft = proof(&world, &key, &number.to_string()).claim(change.0, change.1);
        let answer = ask(&world, &draft.sign()).await;
        assert_eq!(answer.status, 200, "{number} {}", answer.json());
        assert_eq!(answer.json()["token_type"], "DPoP");
        let token = claims(&answer.access_token());
        assert_eq!(token["cnf"], json!({ "jkt": thumbprint(&key) }), "{number}");
    }
    let without = world.ask(PAY, &[]).await;
    assert_eq!(without.json()["token_type"], "Bearer");
    assert!(claims(&without.access_token())["cnf"].is_null());
}

// Row G-01: a client that authenticates with its own key.
#[tokio::test]
async fn rfc9449_5_client_with_private_key_jwt_gets_a_token_that_is_bound_to_another_key() {
    let world = World::start().await;
    let key = key();
    let assertion = Draft::assertion(&world.c6, "c6", ISSUER, "one", world.now()).sign();
    let body = assertion_form(&assertion, &[]);
    let proof = proof(&world, &key, "a").sign();
    let answer = send(&mut world.connect().await, body, &[&proof]).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(claims(&answer.access_token())["cnf"]["jkt"], thumbprint(&key));
}

// Rows G-02 to G-05.
#[tokio::test]
async fn rfc9449_4_3_proofs_that_are_not_for_this_request_are_refused() {
    let world = World::start().await;
    let (key, other) = (key(), key());
    let good = || proof(&world, &key, "a");
    let other_jwk: serde_json::Value = serde_json::from_str(&other.proof_jwk()).unwrap();
    let mut private: serde_json::Value = serde_json::from_str(&key.proof_jwk()).unwrap();
    private["d"] = json!("AA");
    let rows: Vec<(&str, Draft<'_>)> = vec![
        ("typ missing", good().without_header("typ")),
        ("typ JWT", good().header("typ", "JWT")),
        ("typ dpop+jwt+x", good().header("typ", "dpop+jwt+x")),
        ("jwk missing", good().without_header("jwk")),
        ("jwk private", good().header("jwk", private)),
        (
            "jwk symmetric",
            good().header("jwk", json!({ "kty": "oct", "k": "AA" })),
        ),
        ("jwk of another key", good().header("jwk", other_jwk)),
        ("alg none", good().header("alg", "none")),
        ("alg HS256", good().mac(key.proof_jwk().as_bytes())),
        ("htm post", good().claim("htm", "post")),
        ("htm GET", good().claim("htm", "GET")),
        (
            "htu of another host",
            good().claim("htu", "https://evil.example/token"),
        ),
        ("htu http", good().claim("htu", "http://as.example/token")),
        (
            "htu of another endpoint",
            good().claim("htu", "https://as.example/register"),
        ),
        ("jti missing", good().without_claim("jti")),
        ("htm missing", good().without_claim("htm")),
        ("htu missing", good().without_claim("htu")),
        ("iat missing", good().without_claim("iat")),
        ("iat too old", good().claim("iat", world.now() - 600)),
        ("iat in the future", good().claim("iat", world.now() + 120)),
    ];
    for (name, draft) in rows {
        let answer = ask(&world, &draft.sign()).await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "invalid_dpop_proof".into()),
            "{name}"
        );
        let without_the_fault = ask(&world, &proof(&world, &key, name).sign()).await;
        assert_eq!(without_the_fault.status, 200, "{name}");
    }
    for text in ["", "a.b.c", "\u{e9}", &"a".repeat(17_000)] {
        let answer = ask(&world, text).await;
        assert_refused(&answer, "invalid_dpop_proof");
    }
    // No refused request used up the `jti`, and the proof without a fault is accepted.
    assert_eq!(ask(&world, &good().sign()).await.status, 200);
    let events = world.events("client.refused").await;
    assert!(
        events.iter().any(|event| event["reason"] == "dpop_refused"),
        "{events:?}"
    );
}

// Row G-04: the URI is that of the configuration, and `Host` has no effect.
#[tokio::test]
async fn rfc9449_4_3_host_of_the_request_does_not_determine_the_uri_of_the_proof() {
    let world = World::start().await;
    let key = key();
    let body = svid_form(&world.svid(PAY), &[]);
    let draft = Draft::dpop(&key, "https://evil.example/token", "a", world.now()).sign();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("host", "evil.example"),
        ("DPoP", draft.as_str()),
    ];
    let answer = world.connect().await.send("POST", "/token", &headers, body).await;
    assert_eq!(answer.error(), "invalid_dpop_proof");
}

// Row F-24.
#[tokio::test]
async fn rfc9449_4_3_request_with_two_proofs_is_refused() {
    let world = World::start().await;
    let key = key();
    let (one, two) = (proof(&world, &key, "a").sign(), proof(&world, &key, "b").sign());
    let body = svid_form(&world.svid(PAY), &[]);
    let answer = send(&mut world.connect().await, body, &[&one, &two]).await;
    assert_refused(&answer, "invalid_dpop_proof");
}

#[tokio::test]
async fn key_is_kept_for_the_next_proof_unless_the_signature_of_its_first_proof_is_refused() {
    let world = World::start().await;
    let (key, other) = (key(), key());
    let kept = || world.running.app.memory.proof_keys.count();
    for jti in ["a", "b"] {
        assert_eq!(ask(&world, &proof(&world, &key, jti).sign()).await.status, 200);
        assert_eq!(kept(), 1);
    }
    let theirs = proof(&world, &other, "c").sign();
    let signature = theirs.rfind('.').unwrap();
    let ours = proof(&world, &key, "c").sign();
    let forged = format!("{}{}", &theirs[..signature], &ours[ours.rfind('.').unwrap()..]);
    assert_refused(&ask(&world, &forged).await, "invalid_dpop_proof");
    assert_eq!(kept(), 1);
}

// Row G-06.
#[tokio::test]
async fn rfc9449_11_1_proof_is_used_once() {
    let world = World::start().await;
    let (key, other) = (key(), key());
    let draft = proof(&world, &key, "a").sign();
    assert_eq!(ask(&world, &draft).await.status, 200);
    let again = ask(&world, &draft).await;
    assert_refused(&again, "invalid_dpop_proof");
    assert!(
        again.json()["error_description"]
            .as_str()
            .unwrap()
            .contains("used before")
    );
    // Another proof with the same `jti`, signed anew: `jti` is what counts.
    let same_id = proof(&world, &key, "a").claim("more", 1).sign();
    assert_refused(&ask(&world, &same_id).await, "invalid_dpop_proof");
    // Another client with the same `jti` is not hindered.
    assert_eq!(ask(&world, &proof(&world, &other, "a").sign()).await.status, 200);
    let events = world.events("client.refused").await;
    assert!(
        events.iter().any(|event| event["reason"] == "dpop_replayed"),
        "{events:?}"
    );
}

#[tokio::test]
async fn refused_request_does_not_use_up_its_proof() {
    let world = World::start().await;
    let key = key();
    let draft = proof(&world, &key, "a").sign();
    let body = svid_form(&world.svid(PAY), &[("client_id", "another")]);
    let refused = send(&mut world.connect().await, body, &[&draft]).await;
    assert_eq!(refused.error(), "invalid_client");
    assert_eq!(ask(&world, &draft).await.status, 200);
}

// Row G-07.
#[tokio::test]
async fn rfc9449_8_required_nonce_is_given_in_the_refusal_and_in_each_answer() {
    let world = world_with_nonces().await;
    let key = key();
    let without = ask(&world, &proof(&world, &key, "a").sign()).await;
    assert_refused(&without, "use_dpop_nonce");
    let nonce = without.header("dpop-nonce").expect("a nonce").to_owned();

    let answer = ask(
        &world,
        &proof(&world, &key, "b").claim("nonce", nonce.as_str()).sign(),
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let next = answer
        .header("dpop-nonce")
        .expect("the nonce of the next proof")
        .to_owned();
    let answer = ask(
        &world,
        &proof(&world, &key, "c").claim("nonce", next.as_str()).sign(),
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.json());

    let foreign = ask(&world, &proof(&world, &key, "d").claim("nonce", "foreign").sign()).await;
    assert_refused(&foreign, "use_dpop_nonce");
    assert!(foreign.header("dpop-nonce").is_some());

    world.running.app.clock.shift(301);
    let expired = ask(
        &world,
        &proof(&world, &key, "e").claim("nonce", nonce.as_str()).sign(),
    )
    .await;
    assert_refused(&expired, "use_dpop_nonce");
    // A request without a proof needs no nonce.
    assert_eq!(world.ask(PAY, &[]).await.status, 200);
}

#[tokio::test]
async fn rule_with_sender_constraint_gives_only_bound_tokens() {
    let rules = |constraint: &str| {
        RULES.replacen(
            "name = \"R1\"",
            &format!("name = \"R1\"\nsender_constraint = \"{constraint}\""),
            1,
        )
    };
    let key = key();
    for (constraint, code) in [("dpop", "invalid_dpop_proof"), ("any", "invalid_request")] {
        let world = World::start_with(&domains(""), &rules(constraint)).await;
        let refused = world.ask(PAY, &[]).await;
        assert_eq!(
            (refused.status, refused.error()),
            (400, code.into()),
            "{constraint}"
        );
        let answer = ask(&world, &proof(&world, &key, "a").sign()).await;
        assert_eq!(answer.status, 200, "{constraint} {}", answer.json());
        assert_eq!(
            claims(&answer.access_token())["cnf"],
            json!({ "jkt": thumbprint(&key) })
        );
    }
    let (world, tls) = World::start_with_tls(&rules("mtls"), crate::world::TLS).await;
    let mut without_certificate = tls.connect(world.address(), None).await.unwrap();
    let body = svid_form(&world.svid(PAY), &[]);
    let proof = proof(&world, &key, "a").sign();
    let answer = send(&mut without_certificate, body, &[&proof]).await;
    assert_eq!(
        answer.error(),
        "invalid_request",
        "a proof does not replace the certificate"
    );
}

#[tokio::test]
async fn token_of_a_client_with_certificate_and_proof_is_bound_as_its_rule_requires() {
    let key = key();
    for (constraint, has_certificate) in [("none", false), ("mtls", true), ("any", false), ("dpop", false)] {
        let rules = RULES.replacen(
            "name = \"R1\"",
            &format!("name = \"R1\"\nsender_constraint = \"{constraint}\""),
            1,
        );
        let (world, tls) = World::start_with_tls(&rules, crate::world::TLS).await;
        let id = format!("spiffe://a.example{PAY}");
        let chain = tls.a.svid(PAY);
        let mut connection = tls.connect(world.address(), Some(&chain)).await.unwrap();
        let body = form(&[("grant_type", "client_credentials"), ("client_id", &id)]);
        let proof = proof(&world, &key, "a").sign();
        let answer = send(&mut connection, body, &[&proof]).await;
        assert_eq!(answer.status, 200, "{constraint} {}", answer.json());
        let cnf = &claims(&answer.access_token())["cnf"];
        assert_eq!(cnf["jkt"], thumbprint(&key), "{constraint}");
        assert_eq!(cnf["x5t#S256"].is_string(), has_certificate, "{constraint} {cnf}");
        assert_eq!(answer.json()["token_type"], "DPoP");
    }
}

#[tokio::test]
async fn explanation_of_a_refused_proof_names_what_is_wrong_and_what_to_do() {
    let world = World::start().await;
    let key = key();
    let wrong = proof(&world, &key, "a")
        .claim("htu", "https://evil.example/token")
        .sign();
    let answer = ask(&world, &wrong).await;
    let question = json!({ "request_id": answer.header("request-id").unwrap() });
    let explained = world
        .admin("POST", "/admin/v1/explain", question)
        .await
        .to_string();
    for part in [
        "dpop_refused",
        "https://evil.example/token",
        "set htu to https://as.example/token",
    ] {
        assert!(explained.contains(part), "{part}: {explained}");
    }
}

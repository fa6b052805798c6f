//! Proofs of the attested key.

use super::{Attested, ICA, assert_granted, assert_refused};
use crate::world::assert_one_is_granted;
use serde_json::json;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::Algorithm;
use testudo_protocol::oauth::server_nonce::{NoncePurpose, ServerNonces};
use testudo_testkit::http::Answer;
use testudo_testkit::token::Draft;
use testudo_testkit::{form, generate_key};

// Rows F-01, F-02, F-04 to F-08, F-17.
#[tokio::test]
async fn abca_7_2_pop_with_a_fault_is_refused_and_does_not_use_up_its_jti() {
    let attested = Attested::start().await;
    let now = attested.world.now();
    let good = || attested.pop("one");
    let other = generate_key(Algorithm::ES256, None);
    let by_other = || Draft::attestation_pop(&other, "https://as.example", "one", now);
    let own_jwk: serde_json::Value = serde_json::from_str(&other.proof_jwk()).unwrap();
    let rows = vec![
        ("another key", by_other()),
        ("another key in jwk", by_other().header("jwk", own_jwk)),
        ("alg none", good().header("alg", "none")),
        ("alg HS256", good().mac(attested.key.proof_jwk().as_bytes())),
        ("alg of another curve", good().header("alg", "ES384")),
        ("crit", good().header("crit", json!(["x"]))),
        ("typ of DPoP", good().header("typ", "dpop+jwt")),
        ("typ JWT", good().header("typ", "JWT")),
        ("typ missing", good().without_header("typ")),
        (
            "aud of the endpoint",
            good().claim("aud", "https://as.example/token"),
        ),
        ("aud of another", good().claim("aud", "https://other.example")),
        ("two aud", good().claim("aud", json!(["https://as.example", "x"]))),
        ("no aud in a list", good().claim("aud", json!([]))),
        ("aud missing", good().without_claim("aud")),
        ("jti missing", good().without_claim("jti")),
        ("jti empty", good().claim("jti", "")),
        ("jti a number", good().claim("jti", 7)),
        ("iat missing", good().without_claim("iat")),
        ("iat a text", good().claim("iat", now.to_string())),
        ("iat 10 minutes ago", good().claim("iat", now - 600)),
        ("iat in 2 minutes", good().claim("iat", now + 120)),
    ];
    for (name, draft) in rows {
        assert_refused(&attested.prove(&draft).await, ICA, name);
        assert_granted(&attested.prove(&attested.pop(name)).await, name);
    }
    let no_jwt = attested.ask(&attested.attestation().sign(), "a.b.c").await;
    assert_refused(&no_jwt, ICA, "no JWT");
    assert_granted(&attested.prove(&good()).await, "without a fault");
    for (name, draft) in [
        ("10 s old", attested.pop("2").claim("iat", now - 10)),
        ("10 s early", attested.pop("3").claim("iat", now + 10)),
        (
            "aud as a list",
            attested.pop("4").claim("aud", json!(["https://as.example"])),
        ),
        (
            "iss and exp of earlier drafts",
            attested.pop("5").claim("iss", "c5").claim("exp", now - 5),
        ),
    ] {
        assert_granted(&attested.prove(&draft).await, name);
    }
}

// Row F-03.
#[tokio::test]
async fn abca_7_2_pop_with_another_alg_than_that_of_the_attested_jwk_is_refused() {
    let attested = Attested::start().await;
    let key = generate_key(Algorithm::RS256, None);
    let ask = async |alg: &str| {
        let mut jwk: serde_json::Value = serde_json::from_str(&key.proof_jwk()).unwrap();
        jwk["alg"] = json!(alg);
        let attestation = attested.attestation().claim("cnf", json!({ "jwk": jwk }));
        let pop = Draft::attestation_pop(&key, "https://as.example", "one", attested.world.now());
        attested.ask(&attestation.sign(), &pop.sign()).await
    };
    for other in ["PS256", "RS384"] {
        assert_refused(&ask(other).await, ICA, other);
    }
    assert_granted(&ask("RS256").await, "the same alg");
}

// Rows F-09, F-11, F-29.
#[tokio::test]
async fn abca_12_1_pop_is_used_once_also_for_another_scope_and_a_refused_request_does_not_use_it() {
    let attested = Attested::start().await;
    let (attestation, pop) = (attested.attestation().sign(), attested.pop("one").sign());
    let headers = [
        ("OAuth-Client-Attestation", attestation.as_str()),
        ("OAuth-Client-Attestation-PoP", &pop),
    ];
    for wrong in [("client_id", "c6"), ("scope", "unknown")] {
        let answer = attested.send(&headers, &[wrong]).await;
        assert_eq!(answer.status, 400, "{wrong:?}");
    }
    assert_granted(
        &attested.send(&headers, &[("client_id", "c5")]).await,
        "corrected",
    );
    for again in [&[][..], &[("scope", "r")]] {
        assert_refused(&attested.send(&headers, again).await, ICA, "replayed");
    }
    let events = attested.world.events("client.refused").await;
    assert!(
        events
            .iter()
            .any(|event| event["reason"] == "attestation_pop_replayed"),
        "{events:?}"
    );
    assert_granted(&attested.prove(&attested.pop("two")).await, "a new PoP");
}

// Row J-18.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_pop_on_64_connections_at_once_gets_exactly_one_token() {
    let attested = Attested::start().await;
    let headers = vec![
        ("OAuth-Client-Attestation", attested.attestation().sign()),
        ("OAuth-Client-Attestation-PoP", attested.pop("one").sign()),
    ];
    let request = (headers, form(&[("grant_type", "client_credentials")]));
    let answers = attested.world.at_once(vec![request; 64]).await;
    assert_one_is_granted(&answers, ICA, "64 connections");
}

/// A request to the attester that requires challenges.
async fn challenged(attested: &Attested, challenge: Option<&str>, jti: &str) -> Answer {
    let now = attested.world.now();
    let attestation = Draft::attestation(&attested.at2, "c7", &attested.key, now).sign();
    let pop = match challenge {
        Some(challenge) => attested.pop(jti).claim("challenge", challenge),
        None => attested.pop(jti),
    };
    attested.ask(&attestation, &pop.sign()).await
}

// Rows F-12 to F-14.
#[tokio::test]
async fn abca_6_1_pop_without_a_valid_challenge_is_answered_with_a_fresh_one() {
    let attested = Attested::start().await;
    let now = Timestamp(attested.world.now());
    let nonces = &attested.world.running.app.nonces;
    let expired = nonces.issue(NoncePurpose::AttestationChallenge, Timestamp(now.0 - 301));
    let of_dpop = nonces.issue(NoncePurpose::Dpop, now);
    let tenant = ServerNonces::new(&[7; 32], "https://as.example");
    let foreign = tenant.issue(NoncePurpose::AttestationChallenge, now);
    let mut given = String::new();
    for challenge in [None, Some("x"), Some(&expired), Some(&of_dpop), Some(&foreign)] {
        let answer = challenged(&attested, challenge, "one").await;
        assert_refused(&answer, "use_attestation_challenge", "no valid challenge");
        given = answer
            .header("oauth-client-attestation-challenge")
            .unwrap()
            .to_owned();
    }
    assert_granted(&challenged(&attested, Some(&given), "one").await, "of the answer");
    // It can be used again until it expires.
    assert_granted(
        &challenged(&attested, Some(&given), "two").await,
        "of the answer, again",
    );
    let mut connection = attested.world.connect().await;
    let offered = connection.send("POST", "/challenge", &[], "").await.json();
    let offered = offered["attestation_challenge"].as_str().unwrap();
    assert_granted(
        &challenged(&attested, Some(offered), "three").await,
        "of the endpoint",
    );
    // An attester that requires none: a challenge that is sent must be valid.
    let with = |challenge: &str| attested.pop("four").claim("challenge", challenge);
    let answer = attested.prove(&with("x")).await;
    assert_refused(&answer, "use_attestation_challenge", "not required, and invalid");
    assert_granted(&attested.prove(&with(offered)).await, "not required, and valid");
}

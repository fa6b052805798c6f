//! An attestation together with a DPoP proof.

use super::{Attested, C5, ICA, assert_granted, assert_refused};
use crate::dpop::thumbprint;
use serde_json::{Value, json};
use testudo_protocol::Timestamp;
use testudo_protocol::jose::Algorithm;
use testudo_protocol::oauth::server_nonce::NoncePurpose;
use testudo_testkit::generate_key;
use testudo_testkit::http::Answer;
use testudo_testkit::token::{Draft, claims};

pub async fn combine(attested: &Attested, attestation: &Draft<'_>, dpop: &Draft<'_>) -> Answer {
    attested.ask_combined(&attestation.sign(), &dpop.sign()).await
}

// Rows F-18 to F-20.
#[tokio::test]
async fn abca_7_3_dpop_proof_with_the_attested_key_takes_the_place_of_the_pop_and_binds_the_token() {
    let attested = Attested::start().await;
    let other = generate_key(Algorithm::ES256, None);
    let by_other = attested.dpop(&other, "1");
    let answer = combine(&attested, &attested.attestation(), &by_other).await;
    assert_refused(&answer, ICA, "another key");

    let mut reordered: Value = serde_json::from_str(&attested.key.proof_jwk()).unwrap();
    let y = reordered.as_object_mut().unwrap().remove("y").unwrap();
    let text = format!(
        "{{\"y\":{y},\"use\":\"sig\",\"kid\":\"k\",\"x\":{},\"kty\":\"EC\",\"crv\":\"P-256\"}}",
        reordered["x"]
    );
    let reordered: Value = serde_json::from_str(&text).unwrap();
    let plain = attested.dpop(&attested.key, "1");
    let with_members = attested.dpop(&attested.key, "2").header("jwk", reordered);
    for (name, proof) in [("same key", plain), ("same key, other members", with_members)] {
        let answer = combine(&attested, &attested.attestation(), &proof).await;
        assert_granted(&answer, name);
        assert_eq!(answer.json()["token_type"], "DPoP");
        let token = claims(&answer.access_token());
        assert_eq!(
            token["cnf"],
            json!({ "jkt": thumbprint(&attested.key) }),
            "{name}"
        );
        assert_eq!(token["client_id"], C5);
        let replayed = combine(&attested, &attested.attestation(), &proof).await;
        assert_refused(&replayed, "invalid_dpop_proof", name);
    }
    let wrong = attested.dpop(&attested.key, "3").claim("htm", "GET");
    let answer = combine(&attested, &attested.attestation(), &wrong).await;
    assert_refused(&answer, "invalid_dpop_proof", "htm");
}

// Row F-21.
#[tokio::test]
async fn abca_7_4_combined_proof_needs_a_nonce_if_the_attester_or_the_server_requires_freshness() {
    let attested = Attested::start().await;
    let at2 = Draft::attestation(&attested.at2, C5, &attested.key, attested.world.now());
    let refused = combine(&attested, &at2, &attested.dpop(&attested.key, "1")).await;
    assert_refused(&refused, "use_dpop_nonce", "challenge = required");
    let nonce = refused.header("dpop-nonce").unwrap();
    let nonces = &attested.world.running.app.nonces;
    let challenge = nonces.issue(
        NoncePurpose::AttestationChallenge,
        Timestamp(attested.world.now()),
    );
    let with = |value: &str| attested.dpop(&attested.key, "1").claim("nonce", value);
    let refused = combine(&attested, &at2, &with(&challenge)).await;
    assert_refused(
        &refused,
        "use_dpop_nonce",
        "a challenge in the place of the nonce",
    );
    let answer = combine(&attested, &at2, &with(nonce)).await;
    assert_granted(&answer, "with the nonce");

    let tokens = "[tokens]\ndpop_nonce = \"required\"";
    let attested = Attested::start_with(super::ATTESTERS, tokens).await;
    let proof = || attested.dpop(&attested.key, "1");
    let refused = combine(&attested, &attested.attestation(), &proof()).await;
    assert_refused(&refused, "use_dpop_nonce", "dpop_nonce = required");
    let with_nonce = proof().claim("nonce", refused.header("dpop-nonce").unwrap());
    let answer = combine(&attested, &attested.attestation(), &with_nonce).await;
    assert_granted(&answer, "dpop_nonce = required, with the nonce");
}

// Row F-23.
#[tokio::test]
async fn abca_7_dpop_proof_beside_a_pop_is_independent_and_the_token_is_bound_to_its_key() {
    let attested = Attested::start().await;
    let other = generate_key(Algorithm::ES256, None);
    let attestation = attested.attestation().sign();
    let send = async |pop: &str, dpop: &[&str]| {
        let mut headers = vec![
            ("OAuth-Client-Attestation", attestation.as_str()),
            ("OAuth-Client-Attestation-PoP", pop),
        ];
        headers.extend(dpop.iter().map(|proof| ("DPoP", *proof)));
        attested.send(&headers, &[]).await
    };
    let (pop, dpop) = (attested.pop("1").sign(), attested.dpop(&other, "1").sign());
    let answer = send(&pop, &[&dpop]).await;
    assert_granted(&answer, "both proofs");
    assert_eq!(
        claims(&answer.access_token())["cnf"],
        json!({ "jkt": thumbprint(&other) })
    );
    // Each of the two is used once.
    let (second_pop, second_dpop) = (attested.pop("2").sign(), attested.dpop(&other, "2").sign());
    assert_refused(&send(&pop, &[&second_dpop]).await, ICA, "the PoP again");
    let again = send(&second_pop, &[&dpop]).await;
    assert_refused(&again, "invalid_dpop_proof", "the DPoP proof again");
    let twice = send(&second_pop, &[&second_dpop, &second_dpop]).await;
    assert_refused(&twice, "invalid_dpop_proof", "two DPoP headers");
    assert_granted(&send(&second_pop, &[&second_dpop]).await, "both, new");
}

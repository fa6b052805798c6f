//! The proof of the key of a WIT-SVID, and what its token is bound to.

use super::{POP, WORKLOAD, Wits};
use crate::attestation::ICA;
use crate::dpop::thumbprint;
use crate::world::{ISSUER, RULES, assert_granted, assert_refused};
use serde_json::{Value, json};
use testudo_protocol::jose::Algorithm;
use testudo_testkit::generate_key;
use testudo_testkit::token::{Draft, claims};

// Rows F-01 to F-09, F-11, F-17, F-29.
#[tokio::test]
async fn pop_is_verified_with_the_key_of_the_wit_svid_only_and_used_once() {
    let wits = Wits::start().await;
    let other = generate_key(Algorithm::ES256, None);
    let now = wits.world.now();
    let jwk: Value = serde_json::from_str(&other.proof_jwk()).unwrap();
    let by_other = || Draft::attestation_pop(&other, ISSUER, "1", now);
    let pop = || wits.pop("1");
    let rows = [
        ("another key", by_other()),
        ("another key in the header", by_other().header("jwk", jwk)),
        (
            "key of the trust domain",
            Draft::attestation_pop(&wits.a, ISSUER, "1", now),
        ),
        ("alg none", pop().header("alg", "none")),
        ("alg HS256", pop().mac(wits.key.proof_jwk().as_bytes())),
        ("typ dpop+jwt", pop().header("typ", "dpop+jwt")),
        ("typ wit+jwt", pop().header("typ", "wit+jwt")),
        ("typ missing", pop().without_header("typ")),
        (
            "aud of the endpoint",
            pop().claim("aud", "https://as.example/token"),
        ),
        ("aud missing", pop().without_claim("aud")),
        (
            "two aud",
            pop().claim("aud", json!([ISSUER, "https://x.example"])),
        ),
        ("jti missing", pop().without_claim("jti")),
        ("iat missing", pop().without_claim("iat")),
        ("iat too old", pop().claim("iat", now - 120)),
        ("iat in the future", pop().claim("iat", now + 120)),
    ];
    for (name, proof) in rows {
        assert_refused(&wits.prove(&wits.wit(), &[(POP, &proof)]).await, ICA, name);
    }
    let (wit, proof) = (wits.wit().sign(), pop().claim("iss", "x").claim("exp", 1).sign());
    let headers = [(super::WIT, wit.as_str()), (POP, &proof)];
    let refused = wits.send(&headers, &[("client_id", "another")]).await;
    assert_refused(&refused, "invalid_client", "another client_id");
    assert_granted(&wits.send(&headers, &[]).await, "the same proof, not used yet");
    assert_refused(&wits.send(&headers, &[]).await, ICA, "used");
    assert_refused(
        &wits.send(&headers, &[("client_id", WORKLOAD)]).await,
        ICA,
        "other body",
    );
}

// Rows F-12 to F-14, F-21.
#[tokio::test]
async fn trust_domain_that_requires_challenges_gets_a_challenge_or_in_combined_mode_a_nonce() {
    let wits = Wits::start().await;
    let of_b = || Draft::wit_svid(&wits.b, "spiffe://b.example/x/1", &wits.key, wits.world.now());
    let refused = wits.prove(&of_b(), &[(POP, &wits.pop("1"))]).await;
    assert_refused(&refused, "use_attestation_challenge", "no challenge");
    let challenge = refused.header("oauth-client-attestation-challenge").unwrap();
    let refused = wits.prove(&of_b(), &[("DPoP", &wits.dpop(&wits.key, "1"))]).await;
    assert_refused(&refused, "use_dpop_nonce", "no nonce");
    let nonce = refused.header("dpop-nonce").unwrap();
    for (name, wrong) in [("made up", "abc"), ("a nonce", nonce)] {
        let pop = wits.pop("1").claim("challenge", wrong);
        let answer = wits.prove(&of_b(), &[(POP, &pop)]).await;
        assert_refused(&answer, "use_attestation_challenge", name);
    }
    let dpop = wits.dpop(&wits.key, "1").claim("nonce", challenge);
    let answer = wits.prove(&of_b(), &[("DPoP", &dpop)]).await;
    assert_refused(&answer, "use_dpop_nonce", "a challenge as nonce");
    let pop = wits.pop("1").claim("challenge", challenge);
    assert_granted(&wits.prove(&of_b(), &[(POP, &pop)]).await, "challenge");
    let dpop = wits.dpop(&wits.key, "1").claim("nonce", nonce);
    assert_granted(&wits.prove(&of_b(), &[("DPoP", &dpop)]).await, "nonce");
    let pop = wits.pop("2").claim("challenge", challenge);
    wits.world.running.app.clock.shift(301);
    let answer = wits
        .prove(&of_b(), &[(POP, &pop.claim("iat", wits.world.now()))])
        .await;
    assert_refused(&answer, "use_attestation_challenge", "an old challenge");
}

// Rows F-03, F-18 to F-20.
#[tokio::test]
async fn proof_uses_exactly_the_algorithm_and_key_that_the_wit_svid_states() {
    let wits = Wits::start().await;
    let rsa = generate_key(Algorithm::RS256, None);
    let wit_of = |alg: &str| {
        let mut wit = Draft::wit_svid(&wits.a, WORKLOAD, &rsa, wits.world.now());
        wit.claims["cnf"]["jwk"]["alg"] = alg.into();
        wit
    };
    let pop = Draft::attestation_pop(&rsa, ISSUER, "1", wits.world.now());
    let dpop = wits.dpop(&rsa, "1");
    for (field, proof) in [(POP, &pop), ("DPoP", &dpop)] {
        let answer = wits.prove(&wit_of("PS256"), &[(field, proof)]).await;
        assert_refused(&answer, ICA, field);
        assert_granted(&wits.prove(&wit_of("RS256"), &[(field, proof)]).await, field);
    }
    let other = generate_key(Algorithm::ES256, None);
    let answer = wits
        .prove(&wits.wit(), &[("DPoP", &wits.dpop(&other, "1"))])
        .await;
    assert_refused(&answer, ICA, "another key");
    let dpop = wits.dpop(&wits.key, "1");
    let with_members = wits
        .dpop(&wits.key, "2")
        .header("jwk", wits.jwk("kid", json!("k")));
    for (name, proof) in [("the same key", &dpop), ("with other members", &with_members)] {
        let answer = wits.prove(&wits.wit(), &[("DPoP", proof)]).await;
        assert_granted(&answer, name);
        assert_eq!(answer.json()["token_type"], "DPoP");
        let cnf = claims(&answer.access_token())["cnf"].clone();
        assert_eq!(cnf, json!({ "jkt": thumbprint(&wits.key) }), "{name}");
        let again = wits.prove(&wits.wit(), &[("DPoP", proof)]).await;
        assert_refused(&again, "invalid_dpop_proof", "used");
    }
}

// Row F-23.
#[tokio::test]
async fn token_is_bound_as_the_rule_requires_and_a_pop_alone_binds_nothing() {
    let other = generate_key(Algorithm::ES256, None);
    for (constraint, code) in [
        ("none", None),
        ("dpop", Some("invalid_dpop_proof")),
        ("any", Some("invalid_request")),
    ] {
        let named = format!("name = \"W\"\nsender_constraint = \"{constraint}\"");
        let wits = Wits::start_with("", &RULES.replacen("name = \"W\"", &named, 1)).await;
        let alone = wits.show(&wits.wit(), "1").await;
        match code {
            Some(code) => assert_refused(&alone, code, constraint),
            None => {
                assert_granted(&alone, constraint);
                assert!(claims(&alone.access_token())["cnf"].is_null());
                assert_eq!(alone.json()["token_type"], "Bearer");
            }
        }
        let (pop, dpop) = (wits.pop("2"), wits.dpop(&other, "2"));
        let combined = wits.dpop(&wits.key, "3");
        let rows: [(&str, &[(&str, &Draft<'_>)], _); 2] = [
            ("PoP and DPoP", &[(POP, &pop), ("DPoP", &dpop)], &other),
            ("combined", &[("DPoP", &combined)], &wits.key),
        ];
        for (name, proofs, key) in rows {
            let answer = wits.prove(&wits.wit(), proofs).await;
            assert_granted(&answer, name);
            let cnf = claims(&answer.access_token())["cnf"].clone();
            assert_eq!(cnf, json!({ "jkt": thumbprint(key) }), "{constraint} {name}");
        }
    }
}

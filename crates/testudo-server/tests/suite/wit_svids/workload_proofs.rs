//! Workload Proof Tokens, which an experiment of the configuration enables.

use super::{POP, WIT, Wits};
use crate::attestation::ICA;
use crate::dpop::thumbprint;
use crate::world::{RULES, assert_granted, assert_refused};
use serde_json::json;
use testudo_protocol::jose::Algorithm;
use testudo_testkit::http::Answer;
use testudo_testkit::token::{Draft, claims};
use testudo_testkit::{generate_key, svid_form};

const FIELD: &str = "Workload-Proof-Token";
const EXPERIMENT: &str = "[experiments]\nworkload_proof_token = \"draft-02\"";
const URI: &str = "https://as.example/token";

/// A valid proof for a request with this WIT-SVID.
fn proof<'w>(wits: &'w Wits, wit: &str, jti: &str) -> Draft<'w> {
    Draft::workload_proof(&wits.key, wit, URI, jti, wits.world.now())
}

/// A token request with this WIT-SVID and this proof.
async fn ask(wits: &Wits, wit: &str, proof: &Draft<'_>) -> Answer {
    wits.send(&[(WIT, wit), (FIELD, &proof.sign())], &[]).await
}

/// A token request with a JWT-SVID and this header field.
async fn beside_jwt_svid(wits: &Wits, value: &str) -> Answer {
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        (FIELD, value),
    ];
    let body = svid_form(&wits.world.svid("/x/4"), &[]);
    let mut connection = wits.world.connect().await;
    connection.send("POST", "/token", &headers, body).await
}

#[tokio::test]
async fn workload_proof_token_is_refused_with_a_sentence_that_names_it_unless_it_is_enabled() {
    let wits = Wits::start().await;
    let wit = wits.wit().sign();
    let workload_proof = proof(&wits, &wit, "1");
    let refused = ask(&wits, &wit, &workload_proof).await;
    assert_refused(&refused, ICA, "off");
    let sentence = refused.json()["error_description"].as_str().unwrap().to_owned();
    assert!(sentence.contains(FIELD), "{sentence}");
    let question = json!({ "request_id": refused.header("request-id").unwrap() });
    let explained = wits
        .world
        .admin("POST", "/admin/v1/explain", question)
        .await
        .to_string();
    for part in ["workload_proof_off", "[experiments]"] {
        assert!(explained.contains(part), "{part}: {explained}");
    }
    // Beside a proof that this server accepts, the field has no effect, and with another credential neither.
    let with_pop = wits
        .prove(&wits.wit(), &[(POP, &wits.pop("1")), (FIELD, &workload_proof)])
        .await;
    assert_granted(&with_pop, "beside a PoP");
    let answer = beside_jwt_svid(&wits, "x").await;
    assert_granted(&answer, "beside a JWT-SVID");
}

#[tokio::test]
async fn wpt_2_workload_proof_token_proves_the_key_of_the_wit_svid_once() {
    let wits = Wits::start_with(EXPERIMENT, RULES).await;
    let wit = wits.wit().sign();
    let workload_proof = proof(&wits, &wit, "1");
    let granted = ask(&wits, &wit, &workload_proof).await;
    assert_granted(&granted, "enabled");
    let token = claims(&granted.access_token());
    assert!(token["cnf"].is_null(), "{token}");
    assert_eq!(token["instance"], thumbprint(&wits.key));
    assert_refused(&ask(&wits, &wit, &workload_proof).await, ICA, "used");
    let signed_again = proof(&wits, &wit, "1").claim("more", 1);
    assert_refused(&ask(&wits, &wit, &signed_again).await, ICA, "the same jti");
    let refused = wits
        .send(
            &[(WIT, &wit), (FIELD, &proof(&wits, &wit, "2").sign())],
            &[("client_id", "another")],
        )
        .await;
    assert_refused(&refused, "invalid_client", "another client_id");
    assert_granted(&ask(&wits, &wit, &proof(&wits, &wit, "2")).await, "not used up");
    // The token is bound to the key of a DPoP proof beside it.
    let other = generate_key(Algorithm::ES256, None);
    let (third, dpop) = (proof(&wits, &wit, "3").sign(), wits.dpop(&other, "3").sign());
    let answer = wits
        .send(&[(WIT, &wit), (FIELD, &third), ("DPoP", &dpop)], &[])
        .await;
    assert_granted(&answer, "with DPoP");
    let cnf = claims(&answer.access_token())["cnf"].clone();
    assert_eq!(cnf, json!({ "jkt": thumbprint(&other) }));
}

#[tokio::test]
async fn wpt_2_workload_proof_token_for_another_request_wit_or_key_is_refused() {
    let wits = Wits::start_with(EXPERIMENT, RULES).await;
    let now = wits.world.now();
    let wit = wits.wit().sign();
    let other_wit = wits.wit().claim("x", "y").sign();
    let other = generate_key(Algorithm::ES256, None);
    let good = || proof(&wits, &wit, "1");
    let rows = [
        ("another key", Draft::workload_proof(&other, &wit, URI, "1", now)),
        (
            "key of the trust domain",
            Draft::workload_proof(&wits.a, &wit, URI, "1", now),
        ),
        (
            "typ of a PoP",
            good().header("typ", "oauth-client-attestation-pop+jwt"),
        ),
        ("typ dpop+jwt", good().header("typ", "dpop+jwt")),
        ("alg none", good().header("alg", "none")),
        ("aud of the issuer", good().claim("aud", "https://as.example")),
        (
            "aud of another server",
            good().claim("aud", "https://other.example/token"),
        ),
        (
            "two aud",
            good().claim("aud", json!([URI, "https://other.example/token"])),
        ),
        ("exp now", good().claim("exp", now)),
        ("exp far ahead", good().claim("exp", now + 600)),
        ("jti missing", good().without_claim("jti")),
        ("wth missing", good().without_claim("wth")),
        ("wth of another WIT-SVID", proof(&wits, &other_wit, "1")),
        ("ath", good().claim("ath", "x")),
        ("tth", good().claim("tth", "x")),
        ("oth", good().claim("oth", json!({ "x": "y" }))),
    ];
    for (name, draft) in rows {
        assert_refused(&ask(&wits, &wit, &draft).await, ICA, name);
    }
    let pop = wits.prove(&wits.wit(), &[(FIELD, &wits.pop("1"))]).await;
    assert_refused(&pop, ICA, "a PoP in its field");
    let in_place_of_pop = wits.send(&[(WIT, &wit), (POP, &good().sign())], &[]).await;
    assert_refused(&in_place_of_pop, ICA, "in the field of the PoP");
    assert_granted(&ask(&wits, &wit, &good()).await, "without a fault");
    assert_granted(
        &ask(&wits, &other_wit, &proof(&wits, &other_wit, "2")).await,
        "the other WIT-SVID",
    );
}

#[tokio::test]
async fn workload_proof_token_is_the_only_proof_and_stands_beside_a_wit_svid_only() {
    let wits = Wits::start_with(EXPERIMENT, RULES).await;
    let wit = wits.wit().sign();
    let (one, two) = (proof(&wits, &wit, "1").sign(), proof(&wits, &wit, "2").sign());
    let (pop, joined) = (wits.pop("1").sign(), format!("{one},{two}"));
    let rows: [(&str, &[(&str, &str)]); 4] = [
        ("two fields", &[(WIT, &wit), (FIELD, &one), (FIELD, &two)]),
        ("joined", &[(WIT, &wit), (FIELD, &joined)]),
        ("beside a PoP", &[(WIT, &wit), (FIELD, &one), (POP, &pop)]),
        ("empty", &[(WIT, &wit), (FIELD, "")]),
    ];
    for (name, headers) in rows {
        assert_refused(&wits.send(headers, &[]).await, "invalid_request", name);
    }
    let answer = beside_jwt_svid(&wits, &one).await;
    assert_refused(&answer, "invalid_request", "beside a JWT-SVID");
    // Trust domain b requires a challenge.
    let of_b = Draft::wit_svid(&wits.b, "spiffe://b.example/x/1", &wits.key, wits.world.now()).sign();
    let answer = ask(&wits, &of_b, &proof(&wits, &of_b, "3")).await;
    assert_refused(&answer, ICA, "challenge = required");
    assert_granted(&wits.send(&[(WIT, &wit), (FIELD, &one)], &[]).await, "one");
}

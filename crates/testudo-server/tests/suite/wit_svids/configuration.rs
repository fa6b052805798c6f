//! What follows from the `wit-svid` keys of a bundle: metadata, `trust show`, explanations.

use super::Wits;
use crate::attestation::ICA;
use crate::world::{assert_granted, assert_refused};
use serde_json::{Value, json};

// Row J-14.
#[tokio::test]
async fn spiffe_auth_4_metadata_lists_spiffe_wit_only_while_a_bundle_has_wit_svid_keys() {
    let wits = Wits::start().await;
    let of_proofs = "client_attestation_pop_signing_alg_values_supported";
    let shown = wits.metadata().await;
    let methods = &shown["token_endpoint_auth_methods_supported"];
    assert!(
        methods.as_array().unwrap().contains(&json!("spiffe_wit")),
        "{methods}"
    );
    assert!(!methods.to_string().contains("attest_jwt"), "{methods}");
    let nine = [
        "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    ];
    for list in ["client_attestation_signing_alg_values_supported", of_proofs] {
        assert_eq!(shown[list], json!(nine), "{list}");
    }
    wits.publish("a", &[]).await;
    wits.publish("b", &[]).await;
    let shown = wits.metadata().await;
    assert!(
        !shown.to_string().contains("spiffe_wit") && shown[of_proofs].is_null(),
        "{shown}"
    );
    assert_refused(&wits.show(&wits.wit(), "1").await, ICA, "no WIT keys");
    assert_eq!(
        wits.world.ask("/x/4", &[]).await.status,
        200,
        "JWT-SVIDs need other keys"
    );
}

#[tokio::test]
async fn trust_show_lists_the_wit_svid_keys_with_use_and_first_time() {
    let wits = Wits::start().await;
    let shown = wits
        .world
        .admin("GET", "/admin/v1/trust/a.example", Value::Null)
        .await;
    assert_eq!(shown["wit_keys"], json!(["wa1"]));
    assert_eq!(shown["jwt_keys"].as_array().unwrap().len(), 1);
    let keys = shown["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["use"] == "wit-svid").unwrap();
    assert_eq!(
        (&key["kid"], &key["algorithms"]),
        (&json!("wa1"), &json!(["ES256"]))
    );
    assert_eq!(key["thumbprint"], crate::dpop::thumbprint(&wits.a));
    assert!(key["first_seen"].is_string(), "{key}");
}

#[tokio::test]
async fn explanation_of_a_refused_wit_svid_names_the_fault_and_the_remedy() {
    let wits = Wits::start().await;
    for (draft, parts) in [
        (
            wits.wit().claim("aud", "x"),
            ["wit_svid_with_audience", "without aud"],
        ),
        (
            wits.wit().without_header("kid"),
            ["wit_svid_without_kid", "with kid"],
        ),
        (
            wits.wit().header("kid", "wa9"),
            ["attestation_malformed_or_forged", "testudo trust show"],
        ),
    ] {
        let answer = wits.show(&draft, "1").await;
        let question = json!({ "request_id": answer.header("request-id").unwrap() });
        let explained = wits
            .world
            .admin("POST", "/admin/v1/explain", question)
            .await
            .to_string();
        for part in parts {
            assert!(explained.contains(part), "{part}: {explained}");
        }
    }
    assert_granted(&wits.show(&wits.wit(), "1").await, "without a fault");
}

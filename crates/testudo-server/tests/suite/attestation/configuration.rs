//! What follows from the entries of attesters: metadata, reloads, and their key sets.

use super::combined::combine;
use super::{ATTESTERS, Attested, ICA, assert_granted, assert_refused};
use crate::world::World;
use serde_json::{Value, json};

async fn metadata(world: &World) -> Value {
    let mut connection = world.connect().await;
    let answer = connection.get("/.well-known/oauth-authorization-server").await;
    answer.json()
}

const LISTS: [&str; 3] = [
    "client_attestation_signing_alg_values_supported",
    "client_attestation_pop_signing_alg_values_supported",
    "client_attestation_pop_methods_supported",
];

// Rows J-14, F-22.
#[tokio::test]
async fn abca_8_metadata_lists_attestation_only_while_an_attester_has_keys() {
    let attested = Attested::start().await;
    let shown = metadata(&attested.world).await;
    let methods = shown["token_endpoint_auth_methods_supported"].as_array().unwrap();
    for method in ["attest_jwt_client_auth", "attest_jwt_client_auth_dpop"] {
        assert!(methods.contains(&json!(method)), "{methods:?}");
    }
    assert_eq!(
        shown[LISTS[2]],
        json!(["attestation_pop_jwt", "dpop_combined", "none"])
    );
    for list in [LISTS[0], LISTS[1]] {
        assert!(
            shown[list].as_array().unwrap().contains(&json!("ES256")),
            "{shown}"
        );
    }
    let combined = async |jti: &str| {
        combine(
            &attested,
            &attested.attestation(),
            &attested.dpop(&attested.key, jti),
        )
        .await
    };
    assert_granted(&combined("1").await, "combined");
    attested.world.publish_keys("at1", &[]).await;
    attested.world.publish_keys("at2", &[]).await;
    let shown = metadata(&attested.world).await;
    assert!(
        !shown["token_endpoint_auth_methods_supported"]
            .to_string()
            .contains("attest_jwt")
    );
    assert!(LISTS.iter().all(|list| shown[list].is_null()), "{shown}");
    let answer = attested.attest(&attested.attestation(), "1").await;
    assert_refused(&answer, ICA, "no keys");
    assert_refused(&combined("2").await, ICA, "no keys, combined");
}

#[tokio::test]
async fn attester_is_listed_and_shown_and_a_reload_adds_and_removes_it() {
    let attested = Attested::start().await;
    assert_granted(&attested.attest(&attested.attestation(), "1").await, "configured");
    let shown = attested
        .world
        .admin("GET", "/admin/v1/trust/at1", Value::Null)
        .await;
    assert_eq!(
        (&shown["authority"], &shown["jwt_keys"], &shown["state"]),
        (&json!("at1:"), &json!(["at1-key"]), &json!("fresh"))
    );
    let path = attested.world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(ATTESTERS, "")).unwrap();
    attested.world.admin("POST", "/admin/v1/reload", json!({})).await;
    let answer = attested.attest(&attested.attestation(), "2").await;
    assert_refused(&answer, ICA, "not configured any more");
    std::fs::write(&path, text).unwrap();
    attested.world.admin("POST", "/admin/v1/reload", json!({})).await;
    attested.world.publish_keys("at1", &[&attested.at1]).await;
    assert_granted(
        &attested.attest(&attested.attestation(), "2").await,
        "configured again",
    );
}

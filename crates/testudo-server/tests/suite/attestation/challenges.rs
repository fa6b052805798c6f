//! The challenge endpoint.

use crate::world::{ISSUER, World};
use serde_json::Value;
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::server_nonce::NoncePurpose;

// Row F-15.
#[tokio::test]
async fn abca_6_3_challenge_endpoint_answers_with_a_value_for_each_purpose_and_writes_nothing() {
    let world = World::start().await;
    let mut connection = world.connect().await;
    let metadata = connection.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(
        metadata.json()["challenge_endpoint"],
        format!("{ISSUER}/challenge")
    );
    let nonces = &world.running.app.nonces;
    let now = Timestamp(world.now());
    for body in ["", "attestation_challenge=mine", "{\"a\":"] {
        let answer = connection.send("POST", "/challenge", &[], body).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json"))
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let members = answer.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let values = [
            (
                NoncePurpose::Dpop,
                answer.header("dpop-nonce").unwrap().to_owned(),
            ),
            (
                NoncePurpose::AttestationChallenge,
                text(&members["attestation_challenge"]),
            ),
        ];
        let for_registration = text(&members["registration_nonce"]);
        assert!(nonces.accepts_for_registration(&for_registration, now));
        for (purpose, value) in &values {
            assert!(!nonces.accepts(*purpose, &for_registration, now), "{purpose:?}");
            assert!(!nonces.accepts_for_registration(value, now), "{purpose:?}");
            for (other, _) in &values {
                assert_eq!(
                    nonces.accepts(*other, value, now),
                    purpose == other,
                    "a value for {purpose:?} as {other:?}"
                );
            }
        }
    }
    let events = world.events("client.refused").await;
    assert!(events.is_empty() && world.client_ids().await.is_empty());
    let answer = connection.get("/challenge").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
}

//! Assertions that a configured client signs itself, at the token endpoint.

use crate::world::{ISSUER, World, assert_same_answers};
use serde_json::json;
use testudo_protocol::jose::Algorithm;
use testudo_testkit::token::Draft;
use testudo_testkit::{form, generate_key};

/// The type of an assertion that is a SAML document.
const SAML: &str = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";

// Rows H-02, H-03, H-04, H-06, H-08.
#[tokio::test]
async fn assertion_for_another_server_or_of_another_client_is_refused_with_one_answer() {
    let world = World::start().await;
    let now = world.now();
    let other_key = generate_key(Algorithm::ES256, Some("c6"));
    let good = || Draft::assertion(&world.c6, "c6", ISSUER, "1", now);
    let as_other = [("client_id", "other")];
    let mut answers = Vec::new();
    for (case, assertion, more) in [
        // An authorization server of an attacker has this token endpoint in its metadata, and passes on what it receives.
        (
            "H-03 token endpoint",
            good().claim("aud", format!("{ISSUER}/token")),
            &[][..],
        ),
        (
            "H-03 server of the attacker",
            good().claim("aud", "https://evil.example"),
            &[],
        ),
        (
            "H-03 both",
            good().claim("aud", json!(["https://evil.example", ISSUER])),
            &[],
        ),
        (
            "H-02 issuer and token endpoint",
            good().claim("aud", json!([ISSUER, format!("{ISSUER}/token")])),
            &[],
        ),
        (
            "H-02 PAR endpoint",
            good().claim("aud", format!("{ISSUER}/par")),
            &[],
        ),
        ("H-04 iss is another", good().claim("iss", "other"), &[]),
        ("H-04 sub is another", good().claim("sub", "other"), &[]),
        (
            "H-04 both are another",
            good().claim("iss", "other").claim("sub", "other"),
            &[],
        ),
        ("H-04 no iss", good().without_claim("iss"), &[]),
        ("H-04 no sub", good().without_claim("sub"), &[]),
        ("H-04 client_id is another", good(), &as_other),
        ("H-06 ten years", good().claim("exp", now + 315_360_000), &[]),
        ("H-06 no exp", good().without_claim("exp"), &[]),
        ("H-08 access token", good().header("typ", "at+jwt"), &[]),
        ("H-08 DPoP proof", good().header("typ", "dpop+jwt"), &[]),
        ("H-08 logout token", good().header("typ", "logout+jwt"), &[]),
        (
            "another key with the same kid",
            Draft::assertion(&other_key, "c6", ISSUER, "1", now),
            &[],
        ),
    ] {
        answers.push((case, world.ask_with(assertion, more).await));
    }
    assert_same_answers("invalid_client", &answers);
    // None of them used up the `jti` of the good assertion.
    let answer = world.ask_with(good(), &[("client_id", "c6")]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

// Row H-07.
#[tokio::test]
async fn assertion_type_of_saml_is_refused_also_with_an_assertion_that_is_good_otherwise() {
    let world = World::start().await;
    let good = Draft::assertion(&world.c6, "c6", ISSUER, "1", world.now()).sign();
    let send = async |kind: &str, assertion: &str| {
        let parameters = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", kind),
            ("client_assertion", assertion),
        ];
        world.send(&form(&parameters)).await
    };
    for assertion in [&good, "PHNhbWxwOkFzc2VydGlvbi8-"] {
        let answer = send(SAML, assertion).await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "invalid_client".to_owned()),
            "{answer:?}"
        );
    }
    let bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    assert_eq!(send(bearer, &good).await.status, 200);
}

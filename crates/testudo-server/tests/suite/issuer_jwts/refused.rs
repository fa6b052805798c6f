//! Tokens that are refused, each beside the token without the fault.

use super::{Ci, GITLAB, granted};
use crate::world::{ISSUER, assert_same_answers};
use serde_json::json;
use testudo_protocol::jose::Algorithm;
use testudo_testkit::generate_key;
use testudo_testkit::token::Draft;

// Rows H-02, H-06, H-08, I-20.
#[tokio::test]
async fn token_with_a_fault_is_refused_with_one_answer_and_its_reason_is_in_the_event() {
    let ci = Ci::start().await;
    let now = ci.world.now();
    let unknown = generate_key(Algorithm::RS256, Some("k"));
    let good = || ci.github();
    let long = "x".repeat(600);
    let cases: Vec<(&str, Draft<'_>, &str)> = vec![
        ("unknown key", ci.github_by(&unknown), "token_malformed_or_forged"),
        (
            "key of another issuer",
            ci.github_by(&ci.gitlab),
            "token_malformed_or_forged",
        ),
        (
            "unknown kid",
            good().header("kid", "other"),
            "token_malformed_or_forged",
        ),
        (
            "MAC",
            good().header("alg", "HS256").mac(b"k"),
            "algorithm_not_allowed",
        ),
        ("none", good().header("alg", "none"), "algorithm_not_allowed"),
        (
            "crit",
            good().header("crit", json!(["x"])),
            "token_malformed_or_forged",
        ),
        ("b64", good().header("b64", false), "token_malformed_or_forged"),
        ("access token", good().header("typ", "at+jwt"), "type_not_allowed"),
        (
            "logout token",
            good().header("typ", "logout+jwt"),
            "type_not_allowed",
        ),
        ("DPoP proof", good().header("typ", "dpop+jwt"), "type_not_allowed"),
        (
            "attestation",
            good().header("typ", "oauth-client-attestation+jwt"),
            "type_not_allowed",
        ),
        (
            "verifiable credential",
            good().header("typ", "vc+jwt"),
            "type_not_allowed",
        ),
        (
            "security event",
            good().header("typ", "secevent+jwt"),
            "type_not_allowed",
        ),
        (
            "other spelling of the issuer",
            good().claim("iss", "https://token.actions.example/"),
            "unknown_client",
        ),
        (
            "issuer of another entry",
            good().claim("iss", GITLAB),
            "token_malformed_or_forged",
        ),
        (
            "unknown issuer",
            good().claim("iss", "https://evil.example"),
            "unknown_client",
        ),
        (
            "no issuer",
            good().without_claim("iss"),
            "token_malformed_or_forged",
        ),
        (
            "no subject",
            good().without_claim("sub"),
            "token_malformed_or_forged",
        ),
        (
            "no audience",
            good().without_claim("aud"),
            "token_malformed_or_forged",
        ),
        (
            "token endpoint",
            good().claim("aud", "https://as.example/token"),
            "audience_mismatch",
        ),
        (
            "two audiences",
            good().claim("aud", json!([ISSUER, "https://b.example"])),
            "audience_mismatch",
        ),
        (
            "registration endpoint",
            good().claim("aud", "https://as.example/register"),
            "audience_mismatch",
        ),
        (
            "other audience",
            good().claim("aud", "sigstore"),
            "audience_mismatch",
        ),
        (
            "empty audience",
            good().claim("aud", json!([])),
            "audience_mismatch",
        ),
        ("expired", good().claim("exp", now), "assertion_expired"),
        (
            "no expiry",
            good().without_claim("exp"),
            "token_malformed_or_forged",
        ),
        (
            "expiry as text",
            good().claim("exp", (now + 60).to_string()),
            "token_malformed_or_forged",
        ),
        (
            "ten years",
            good().claim("exp", now + 315_360_000),
            "lifetime_too_long",
        ),
        (
            "an hour and more",
            good().claim("iat", now).claim("exp", now + 3601),
            "lifetime_too_long",
        ),
        ("without iat", good().without_claim("iat"), "issued_at_missing"),
        (
            "ten years, in its last minute",
            good().without_claim("iat").claim("exp", now + 60),
            "issued_at_missing",
        ),
        (
            "ten years, in its last minute, with iat",
            good().claim("iat", now - 315_360_000).claim("exp", now + 60),
            "lifetime_too_long",
        ),
        (
            "not yet valid",
            good().claim("nbf", now + 90),
            "assertion_not_yet_valid",
        ),
        (
            "from the future",
            good().claim("iat", now + 90),
            "assertion_from_the_future",
        ),
        ("long jti", good().claim("jti", long.as_str()), "jwt_id_too_long"),
        (
            "unprintable jti",
            good().claim("jti", "a\u{0}"),
            "jwt_id_unprintable",
        ),
        (
            "bound to a key",
            good().claim(
                "cnf",
                json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }),
            ),
            "token_bound_to_key",
        ),
        (
            "confirmation that is null",
            good().claim("cnf", json!(null)),
            "token_bound_to_key",
        ),
        (
            "no claim for the subject",
            good().without_claim("repository_id"),
            "subject_unusable",
        ),
        (
            "empty subject",
            good().claim("repository_id", ""),
            "subject_unusable",
        ),
        (
            "subject is a list",
            good().claim("repository_id", json!(["12345"])),
            "subject_unusable",
        ),
        (
            "subject is a fraction",
            good().claim("repository_id", 1.5),
            "subject_unusable",
        ),
        (
            "long subject",
            good().claim("repository_id", "9".repeat(2048)),
            "subject_unusable",
        ),
        (
            "other value of a claim",
            good()
                .claim("environment", "test")
                .claim("repository_owner_id", 78),
            "claim_differs",
        ),
        (
            "claim is missing",
            good()
                .without_claim("environment")
                .without_claim("repository_owner_id"),
            "claim_differs",
        ),
        (
            "claim is a list",
            good()
                .claim("environment", json!(["prod"]))
                .claim("repository_owner_id", json!([77])),
            "claim_differs",
        ),
        (
            "number as text",
            good()
                .claim("environment", "x")
                .claim("repository_owner_id", "77"),
            "claim_differs",
        ),
    ];
    granted(&ci.show(&good().sign()).await, "without a fault");
    let mut answers = Vec::new();
    for (case, token, reason) in &cases {
        let answer = ci.show(&token.sign()).await;
        let event = ci.world.refusal(&answer).await;
        assert_eq!(event["reason"], *reason, "{case}: {event}");
        assert!(!event.to_string().contains("eyJ"), "{case}: {event}");
        answers.push((*case, answer));
    }
    assert_same_answers("invalid_client", &answers);
    granted(&ci.show(&good().sign()).await, "without a fault, afterwards");
    assert_eq!(ci.world.client_ids().await, ["github:12345"]);
}

// Row H-08.
#[tokio::test]
async fn access_token_of_this_server_authenticates_no_client_at_it() {
    let ci = Ci::start().await;
    let answer = ci.show(&ci.github().sign()).await;
    granted(&answer, "first");
    let own = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(ci.show(&own).await.status, 400);
}

#[tokio::test]
async fn disabled_issuer_and_blocked_identity_are_refused_on_the_next_request() {
    let ci = Ci::start().await;
    let token = ci.github().sign();
    granted(&ci.show(&token).await, "before");
    let world = &ci.world;
    world
        .admin(
            "POST",
            "/admin/v1/trust/github/disable",
            json!({ "reason": "test" }),
        )
        .await;
    let answer = ci.show(&token).await;
    assert_eq!(world.reason_of(&answer).await, "authority_disabled");
    world
        .admin(
            "POST",
            "/admin/v1/trust/github/enable",
            json!({ "reason": "test" }),
        )
        .await;
    granted(&ci.show(&token).await, "enabled");
    let block = json!({ "identity": "github:12345", "reason": "test" });
    world.admin("POST", "/admin/v1/blocks", block).await;
    let answer = ci.show(&token).await;
    assert_eq!(world.reason_of(&answer).await, "identity_blocked");
}

//! Clients that register `dpop_bound_access_tokens`. [RFC9449 §5.2]

use super::{PAY, ask, key, proof};
use crate::registration::{PAY_ID, open_with, register};
use crate::world::{RULES, World};
use serde_json::json;
use testudo_testkit::token::claims;

/// A server with these rules, and a client that registered its tokens as bound or not. The answer must state that they
/// are bound, and a request without a proof must be refused.
async fn registered_as_bound(rules: &str, asked: bool) -> World {
    let world = open_with("", rules).await;
    let answer = register(&world, PAY_ID, json!({ "dpop_bound_access_tokens": asked })).await;
    let found = (answer.status, answer.json()["dpop_bound_access_tokens"].clone());
    assert_eq!(found, (201, json!(true)), "{}", answer.json());
    assert_eq!(world.ask(PAY, &[]).await.error(), "invalid_dpop_proof");
    world
}

// Row DR-31.
#[tokio::test]
async fn registration_cannot_lower_the_constraint_of_its_rule() {
    let rules = RULES.replacen("name = \"R1\"", "name = \"R1\"\nsender_constraint = \"dpop\"", 1);
    registered_as_bound(&rules, false).await;
}

#[tokio::test]
async fn rfc9449_5_2_client_that_registered_bound_tokens_gets_no_other() {
    let world = registered_as_bound(RULES, true).await;
    let key = key();
    let answer = ask(&world, &proof(&world, &key, "a").sign()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert!(claims(&answer.access_token())["cnf"]["jkt"].is_string());
}

// Row DR-145.
#[tokio::test]
async fn registration_of_two_bindings_is_refused() {
    let world = open_with("", RULES).await;
    let asked = json!({
        "dpop_bound_access_tokens": true,
        "tls_client_certificate_bound_access_tokens": true,
    });
    let answer = register(&world, PAY_ID, asked).await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (400, "invalid_client_metadata"),
        "{}",
        answer.json()
    );
}

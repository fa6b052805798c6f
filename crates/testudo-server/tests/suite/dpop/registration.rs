//! Clients that register `dpop_bound_access_tokens`. [RFC9449 §5.2]

use super::{PAY, ask, key, proof};
use crate::world::{RULES, World, domains};
use serde_json::{Value, json};
use testudo_testkit::token::claims;

async fn register(world: &World, metadata: Value) -> (u16, Value) {
    let headers = [("content-type", "application/json")];
    let answer = world.connect().await;
    let mut connection = answer;
    let answer = connection
        .send("POST", "/register", &headers, metadata.to_string())
        .await;
    (answer.status, answer.json())
}

fn statement(world: &World) -> String {
    let draft = testudo_testkit::token::Draft::svid(
        world.a.key(),
        &format!("spiffe://a.example{PAY}"),
        "https://as.example/register",
        world.now(),
    );
    draft.sign()
}

fn with_registration(rules: &str) -> String {
    format!("[registration]\nstatements = true\n{rules}")
}

// Row DR-31.
#[tokio::test]
async fn registration_cannot_lower_the_constraint_of_its_rule() {
    let rules = RULES.replacen("name = \"R1\"", "name = \"R1\"\nsender_constraint = \"dpop\"", 1);
    let world = World::start_with(&domains(""), &with_registration(&rules)).await;
    let asked = json!({ "software_statement": statement(&world), "dpop_bound_access_tokens": false });
    let (status, answer) = register(&world, asked).await;
    assert_eq!(
        (status, &answer["dpop_bound_access_tokens"]),
        (201, &json!(true)),
        "{answer}"
    );
    assert_eq!(world.ask(PAY, &[]).await.error(), "invalid_dpop_proof");
}

#[tokio::test]
async fn rfc9449_5_2_client_that_registered_bound_tokens_gets_no_other() {
    let world = World::start_with(&domains(""), &with_registration(RULES)).await;
    let asked = json!({ "software_statement": statement(&world), "dpop_bound_access_tokens": true });
    let (status, answer) = register(&world, asked).await;
    assert_eq!(
        (status, &answer["dpop_bound_access_tokens"]),
        (201, &json!(true)),
        "{answer}"
    );
    assert_eq!(world.ask(PAY, &[]).await.error(), "invalid_dpop_proof");
    let key = key();
    let answer = ask(&world, &proof(&world, &key, "a").sign()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert!(claims(&answer.access_token())["cnf"]["jkt"].is_string());
}

// Row DR-145.
#[tokio::test]
async fn registration_of_two_bindings_is_refused() {
    let world = World::start_with(&domains(""), &with_registration(RULES)).await;
    let asked = json!({
        "software_statement": statement(&world),
        "dpop_bound_access_tokens": true,
        "tls_client_certificate_bound_access_tokens": true,
    });
    let (status, answer) = register(&world, asked).await;
    assert_eq!(
        (status, &answer["error"]),
        (400, &json!("invalid_client_metadata")),
        "{answer}"
    );
}

//! Tests that `rule test` gives the result that a request of the identity would get.

use crate::explain::constrained_rules;
use crate::world::{RULES, TLS, World, domains};
use serde_json::{Value, json};

const PAY: &str = "/ns/pay/sa/api";
const PAY_ID: &str = "spiffe://a.example/ns/pay/sa/api";

async fn tested(world: &World, identity: &str) -> Value {
    let body = json!({ "identities": [identity] });
    let answer = world.admin("POST", "/admin/v1/rules/test", body).await;
    answer[0].clone()
}

#[tokio::test]
async fn rule_test_names_the_first_reason_to_refuse_a_request_of_the_identity() {
    let world = World::start().await;
    let fine = tested(&world, PAY_ID).await;
    assert_eq!((&fine["rule"], &fine["problem"]), (&json!("R1"), &Value::Null));
    for (identity, rejection) in [
        ("spiffe://o.example/ns/pay/sa/api", "first_use_observed"),
        ("spiffe://f.example/ns/pay/sa/api", "first_use_off"),
        ("spiffe://a.example/elsewhere", "no_rule"),
    ] {
        let tested = tested(&world, identity).await;
        assert_eq!(tested["rejection"], rejection, "{tested}");
        assert!(
            tested["problem"].is_string() && tested["hint"].is_string(),
            "{tested}"
        );
    }
    world.ask(PAY, &[]).await;
    let change = |path: &str, body: Value| {
        let path = format!("/admin/v1/{path}");
        let world = &world;
        async move { world.admin("POST", &path, body).await }
    };
    let client = json!({ "client_id": PAY_ID });
    let block = json!({ "identity": "spiffe://a.example/ns/pay/**", "reason": "test" });
    for (path, back, body, rejection) in [
        ("clients/freeze", "clients/thaw", client, "client_frozen"),
        ("blocks", "blocks/remove", block, "identity_blocked"),
        (
            "trust/a.example/disable",
            "trust/a.example/enable",
            json!({}),
            "authority_disabled",
        ),
    ] {
        change(path, body.clone()).await;
        let refused = tested(&world, PAY_ID).await;
        assert_eq!(refused["rejection"], rejection, "{refused}");
        assert_eq!(refused["rule"], "R1", "the matching rule must be shown");
        assert_eq!(
            world.ask(PAY, &[]).await.status,
            400,
            "a request must be refused as well"
        );
        change(back, body).await;
        assert!(tested(&world, PAY_ID).await["problem"].is_null());
    }
    assert_eq!(
        world.client_ids().await,
        [PAY_ID],
        "rule test must not register a client"
    );
}

#[tokio::test]
async fn rule_test_names_a_quota_that_is_full() {
    let world = World::start().await;
    for number in 0..3 {
        assert_eq!(world.ask(&format!("/small/{number}"), &[]).await.status, 200);
    }
    let full = tested(&world, "spiffe://a.example/small/4").await;
    assert_eq!(full["rejection"], "too_many_clients", "{full}");
    let known = tested(&world, "spiffe://a.example/small/1").await;
    assert!(known["problem"].is_null(), "a known client is served: {known}");
}

#[tokio::test]
async fn rule_test_names_an_authority_whose_keys_cannot_verify_a_request_of_the_identity() {
    let missing = "[[trust_domains]]\nname = \"m.example\"\nbundle = { file = \"missing.json\" }\n\
        [[trust_domains]]\nname = \"x.example\"\nbundle = { file = \"b.json\" }\ncredentials = [\"x509_svid\"]\n";
    let rules =
        "[[rules]]\nname = \"m\"\nidentities = [\"spiffe://m.example/*\", \"spiffe://x.example/*\"]\n";
    let world = World::start_with(&(domains("") + missing), &(RULES.to_owned() + rules)).await;
    for (identity, rejection, named) in [
        (
            "spiffe://m.example/api",
            "bundle_unavailable",
            "there is no bundle of the trust domain `m.example`",
        ),
        (
            "spiffe://x.example/api",
            "certificate_refused",
            "not a currently valid authority",
        ),
    ] {
        let refused = tested(&world, identity).await;
        assert_eq!(refused["rejection"], rejection, "{refused}");
        assert!(refused["problem"].as_str().unwrap().contains(named), "{refused}");
        assert_eq!(refused["rule"], "m", "the matching rule must be shown");
    }
    assert!(tested(&world, PAY_ID).await["problem"].is_null());
    std::fs::remove_file(world.folder.join("a.json")).unwrap();
    world.running.app.clock.shift(3601);
    assert_eq!(world.ask(PAY, &[]).await.error(), "temporarily_unavailable");
    let outdated = tested(&world, PAY_ID).await;
    assert_eq!(outdated["rejection"], "bundle_unavailable", "{outdated}");
}

#[tokio::test]
async fn rule_test_names_that_no_client_certificate_reaches_the_server() {
    let (world, _tls) = World::start_with_tls_off("").await;
    let refused = tested(&world, "spiffe://b.example/x/api").await;
    assert_eq!(refused["rejection"], "no_credential", "{refused}");
    assert!(
        refused["hint"].as_str().unwrap().contains("server.tls"),
        "{refused}"
    );
}

#[tokio::test]
async fn rule_test_names_the_dpop_proof_that_a_request_of_the_identity_needs() {
    let rules = RULES.to_owned() + &constrained_rules(&["none", "dpop", "mtls", "any"]);
    let (world, _tls) = World::start_with_tls(&rules, TLS).await;
    let jwt_only = "[[trust_domains]]\nname = \"j.example\"\nbundle = { file = \"a.json\" }\n\
        [[rules]]\nname = \"jwt\"\nidentities = [\"spiffe://j.example/*\"]\nsender_constraint = \"any\"\n";
    let path = world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text + jwt_only).unwrap();
    world.admin("POST", "/admin/v1/reload", json!({})).await;
    let needs = json!("needs a DPoP proof");
    for (identity, condition) in [
        ("spiffe://a.example/none/x", &Value::Null),
        ("spiffe://a.example/dpop/x", &needs),
        ("spiffe://a.example/mtls/x", &Value::Null),
        ("spiffe://b.example/none/x", &Value::Null),
        ("spiffe://b.example/dpop/x", &needs),
        ("spiffe://b.example/mtls/x", &Value::Null),
        ("spiffe://b.example/any/x", &Value::Null),
        // With an X.509-SVID, the token is bound to the certificate.
        ("spiffe://a.example/any/x", &Value::Null),
        ("spiffe://j.example/x", &needs),
    ] {
        let tested = tested(&world, identity).await;
        let found = (&tested["problem"], &tested["condition"]);
        assert_eq!(found, (&Value::Null, condition), "{identity}: {tested}");
    }
}

//! Tests that one leaked bearer statement cannot block a workload: a registered credential must be presented in the
//! same request, and limits that bearer evidence reduces end after a time.

use super::{ENDPOINT, ISSUER, JSON, PAY, PAY_ID, draft, open, open_with_tls, post, register, statement};
use crate::world::{RULES, TLS, World};
use serde_json::{Value, json};
use testudo_core::occasions::showing::BEARER_NARROWING_LIFETIME;
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::{form, svid_form};

const METHOD: &str = "token_endpoint_auth_method";
const BOUND: &str = "tls_client_certificate_bound_access_tokens";

async fn send(connection: &mut Connection, body: &Value) -> Answer {
    connection
        .send("POST", "/register", &[JSON], body.to_string())
        .await
}

async fn by_jwt(world: &World, connection: &mut Connection) -> u16 {
    connection
        .post("/token", svid_form(&world.svid(PAY), &[]))
        .await
        .status
}

fn is_refused_metadata(answer: &Answer) -> bool {
    (answer.status, answer.error().as_str()) == (400, "invalid_client_metadata")
}

#[tokio::test]
async fn statement_alone_registers_no_certificate_method_and_no_certificate_binding() {
    let (world, tls) = open_with_tls().await;
    let mut bearer = tls.connect(world.address(), None).await.unwrap();
    for more in [
        json!({ METHOD: "spiffe_x509" }),
        json!({ METHOD: "spiffe_wit" }),
        json!({ BOUND: true }),
    ] {
        let mut body = more.clone();
        body["software_statement"] = json!(statement(&world, PAY_ID));
        let answer = send(&mut bearer, &body).await;
        assert!(is_refused_metadata(&answer), "{more}: {answer:?}");
        assert!(world.client_ids().await.is_empty());
    }
    assert_eq!(by_jwt(&world, &mut bearer).await, 200);
    // For comparison: with the certificate in the same request, both are registered.
    let mut proven = tls
        .connect(world.address(), Some(&tls.a.svid(PAY)))
        .await
        .unwrap();
    let both = json!({ "software_statement": statement(&world, PAY_ID), METHOD: "spiffe_x509", BOUND: true });
    let answer = send(&mut proven, &both).await;
    assert_eq!(
        (answer.status, &answer.json()[METHOD], &answer.json()[BOUND]),
        (201, &json!("spiffe_x509"), &json!(true)),
        "{answer:?}"
    );
    assert_eq!(by_jwt(&world, &mut bearer).await, 400, "DR-16");
}

#[tokio::test]
async fn evidence_of_a_kind_that_the_trust_domain_or_the_rule_refuses_is_refused() {
    let rules = RULES.replacen("name = \"R1\"", "name = \"R1\"\ncredentials = [\"jwt_svid\"]", 1);
    let (world, tls) = World::start_with_tls(&rules, &format!("{TLS}\n[registration]")).await;
    let with_certificate = json!({ "software_statement": statement(&world, PAY_ID), METHOD: "spiffe_x509" });
    let mut proven = tls
        .connect(world.address(), Some(&tls.a.svid(PAY)))
        .await
        .unwrap();
    let by_rule = send(&mut proven, &with_certificate).await;
    assert_eq!(
        by_rule.error(),
        "unapproved_software_statement",
        "the rule accepts no X.509-SVID"
    );
    // `b.example` accepts only X.509-SVIDs.
    let id = "spiffe://b.example/x/1";
    let signed = testudo_testkit::token::Draft::svid(world.b.key(), id, ENDPOINT, world.now()).sign();
    let mut proven = tls
        .connect(world.address(), Some(&tls.b.svid("/x/1")))
        .await
        .unwrap();
    let by_domain = send(&mut proven, &json!({ "software_statement": signed })).await;
    assert_eq!(
        by_domain.error(),
        "unapproved_software_statement",
        "the trust domain accepts no JWT-SVID"
    );
    assert_eq!(
        send(&mut proven, &json!({})).await.status,
        201,
        "the certificate alone is accepted"
    );
}

#[tokio::test]
async fn limits_reduced_by_a_statement_alone_end_after_an_hour() {
    let world = open().await;
    let narrowed = register(&world, PAY_ID, json!({ "scope": "r" })).await;
    assert_eq!((narrowed.status, &narrowed.json()["scope"]), (201, &json!("r")));
    let shown = world.clients().await.remove(0);
    assert_eq!(
        crate::world::moment(&shown["registration"]["until"]),
        world.now() + BEARER_NARROWING_LIFETIME.0,
        "{shown}"
    );
    let scope_w = async || world.ask(PAY, &[("scope", "w")]).await;
    world.running.app.clock.shift(BEARER_NARROWING_LIFETIME.0 - 30);
    assert_eq!(scope_w().await.error(), "invalid_scope");
    world.running.app.clock.shift(31);
    assert_eq!(
        scope_w().await.status,
        200,
        "the limits of the rule must apply again"
    );
    assert!(world.clients().await.remove(0)["registration"].is_null());
    assert_eq!(world.client_ids().await, [PAY_ID], "it must be the same client");
    // A client that needs these limits again registers again.
    assert_eq!(
        register(&world, PAY_ID, json!({ "scope": "r" })).await.status,
        201
    );
    assert_eq!(scope_w().await.error(), "invalid_scope");
}

#[tokio::test]
async fn repeated_statement_does_not_extend_the_time_of_its_limits() {
    let world = open().await;
    let body = json!({ "software_statement": statement(&world, PAY_ID), "scope": "r" });
    assert_eq!(post(&world, &body).await.status, 201);
    let until = async || world.clients().await.remove(0)["registration"]["until"].clone();
    let first = until().await;
    world.running.app.clock.shift(60);
    assert_eq!(post(&world, &body).await.status, 201);
    assert_eq!(until().await, first);
}

#[tokio::test]
async fn statement_whose_audience_is_the_issuer_registers_and_reduces_no_limits() {
    let rules = RULES.replacen(
        "name = \"R1\"",
        "name = \"R1\"\ngrant_types = [\"client_credentials\", \"authorization_code\"]",
        1,
    );
    let world = super::open_with("", &rules).await;
    let by_issuer = async |more: Value| {
        let mut body = more;
        body["software_statement"] = json!(draft(&world, PAY_ID).claim("aud", ISSUER).sign());
        post(&world, &body).await
    };
    for more in [
        json!({ "scope": "r" }),
        json!({ "grant_types": ["client_credentials"] }),
        json!({ "require_pushed_authorization_requests": true }),
        json!({ "require_signed_request_object": true }),
    ] {
        let answer = by_issuer(more.clone()).await;
        assert!(is_refused_metadata(&answer), "{more}: {answer:?}");
    }
    assert!(world.client_ids().await.is_empty());
    // Members that reduce nothing are accepted: DR-81, for clients that send all values.
    let whole = json!({ "scope": "r w", METHOD: "spiffe_jwt",
        "redirect_uris": ["https://api.pay.apps.example/cb"] });
    assert_eq!(by_issuer(whole).await.status, 201);
    assert_eq!(world.ask(PAY, &[("scope", "w")]).await.status, 200);
    // Such a statement does not undo limits that a statement for the endpoint reduced.
    assert_eq!(
        register(&world, PAY_ID, json!({ "scope": "r" })).await.status,
        201
    );
    let again = by_issuer(json!({})).await;
    assert_eq!((again.status, &again.json()["scope"]), (201, &json!("r")));
    assert_eq!(world.ask(PAY, &[("scope", "w")]).await.error(), "invalid_scope");
}

#[tokio::test]
async fn statement_alone_does_not_change_what_a_certificate_registered() {
    let (world, tls) = open_with_tls().await;
    let mut proven = tls
        .connect(world.address(), Some(&tls.a.svid(PAY)))
        .await
        .unwrap();
    let strict = json!({ METHOD: "spiffe_x509", "scope": "r" });
    assert_eq!(send(&mut proven, &strict).await.status, 201);
    let mut bearer = tls.connect(world.address(), None).await.unwrap();
    let plain = json!({ "software_statement": statement(&world, PAY_ID) });
    let answer = send(&mut bearer, &plain).await;
    assert_eq!(
        (answer.status, &answer.json()[METHOD], &answer.json()["scope"]),
        (201, &json!("spiffe_x509"), &json!("r")),
        "{answer:?}"
    );
    let narrower = json!({ "software_statement": statement(&world, PAY_ID), "scope": "w" });
    assert!(is_refused_metadata(&send(&mut bearer, &narrower).await));
    assert_eq!(by_jwt(&world, &mut bearer).await, 400);
    let form = form(&[("grant_type", "client_credentials"), ("client_id", PAY_ID)]);
    assert_eq!(proven.post("/token", form).await.status, 200);
    // A request with the certificate changes the registration.
    assert_eq!(send(&mut proven, &json!({})).await.status, 201);
    assert_eq!(by_jwt(&world, &mut bearer).await, 200);
    assert_eq!(send(&mut proven, &strict).await.status, 201);
    world.running.app.clock.shift(BEARER_NARROWING_LIFETIME.0 + 1);
    assert_eq!(
        by_jwt(&world, &mut bearer).await,
        400,
        "limits that were registered with a certificate must not end"
    );
}

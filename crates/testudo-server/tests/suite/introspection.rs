//! Tests of the introspection endpoint over HTTP. What a decision depends on is tested in core.

use crate::granted::{API, PEOPLE_RULES, granted, set_state};
use crate::world::{ISSUER, RULES, World, domains};
use serde_json::{Value, json};
use testudo_core::records::PersonState;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::Jws;
use testudo_protocol::oauth::access_token::{Expectation, verify};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::token::{Draft, claims, header};
use testudo_testkit::{assertion_form, form, svid_form};

const WEB: &str = "/web/1";
const RESOURCE_SERVER: &str = "/api/1";

async fn world() -> World {
    World::start_with(&domains(""), &format!("{RULES}{PEOPLE_RULES}")).await
}

async fn token(world: &World, path: &str) -> String {
    let answer = world.ask(path, &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.access_token()
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn ask_as(world: &World, path: &str, token: &str) -> Answer {
    let body = svid_form(&world.svid(path), &[("token", token)]);
    world.connect().await.post("/introspect", body).await
}

/// The members of an answer.
async fn answer_for(world: &World, path: &str, token: &str) -> Value {
    let answer = ask_as(world, path, token).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

async fn is_active(world: &World, path: &str, token: &str) -> bool {
    let answer = answer_for(world, path, token).await;
    let is_active = answer["active"].as_bool().unwrap();
    assert!(is_active || answer == json!({ "active": false }), "{answer}");
    is_active
}

// Rows IN-01, IN-02, IN-03.
#[tokio::test]
async fn resource_server_learns_of_tokens_for_its_audience_and_of_no_others() {
    let world = world().await;
    let of_web = token(&world, WEB).await;
    let answer = answer_for(&world, RESOURCE_SERVER, &of_web).await;
    let issued = claims(&of_web);
    let client = "spiffe://a.example/web/1";
    let expected = json!({
        "active": true, "sub": client, "sub_type": "client", "client_id": client, "iss": ISSUER, "aud": [API],
        "scope": "read", "token_type": "Bearer", "exp": issued["exp"], "iat": issued["iat"], "jti": issued["jti"],
    });
    assert_eq!(answer, expected);
    assert_eq!(answer_for(&world, WEB, &of_web).await, expected, "its own token");
    assert!(
        !is_active(&world, "/x/1", &of_web).await,
        "a rule without introspects"
    );
    let of_other = token(&world, RESOURCE_SERVER).await;
    assert!(!is_active(&world, "/api/2", &of_other).await, "another audience");
    let (head, _) = of_web.rsplit_once('.').unwrap();
    for unknown in ["x", &format!("{head}.{}", "A".repeat(86)), &world.svid(WEB)] {
        assert!(!is_active(&world, RESOURCE_SERVER, unknown).await, "{unknown}");
    }
    world.running.app.clock.shift(301);
    assert!(!is_active(&world, RESOURCE_SERVER, &of_web).await, "expired");
    // Who only asks is not registered.
    let mut ids = world.client_ids().await;
    ids.sort();
    assert_eq!(ids, ["spiffe://a.example/api/1", client]);
}

// Rows IN-04, IN-05, IN-06.
#[tokio::test]
async fn question_without_authentication_token_or_post_is_refused() {
    let world = world().await;
    let of_web = token(&world, WEB).await;
    let mut connection = world.connect().await;
    let mut post = async |body: String| connection.send("POST", "/introspect", &[FORM], body).await;
    let forged = svid_form(
        &world.b.svid("/api/1", "https://x.example", world.now()),
        &[("token", &of_web)],
    );
    for body in [form(&[("token", &of_web)]), forged] {
        let answer = post(body).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (401, "invalid_client"),
            "{answer:?}"
        );
        assert!(answer.header("www-authenticate").is_some());
    }
    let svid = world.svid(RESOURCE_SERVER);
    let twice = format!("{}&token=x", svid_form(&svid, &[("token", &of_web)]));
    for body in [svid_form(&svid, &[]), svid_form(&svid, &[("token", "")]), twice] {
        let answer = post(body).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_request"),
            "{answer:?}"
        );
    }
    let in_url = format!("/introspect?token={of_web}");
    let answer = connection
        .send("POST", &in_url, &[FORM], svid_form(&svid, &[]))
        .await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_request"));
    let answer = connection.get("/introspect").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    assert!(is_active(&world, RESOURCE_SERVER, &of_web).await);
}

// Rows IN-07, IN-08.
#[tokio::test]
async fn signed_answer_is_a_jwt_for_the_caller_that_is_no_access_token() {
    let world = world().await;
    let of_web = token(&world, WEB).await;
    for (asked, content) in [
        (
            of_web.as_str(),
            answer_for(&world, RESOURCE_SERVER, &of_web).await,
        ),
        ("x", json!({ "active": false })),
    ] {
        let body = svid_form(&world.svid(RESOURCE_SERVER), &[("token", asked)]);
        let accept = ("accept", "application/token-introspection+jwt");
        let mut connection = world.connect().await;
        let answer = connection
            .send("POST", "/introspect", &[FORM, accept], body)
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/token-introspection+jwt")
        );
        let signed = String::from_utf8(answer.body).unwrap();
        assert_eq!(header(&signed)["typ"], "token-introspection+jwt");
        let keys = world.running.app.keys.load();
        Jws::parse(&signed).unwrap().verify(&keys.published).unwrap();
        let found = claims(&signed);
        let members: Vec<&String> = found.as_object().unwrap().keys().collect();
        assert_eq!(members, ["aud", "iat", "iss", "token_introspection"]);
        assert_eq!(found["aud"], "spiffe://a.example/api/1");
        assert_eq!(found["iss"], ISSUER);
        assert_eq!(found["token_introspection"], content);
        let expected = Expectation {
            issuer: ISSUER,
            audience: "spiffe://a.example/api/1",
            leeway: testudo_protocol::Seconds(0),
            certificate_thumbprint: None,
            dpop_key: None,
        };
        assert!(verify(&signed, &keys.published, expected, Timestamp(world.now())).is_err());
    }
}

#[tokio::test]
async fn token_is_inactive_while_its_client_is_frozen_blocked_or_disabled_and_after_it_was_removed() {
    let world = world().await;
    let of_web = token(&world, WEB).await;
    let client = json!({ "client_id": "spiffe://a.example/web/1", "reason": "r" });
    let identity = json!({ "identity": "spiffe://a.example/web/*", "reason": "r" });
    let changes = [
        ("/admin/v1/clients/freeze", "/admin/v1/clients/thaw", &client),
        ("/admin/v1/blocks", "/admin/v1/blocks/remove", &identity),
    ];
    for (off, on, body) in changes {
        assert!(is_active(&world, RESOURCE_SERVER, &of_web).await, "before {off}");
        world.admin("POST", off, body.clone()).await;
        assert!(!is_active(&world, RESOURCE_SERVER, &of_web).await, "{off}");
        world.admin("POST", on, body.clone()).await;
    }
    assert!(is_active(&world, RESOURCE_SERVER, &of_web).await);
    // A rule does not govern the client any more.
    let other = PEOPLE_RULES.replace("a.example/web/", "a.example/gone/");
    world.reload_with(&domains(""), &format!("{RULES}{other}")).await;
    assert!(!is_active(&world, RESOURCE_SERVER, &of_web).await, "no rule");
    world
        .reload_with(&domains(""), &format!("{RULES}{PEOPLE_RULES}"))
        .await;
    assert!(is_active(&world, RESOURCE_SERVER, &of_web).await);
    world.admin("POST", "/admin/v1/clients/delete", client).await;
    assert!(!is_active(&world, RESOURCE_SERVER, &of_web).await, "removed");
    world.running.app.clock.shift(1);
    token(&world, WEB).await;
    assert!(
        !is_active(&world, RESOURCE_SERVER, &of_web).await,
        "of an earlier client"
    );
}

#[tokio::test]
async fn token_of_a_person_is_inactive_while_the_person_is_locked() {
    let world = world().await;
    let granted = granted(&world, WEB, 7).await;
    let app = &world.running.app;
    let access = granted.access_token(app);
    let answer = answer_for(&world, RESOURCE_SERVER, &access).await;
    assert_eq!(answer["sub_type"], "user");
    assert_eq!(answer["sub"], crate::granted::person().sub());
    assert_eq!(answer["grant_id"], granted.grant.to_string());
    let of_refresh = answer_for(&world, WEB, &granted.refresh_token).await;
    assert_eq!(of_refresh["refresh_token_timeout"], 86_400);
    assert_eq!(of_refresh["authorization_expires_in"], 864_000);
    assert!(
        !is_active(&world, RESOURCE_SERVER, &granted.refresh_token).await,
        "not its own"
    );
    set_state(app, PersonState::Locked).await;
    assert!(!is_active(&world, RESOURCE_SERVER, &access).await);
    assert!(!is_active(&world, WEB, &granted.refresh_token).await);
    set_state(app, PersonState::Active).await;
    assert!(is_active(&world, RESOURCE_SERVER, &access).await);
    // Without a readable grant, it is not known whether the person revoked it.
    for grant_id in [Value::Null, json!("x"), json!(crate::granted::person().sub())] {
        let unknown = granted.access_token_with(app, |claims| claims["grant_id"] = grant_id.clone());
        assert!(!is_active(&world, RESOURCE_SERVER, &unknown).await, "{grant_id}");
    }
    let year = granted.access_token_with(app, |claims| claims["exp"] = json!(world.now() + 31_536_000));
    assert!(is_active(&world, RESOURCE_SERVER, &year).await);
    app.clock.shift(301);
    assert!(
        !is_active(&world, RESOURCE_SERVER, &year).await,
        "the configured lifetime is over"
    );
}

#[tokio::test]
async fn question_of_a_known_client_about_a_token_of_a_known_client_reads_nothing_from_the_store() {
    let world = world().await;
    let of_web = token(&world, WEB).await;
    token(&world, RESOURCE_SERVER).await;
    assert!(is_active(&world, RESOURCE_SERVER, &of_web).await);
    let body = svid_form(&world.svid(RESOURCE_SERVER), &[("token", &of_web)]);
    let reads = world
        .reads_of(async || {
            let answer = world.connect().await.post("/introspect", body.clone()).await;
            assert_eq!(answer.json()["active"], true);
        })
        .await;
    assert_eq!(reads, 0);
    let granted = granted(&world, "/web/2", 7).await;
    let access = granted.access_token(&world.running.app);
    let body = svid_form(&world.svid(RESOURCE_SERVER), &[("token", &access)]);
    let reads = world
        .reads_of(async || {
            let answer = world.connect().await.post("/introspect", body.clone()).await;
            assert_eq!(answer.json()["active"], true);
        })
        .await;
    assert_eq!(reads, 1, "grant and person, in one call");
}

/// Every kind of client authentication is accepted as at the token endpoint.
#[tokio::test]
async fn clients_authenticate_to_revoke_and_to_introspect_as_at_the_token_endpoint() {
    let rules = format!("{RULES}{PEOPLE_RULES}");
    let (world, tls) = World::start_with_tls(&rules, crate::world::TLS).await;
    let svid = |path: &str| svid_form(&world.svid(path), &[("token", "x")]);
    let by_certificate = form(&[("client_id", "spiffe://a.example/web/9"), ("token", "x")]);
    for path in ["/introspect", "/revoke"] {
        let mut plain: Connection = tls.connect(world.address(), None).await.unwrap();
        let assertion = Draft::assertion(&world.c6, "c6", ISSUER, path, world.now()).sign();
        let by_assertion = assertion_form(&assertion, &[("token", "x")]);
        for body in [svid("/web/1"), by_assertion.clone()] {
            let answer = plain.post(path, body).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
        let again = plain.post(path, by_assertion).await;
        assert_eq!(
            again.error(),
            "invalid_client",
            "the assertion was used: {again:?}"
        );
        let chain = tls.a.svid("/web/9");
        let mut mutual = tls.connect(world.address(), Some(&chain)).await.unwrap();
        let answer = mutual.post(path, by_certificate.clone()).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let answer = plain.post(path, by_certificate.clone()).await;
        assert_eq!(
            answer.error(),
            "invalid_client",
            "without the certificate: {answer:?}"
        );
    }
}

#[tokio::test]
async fn refused_question_is_explained_without_a_new_decision() {
    let world = world().await;
    token(&world, WEB).await;
    let frozen = json!({ "client_id": "spiffe://a.example/web/1", "reason": "r" });
    world.admin("POST", "/admin/v1/clients/freeze", frozen).await;
    let answer = ask_as(&world, WEB, "x").await;
    assert_eq!(answer.error(), "invalid_client");
    let event = world.refusal(&answer).await;
    assert_eq!(event["reason"], "client_frozen");
    assert_eq!(event["occasion"], "introspection");
    let id = answer.header("request-id").unwrap();
    let explained = world
        .admin("POST", "/admin/v1/explain", json!({ "request_id": id }))
        .await;
    assert!(explained["today"].is_null(), "{explained}");
    let notes = explained["notes"].to_string();
    assert!(notes.contains("does not contain the token"), "{explained}");
}

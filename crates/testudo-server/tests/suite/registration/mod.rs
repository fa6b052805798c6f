//! Tests of registration by evidence: the rows DR that need only JWT-SVIDs.

mod altered_rows;
pub mod each_claim;
mod each_label;
mod in_the_field;
mod initial_access;
mod manage;
mod metadata;
mod open;
mod remote_keys;
mod showing;

use crate::world::{ISSUER, MutualTls, RULES, TLS, World, domains, slower_rules};
use serde_json::{Value, json};
use testudo_testkit::http::Answer;
use testudo_testkit::token::{Draft, claims};

const PAY: &str = "/ns/pay/sa/api";
pub const PAY_ID: &str = "spiffe://a.example/ns/pay/sa/api";
const ENDPOINT: &str = "https://as.example/register";
const JSON: (&str, &str) = ("content-type", "application/json");

async fn open() -> World {
    open_with("", RULES).await
}

pub async fn open_with(more: &str, rules: &str) -> World {
    World::start_with(&format!("[registration]\n{}", domains(more)), rules).await
}

fn statement(world: &World, id: &str) -> String {
    draft(world, id).sign()
}

fn draft<'w>(world: &'w World, id: &str) -> Draft<'w> {
    Draft::svid(world.a.key(), id, ENDPOINT, world.now())
}

pub async fn post(world: &World, body: &Value) -> Answer {
    send(world, body.to_string()).await
}

async fn send(world: &World, body: impl Into<Vec<u8>>) -> Answer {
    let answer = world
        .connect()
        .await
        .send("POST", "/register", &[JSON], body.into())
        .await;
    assert_form(&answer);
    answer
}

/// Checks the common form of every answer. Rows DR-12, DR-133, DR-140.
fn assert_form(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    let body = answer.json();
    for absent in [
        "client_secret",
        "registration_access_token",
        "registration_client_uri",
    ] {
        assert!(body[absent].is_null(), "{absent}");
    }
    if answer.status != 201 {
        assert!(body["client_id"].is_null());
        assert!(body["error"].is_string() && body["error_description"].as_str().unwrap().is_ascii());
    }
}

pub async fn register(world: &World, id: &str, more: Value) -> Answer {
    let mut body = more;
    body["software_statement"] = json!(statement(world, id));
    post(world, &body).await
}

async fn refused(world: &World, more: Value) -> String {
    let answer = register(world, PAY_ID, more.clone()).await;
    assert_eq!(answer.status, 400, "{more}: {answer:?}");
    answer.error()
}

// Row DR-01.
#[tokio::test]
async fn registration_endpoint_is_in_metadata_only_if_registration_is_enabled() {
    let metadata = "/.well-known/oauth-authorization-server";
    let closed = World::start().await;
    assert!(closed.connect().await.get(metadata).await.json()["registration_endpoint"].is_null());
    assert_eq!(
        closed
            .connect()
            .await
            .send("POST", "/register", &[JSON], "{}")
            .await
            .status,
        404
    );
    let open = open().await;
    assert_eq!(
        open.connect().await.get(metadata).await.json()["registration_endpoint"],
        ENDPOINT
    );
}

#[tokio::test]
async fn paths_that_only_begin_like_the_registration_endpoint_are_not_found() {
    let (open, closed) = (open().await, World::start().await);
    for (world, path, expected) in [
        (&open, "/registerfoo", 404),
        (&open, "/registerfoo/bar", 404),
        (&open, "/register/bar", 401),
        (&open, "/register/", 401),
        (&open, "/token/register", 404),
        (&closed, "/registerfoo", 404),
        (&closed, "/register/bar", 404),
        (&closed, "/register", 404),
    ] {
        let answer = world.connect().await.get(path).await;
        assert_eq!(answer.status, expected, "{path}: {answer:?}");
    }
    assert_eq!(open.connect().await.get("/register").await.status, 405);
}

// Rows DR-02, DR-13, DR-24, DR-29, DR-80.
#[tokio::test]
async fn workload_registers_with_statement_and_gets_all_its_metadata() {
    let world = open().await;
    let statement = statement(&world, PAY_ID);
    let before = world.now();
    let answer = post(&world, &json!({ "software_statement": statement })).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let body = answer.json();
    assert_eq!(body["client_id"], PAY_ID);
    assert_eq!(body["token_endpoint_auth_method"], "spiffe_jwt");
    assert_eq!(body["grant_types"], json!(["client_credentials"]));
    assert_eq!(body["response_types"], json!([]));
    assert_eq!(body["scope"], "r w");
    assert_eq!(body["client_name"], "api in pay");
    assert_eq!(body["software_statement"], statement);
    let issued_at = body["client_id_issued_at"].as_i64().unwrap();
    assert!((before..=world.now()).contains(&issued_at), "{issued_at}");
    assert_eq!(world.client_ids().await, [PAY_ID]);
    let events = world.events("client.registered").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["occasion"], "registration");
    assert_eq!(world.ask(PAY, &[]).await.status, 200);
    assert_eq!(world.events("client.registered").await.len(), 1);
}

// Row DR-94.
#[tokio::test]
async fn software_statement_is_not_stored() {
    let world = open().await;
    let statement = statement(&world, PAY_ID);
    post(&world, &json!({ "software_statement": statement })).await;
    let signature = statement.rsplit('.').next().unwrap().to_owned();
    let shown = format!(
        "{:?}{:?}",
        world.clients().await,
        world.events("client.registered").await
    );
    assert!(!shown.contains(&signature));
    let folder = world.folder.clone();
    world.running.stop().await;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        assert!(
            !bytes
                .windows(signature.len())
                .any(|window| window == signature.as_bytes()),
            "{path:?}"
        );
    }
}

// Rows DR-03, DR-06, DR-08.
#[tokio::test]
async fn wrong_media_type_wrong_method_and_too_large_body_are_refused() {
    let world = open().await;
    for media in ["application/x-www-form-urlencoded", "text/plain", ""] {
        let answer = world
            .connect()
            .await
            .send("POST", "/register", &[("content-type", media)], "{}")
            .await;
        assert_eq!(answer.status, 415, "{media}");
        assert_form(&answer);
    }
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let answer = world.connect().await.send(method, "/register", &[JSON], "").await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("POST")),
            "{method}"
        );
    }
    let large = format!("{{\"x\":\"{}\"}}", "a".repeat(64 * 1024));
    assert_eq!(send(&world, large).await.status, 413);
}

// Rows DR-04, DR-05, DR-09.
#[tokio::test]
async fn body_that_is_not_one_json_object_is_refused() {
    let world = open().await;
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let bodies: [&[u8]; 8] = [
        b"",
        b"[]",
        b"\"x\"",
        b"{} x",
        b"{\"scope\":",
        b"{\"client_name\":\"\xff\"}",
        b"{\"scope\":\"r\",\"scope\":\"w\"}",
        deep.as_bytes(),
    ];
    for body in bodies {
        let answer = send(&world, body).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_client_metadata")
        );
    }
    assert!(world.client_ids().await.is_empty());
}

// Rows DR-07, DR-10, DR-125.
#[tokio::test]
async fn unknown_members_are_ignored_and_not_echoed() {
    let world = open().await;
    let names = [
        "enabled",
        "skip_consent",
        "x_y",
        "Scope",
        "REDIRECT_URIS",
        "state",
        "rule",
        "trusted",
        "resources",
        "roles",
    ];
    let mut body = json!({});
    for name in names {
        body[name] = json!("admin");
    }
    let answer = register(&world, PAY_ID, body).await;
    assert_eq!(answer.status, 201);
    assert!(names.iter().all(|name| answer.json()[name].is_null()));
    assert_eq!(answer.json()["scope"], "r w");
    assert!(!format!("{:?}", world.clients().await).contains("admin"));
}

// Rows DR-11, DR-12, DR-79.
#[tokio::test]
async fn members_of_the_wrong_type_are_refused_and_not_echoed() {
    let world = open().await;
    let texts = [
        "client_id",
        "scope",
        "client_name",
        "client_uri",
        "logo_uri",
        "tos_uri",
        "policy_uri",
        "software_id",
        "software_version",
        "token_endpoint_auth_method",
        "token_endpoint_auth_signing_alg",
        "application_type",
        "spiffe_id",
        "spiffe_bundle_endpoint",
        "jwks_uri",
        "client_name#de",
    ];
    for name in texts {
        for wrong in [json!(7), json!(true), json!([]), json!({ "<b>": 1 })] {
            let answer = register(&world, PAY_ID, json!({ name: wrong })).await;
            assert_eq!(
                (answer.status, answer.error().as_str()),
                (400, "invalid_client_metadata"),
                "{name}"
            );
            assert!(
                !answer.json()["error_description"]
                    .as_str()
                    .unwrap()
                    .contains("<b>")
            );
        }
        assert_eq!(
            register(&world, PAY_ID, json!({ name: null })).await.status,
            201,
            "{name}: null is absent"
        );
    }
    for name in [
        "dpop_bound_access_tokens",
        "tls_client_certificate_bound_access_tokens",
        "require_pushed_authorization_requests",
        "require_signed_request_object",
    ] {
        for wrong in [json!("true"), json!(1), json!([]), json!({})] {
            assert_eq!(
                refused(&world, json!({ name: wrong })).await,
                "invalid_client_metadata",
                "{name}: the value must not be converted"
            );
        }
    }
    for wrong in [json!(7), json!("x"), json!([]), json!(true)] {
        assert_eq!(
            refused(&world, json!({ "jwks": wrong })).await,
            "invalid_client_metadata"
        );
    }
    for name in ["grant_types", "response_types", "contacts"] {
        for wrong in [json!(7), json!("x"), json!([7]), json!({})] {
            assert_eq!(
                refused(&world, json!({ name: wrong })).await,
                "invalid_client_metadata",
                "{name}"
            );
        }
    }
    for wrong in [json!(7), json!("https://x.example/"), json!([7]), json!([])] {
        assert_eq!(
            refused(&world, json!({ "redirect_uris": wrong })).await,
            "invalid_redirect_uri"
        );
    }
    for wrong in [json!(7), json!([]), json!({}), json!(true), json!("")] {
        let answer = post(&world, &json!({ "software_statement": wrong })).await;
        assert!(["invalid_client_metadata", "invalid_software_statement"].contains(&answer.error().as_str()));
    }
}

// Rows DR-14, DR-15, DR-17, DR-52.
#[tokio::test]
async fn workload_cannot_register_a_client_secret_a_public_method_or_its_own_keys() {
    let world = open().await;
    for method in [
        "client_secret_basic",
        "client_secret_post",
        "client_secret_jwt",
        "none",
        "foo",
        "private_key_jwt",
    ] {
        let asked = json!({ "token_endpoint_auth_method": method });
        assert_eq!(
            refused(&world, asked).await,
            "invalid_client_metadata",
            "{method}"
        );
    }
    for keys in [
        json!({ "jwks": { "keys": [] } }),
        json!({ "jwks_uri": "https://evil.example/jwks" }),
    ] {
        assert_eq!(refused(&world, keys).await, "invalid_client_metadata");
    }
    assert!(
        world.client_ids().await.is_empty(),
        "refused registrations must not be stored"
    );
}

// Rows DR-18, DR-19, DR-22, DR-23, DR-25.
#[tokio::test]
async fn grant_and_response_types_outside_the_rule_are_refused_or_left_out() {
    let world = open().await;
    for grants in [
        json!(["implicit"]),
        json!(["password", "client_credentials"]),
        json!([]),
        json!(["foo"]),
    ] {
        assert_eq!(
            refused(&world, json!({ "grant_types": grants })).await,
            "invalid_client_metadata",
            "{grants}"
        );
    }
    let code = json!({ "grant_types": ["client_credentials"], "response_types": ["code"] });
    assert_eq!(refused(&world, code).await, "invalid_client_metadata");
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    let answer = register(
        &world,
        PAY_ID,
        json!({ "grant_types": ["client_credentials", device] }),
    )
    .await;
    assert_eq!(
        (answer.status, &answer.json()["grant_types"]),
        (201, &json!(["client_credentials"]))
    );
}

// Rows DR-20, DR-21, DR-141.
#[tokio::test]
async fn workload_can_request_only_its_own_client_id() {
    let world = open().await;
    for id in [
        "spiffe://a.example/ns/pay/sa/other",
        "alice",
        "https://app.example/client",
    ] {
        assert_eq!(
            refused(&world, json!({ "client_id": id })).await,
            "invalid_client_metadata",
            "{id}"
        );
    }
    assert_eq!(
        refused(&world, json!({ "spiffe_id": "spiffe://a.example/x/1" })).await,
        "invalid_client_metadata"
    );
    let own = json!({ "client_id": PAY_ID, "spiffe_id": PAY_ID });
    assert_eq!(register(&world, PAY_ID, own).await.status, 201);
}

// Rows DR-26, DR-28.
#[tokio::test]
async fn malformed_scope_and_scope_completely_outside_the_rule_are_refused() {
    let world = open().await;
    for scope in [" ", " r", "r ", "r  w", "r\tw", "ä", "r\"w", "admin"] {
        assert_eq!(
            refused(&world, json!({ "scope": scope })).await,
            "invalid_client_metadata",
            "{scope:?}"
        );
    }
}

// Rows DR-27, DR-100, DR-101.
#[tokio::test]
async fn reduced_scope_applies_until_the_next_registration_replaces_it() {
    let world = open().await;
    let answer = register(&world, PAY_ID, json!({ "scope": "r admin" })).await;
    assert_eq!((answer.status, &answer.json()["scope"]), (201, &json!("r")));
    assert_eq!(world.ask(PAY, &[("scope", "w")]).await.error(), "invalid_scope");
    let token = world.ask(PAY, &[]).await.access_token();
    assert_eq!(claims(&token)["scope"], "r");
    let again = register(&world, PAY_ID, json!({})).await;
    assert_eq!((again.status, &again.json()["scope"]), (201, &json!("r w")));
    assert_eq!(world.ask(PAY, &[("scope", "w")]).await.status, 200);
    assert_eq!(world.client_ids().await, [PAY_ID]);
    let updated = world.events("client.updated").await;
    assert_eq!(updated.len(), 1);
    assert_eq!(
        (&updated[0]["detail"], &updated[0]["scope"]),
        (&json!("scope was `r`"), &json!("r w")),
        "the event must have the old and the new scope"
    );
    // The same registration again changes nothing, so there is no event.
    register(&world, PAY_ID, json!({})).await;
    assert_eq!(world.events("client.updated").await.len(), 1);
}

// Rows DR-102, DR-103.
#[tokio::test]
async fn changed_rule_reduces_the_registered_scope_and_never_extends_it() {
    let world = open().await;
    register(&world, PAY_ID, json!({ "scope": "r" })).await;
    let more = RULES.replacen("scopes = [\"r\", \"w\"]", "scopes = [\"r\", \"w\", \"z\"]", 1);
    let registration = format!("[registration]\n{}", domains(""));
    world.reload_with(&registration, &more).await;
    assert_eq!(world.ask(PAY, &[("scope", "z")]).await.error(), "invalid_scope");
    let less = RULES.replacen(
        "scopes = [\"r\", \"w\"]\ndefault_scopes = [\"r\"]",
        "scopes = [\"w\"]\ndefault_scopes = [\"w\"]",
        1,
    );
    world.reload_with(&registration, &less).await;
    assert_eq!(world.ask(PAY, &[("scope", "r")]).await.error(), "invalid_scope");
}

// Rows DR-59, DR-61.
#[tokio::test]
async fn deceptive_names_and_label_urls_are_refused() {
    let world = open().await;
    for name in ["a\nb", "a\u{202e}b", "   ", &"x".repeat(1000)] {
        assert_eq!(
            refused(&world, json!({ "client_name": name })).await,
            "invalid_client_metadata",
            "{name:?}"
        );
    }
    for url in [
        "javascript:alert(1)",
        "data:image/svg+xml,x",
        "http://a.example/",
        "https://u:p@a.example/",
        "x",
    ] {
        for member in ["tos_uri", "logo_uri", "client_uri", "policy_uri"] {
            assert_eq!(
                refused(&world, json!({ member: url })).await,
                "invalid_client_metadata",
                "{member} {url}"
            );
        }
    }
    // DR-63: the configured label takes precedence. DR-64: a label URL on another host is dropped.
    let asked = json!({ "client_name": "Mine", "client_uri": "https://bank.example/" });
    let answer = register(&world, PAY_ID, asked).await;
    assert_eq!(
        (answer.status, &answer.json()["client_name"]),
        (201, &json!("api in pay"))
    );
    assert!(answer.json()["client_uri"].is_null());
}

// Row DR-91.
#[tokio::test]
async fn statement_without_certificate_cannot_add_redirect_uris() {
    let world = open().await;
    for uri in [
        "https://evil.example/cb",
        "javascript:alert(1)//",
        "https://api.pay.apps.example/cb/../x",
    ] {
        assert_eq!(
            refused(&world, json!({ "redirect_uris": [uri] })).await,
            "invalid_redirect_uri",
            "{uri}"
        );
    }
}

// Rows DR-71 to DR-77, DR-85, DR-86.
#[tokio::test]
async fn invalid_statements_are_refused() {
    let world = open().await;
    let id = PAY_ID;
    let good = draft(&world, id);
    let now = world.now();
    let signed = good.sign();
    let (body, _) = signed.rsplit_once('.').unwrap();
    // The text of the key that the server knows.
    let public = world.a.key().public_jwk("sig", true).to_string();
    let statements = [
        ("alg none", draft(&world, id).header("alg", "none").sign()),
        ("alg HS256", draft(&world, id).mac(public.as_bytes()).sign()),
        (
            "unknown crit",
            draft(&world, id).header("crit", json!(["x"])).sign(),
        ),
        // DR-72: the header contains a key, or the URL of one.
        (
            "header jwk",
            draft(&world, id)
                .header("jwk", world.b.key().public_jwk("sig", true))
                .sign(),
        ),
        (
            "header jku",
            draft(&world, id).header("jku", "https://127.0.0.1:9/jwks").sign(),
        ),
        (
            "header x5u",
            draft(&world, id).header("x5u", "https://127.0.0.1:9/x5u").sign(),
        ),
        (
            "header x5c",
            draft(&world, id).header("x5c", json!(["AAAA"])).sign(),
        ),
        // DR-73: not a compact JWS.
        (
            "JSON serialization",
            json!({ "payload": "e30", "signatures": [] }).to_string(),
        ),
        ("five parts", format!("{signed}.x.y")),
        ("typ at+jwt", draft(&world, id).header("typ", "at+jwt").sign()),
        ("empty signature", format!("{body}.")),
        ("two parts", body.to_owned()),
        ("17 KiB of text", "x".repeat(17 * 1024)),
        // DR-76, DR-77.
        (
            "key of another trust domain",
            Draft::svid(world.b.key(), id, ENDPOINT, now).sign(),
        ),
        (
            "key of another trust domain under the kid of this one",
            Draft::svid(world.b.key(), id, ENDPOINT, now)
                .header("kid", world.a.key().kid())
                .sign(),
        ),
        ("no exp", draft(&world, id).without_claim("exp").sign()),
        (
            "exp in the past",
            draft(&world, id).claim("exp", now - 600).sign(),
        ),
        ("no iat", draft(&world, id).without_claim("iat").sign()),
        (
            "iat in the future",
            draft(&world, id).claim("iat", now + 600).sign(),
        ),
        (
            "nbf in the future",
            draft(&world, id).claim("nbf", now + 600).sign(),
        ),
        ("no sub", draft(&world, id).without_claim("sub").sign()),
        ("sub with https", draft(&world, "https://a.example/x").sign()),
        (
            "sub with an upper-case domain",
            draft(&world, "spiffe://A.example/ns/pay/sa/api").sign(),
        ),
        (
            "sub with a trailing slash",
            draft(&world, "spiffe://a.example/ns/pay/sa/api/").sign(),
        ),
        (
            "sub with a query",
            draft(&world, "spiffe://a.example/ns/pay/sa/api?x").sign(),
        ),
    ];
    for (what, statement) in &statements {
        let answer = post(&world, &json!({ "software_statement": statement })).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_software_statement"),
            "{what}: {answer:?}"
        );
    }
    assert!(world.client_ids().await.is_empty());
}

// Rows DR-81 to DR-84.
#[tokio::test]
async fn statement_audience_must_be_the_issuer_or_the_registration_endpoint() {
    let world = open().await;
    for audience in [json!(ISSUER), json!([ISSUER]), json!(ENDPOINT), json!([ENDPOINT])] {
        let statement = draft(&world, PAY_ID).claim("aud", audience.clone()).sign();
        assert_eq!(
            post(&world, &json!({ "software_statement": statement }))
                .await
                .status,
            201,
            "{audience}"
        );
    }
    let wrong = [
        json!([]),
        json!([ENDPOINT, "x"]),
        json!("https://as.example/token"),
        json!("https://other.example"),
        json!("https://as.example/register/"),
        json!(null),
    ];
    for audience in wrong {
        let statement = draft(&world, PAY_ID).claim("aud", audience.clone()).sign();
        let answer = post(&world, &json!({ "software_statement": statement })).await;
        assert_eq!(answer.error(), "invalid_software_statement", "{audience}");
    }
    let at_token = testudo_testkit::svid_form(&statement(&world, PAY_ID), &[]);
    assert_eq!(world.send(&at_token).await.error(), "invalid_client", "DR-84");
}

// Rows DR-88, DR-89, DR-120.
#[tokio::test]
async fn unapproved_identities_get_the_same_answer_for_every_reason() {
    let world = open().await;
    assert_eq!(register(&world, PAY_ID, json!({})).await.status, 201);
    let off = "/admin/v1/trust/a.example";
    let mut answers = vec![register(&world, "spiffe://a.example/nowhere", json!({})).await];
    world.admin("POST", &format!("{off}/disable"), json!({})).await;
    answers.push(register(&world, PAY_ID, json!({})).await);
    world.admin("POST", &format!("{off}/enable"), json!({})).await;
    assert_eq!(register(&world, PAY_ID, json!({})).await.status, 201);
    world
        .admin("POST", "/admin/v1/clients/freeze", json!({ "client_id": PAY_ID}))
        .await;
    answers.push(register(&world, PAY_ID, json!({})).await);
    let blocked = json!({ "identity": "spiffe://a.example/x/*" });
    world.admin("POST", "/admin/v1/blocks", blocked).await;
    answers.push(register(&world, "spiffe://a.example/x/1", json!({})).await);
    for answer in &answers {
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "unapproved_software_statement"),
            "{answer:?}"
        );
        assert_eq!(answer.body, answers[0].body);
    }
}

// Row DR-78.
#[tokio::test]
async fn forged_statements_get_the_same_answer_for_known_and_unknown_trust_domains() {
    let world = open().await;
    let unknown_key = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, Some("k"));
    let known_kid = testudo_testkit::generate_key(
        testudo_protocol::jose::Algorithm::ES256,
        Some(world.a.key().kid()),
    );
    let forged = |key: &testudo_protocol::jose::SigningKey, subject: &str| json!({ "software_statement": Draft::svid(key, subject, ENDPOINT, world.now()).sign() });
    let off = "/admin/v1/trust/b.example/disable";
    world.admin("POST", off, json!({})).await;
    let mut answers = Vec::new();
    for body in [
        forged(&unknown_key, "spiffe://unknown.example/ns/shop/sa/pay"),
        forged(&unknown_key, PAY_ID),
        forged(&known_kid, PAY_ID),
        forged(&unknown_key, "spiffe://a.example/nowhere"),
        forged(&unknown_key, "spiffe://b.example/x/1"),
    ] {
        answers.push(post(&world, &body).await);
    }
    for answer in &answers {
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_software_statement"),
            "{answer:?}"
        );
        assert_eq!(answer.body, answers[0].body);
    }
    // A statement that a configured authority signed is answered with `unapproved_software_statement`.
    let answer = register(&world, "spiffe://a.example/nowhere", json!({})).await;
    assert_eq!(answer.error(), "unapproved_software_statement");
}

// Row DR-74.
#[tokio::test]
async fn tokens_of_other_types_are_refused_as_statements() {
    let world = open().await;
    let token = world.ask(PAY, &[]).await.access_token();
    let assertion = Draft::assertion(&world.c6, "c6", ENDPOINT, "1", world.now()).sign();
    let wit = draft(&world, PAY_ID).header("typ", "wit+jwt").sign();
    let status = draft(&world, PAY_ID).header("typ", "statuslist+jwt").sign();
    for other in [token, assertion, wit, status] {
        let answer = post(&world, &json!({ "software_statement": other })).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_software_statement")
        );
    }
}

// Row DR-90.
#[tokio::test]
async fn statement_signed_by_a_bundle_key_of_another_use_is_refused() {
    let world = open().await;
    let other = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, Some("other"));
    for key_use in ["sig", "x509-svid", "wit-svid"] {
        let mut bundle = world.a.bundle();
        let mut jwk = other.public_jwk(key_use, true);
        if key_use == "x509-svid" {
            jwk["x5c"] = json!(["AAAA"]);
        }
        bundle["keys"].as_array_mut().unwrap().push(jwk);
        std::fs::write(world.folder.join("a.json"), bundle.to_string()).unwrap();
        world
            .try_admin("POST", "/admin/v1/trust/a.example/refresh", json!({}))
            .await;
        let signed = Draft::svid(&other, PAY_ID, ENDPOINT, world.now()).sign();
        let answer = post(&world, &json!({ "software_statement": signed })).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_software_statement"),
            "{key_use}"
        );
    }
}

// Row DR-132.
#[tokio::test]
async fn workload_that_registers_again_after_removal_is_linked_to_its_predecessor() {
    let world = open().await;
    let first = register(&world, PAY_ID, json!({ "scope": "r" })).await.json();
    world.running.app.clock.shift(31 * 86_400);
    let swept = world.admin("POST", "/admin/v1/clients/sweep", json!({})).await;
    assert_eq!(swept["removed"], 1);
    let again = register(&world, PAY_ID, json!({})).await;
    assert_eq!(
        (again.status, &again.json()["client_id"]),
        (201, &first["client_id"])
    );
    assert_eq!(
        again.json()["scope"],
        "r w",
        "the registered limits of the removed client must not apply"
    );
    let event = world.events("client.returned").await.remove(0);
    assert_eq!(event["occasion"], "registration");
    let client = world.clients().await.remove(0);
    assert_eq!(
        (&client["generation"], &client["predecessor"]["reason"]),
        (&json!(2), &json!("idle"))
    );
}

// Row DR-95.
#[tokio::test]
async fn older_statement_does_not_replace_a_newer_registration() {
    let world = open().await;
    let older = draft(&world, PAY_ID).claim("iat", world.now() - 30).sign();
    register(&world, PAY_ID, json!({ "scope": "r" })).await;
    let answer = post(&world, &json!({ "software_statement": older, "scope": "w" })).await;
    assert_eq!((answer.status, &answer.json()["scope"]), (201, &json!("r")));
    assert_eq!(world.ask(PAY, &[("scope", "w")]).await.error(), "invalid_scope");
}

// Rows DR-96 to DR-99.
#[tokio::test]
async fn attested_claims_replace_requested_members_within_the_rule() {
    let world = open_with("attested_metadata = [\"scope\", \"redirect_uris\"]", RULES).await;
    let post_with = async |name: &str, value: Value, more: Value| {
        let mut body = more;
        body["software_statement"] = json!(draft(&world, PAY_ID).claim(name, value).sign());
        post(&world, &body).await
    };
    let lowered = post_with("scope", json!("r"), json!({ "scope": "r w" })).await;
    assert_eq!((lowered.status, &lowered.json()["scope"]), (201, &json!("r")));
    let shadowed = post_with(
        "grant_types",
        json!(["client_credentials"]),
        json!({ "grant_types": ["foo"] }),
    )
    .await;
    assert_eq!(
        (shadowed.status, &shadowed.json()["grant_types"]),
        (201, &json!(["client_credentials"]))
    );
    let outside = post_with("redirect_uris", json!(["https://evil.example/cb"]), json!({})).await;
    assert_eq!(outside.error(), "invalid_redirect_uri");
    assert_eq!(
        post_with("scope", json!(["r"]), json!({})).await.error(),
        "invalid_client_metadata"
    );
}

// Row DR-104.
#[tokio::test]
async fn hundred_parallel_registrations_of_one_identity_make_one_client() {
    let world = open().await;
    let body = json!({ "software_statement": statement(&world, PAY_ID) }).to_string();
    let address = world.address();
    let racers: Vec<_> = (0..100)
        .map(|_| {
            let body = body.clone();
            tokio::spawn(async move {
                testudo_testkit::http::Connection::open(address)
                    .await
                    .send("POST", "/register", &[JSON], body)
                    .await
            })
        })
        .collect();
    for racer in racers {
        assert_eq!(racer.await.unwrap().status, 201);
    }
    assert_eq!(world.client_ids().await, [PAY_ID]);
    assert_eq!(world.events("client.registered").await.len(), 1);
}

// Rows DR-105 to DR-107.
#[tokio::test]
async fn rate_and_quota_refuse_with_429_and_refused_requests_do_not_count() {
    let world = open_with("", &slower_rules()).await;
    let id = |path: &str, number: u32| format!("spiffe://a.example/{path}/{number}");
    for number in 0..3 {
        assert_eq!(
            register(&world, &id("small", number), json!({})).await.status,
            201
        );
    }
    let full = register(&world, &id("small", 9), json!({})).await;
    assert_eq!(
        (full.status, full.error().as_str()),
        (429, "temporarily_unavailable")
    );
    for _ in 0..50 {
        let bad = register(&world, &id("slow", 0), json!({ "scope": 7 })).await;
        assert_eq!(
            bad.error(),
            "invalid_client_metadata",
            "refused requests must not count against the rate limit"
        );
    }
    let mut statuses = Vec::new();
    for number in 0..6 {
        let answer = register(&world, &id("slow", number), json!({})).await;
        assert!(answer.status == 201 || answer.header("retry-after").is_some());
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [201, 201, 201, 201, 201, 429]);
}

#[tokio::test]
async fn change_of_a_registration_counts_against_the_rate_limit() {
    let world = open_with("", &slower_rules()).await;
    let id = "spiffe://a.example/slow/0";
    let say = async |contact: u32| register(&world, id, json!({ "contacts": [contact.to_string()] })).await;
    for contact in 0..5 {
        assert_eq!(say(contact).await.status, 201);
    }
    let fast = say(5).await;
    assert_eq!(
        (fast.status, fast.error().as_str()),
        (429, "temporarily_unavailable")
    );
    assert_eq!(
        say(4).await.status,
        201,
        "an unchanged registration must not count against the rate limit"
    );
    assert_eq!(
        world.ask("/slow/0", &[]).await.status,
        200,
        "the rate limit does not apply to token requests of known clients"
    );
}

// Row DR-108.
#[tokio::test]
async fn request_without_statement_or_token_registers_no_client() {
    let world = open().await;
    let answer = post(&world, &json!({ "client_name": "Mine" })).await;
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (401, Some("Bearer"))
    );
    let headers = [JSON, ("authorization", "Bearer x")];
    let body = json!({ "software_statement": statement(&world, PAY_ID) }).to_string();
    let answer = world
        .connect()
        .await
        .send("POST", "/register", &headers, body)
        .await;
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
    assert!(world.client_ids().await.is_empty());
}

// Rows DR-129, DR-131.
#[tokio::test]
async fn first_use_and_registration_of_one_identity_make_one_client() {
    let world = open().await;
    assert_eq!(world.ask(PAY, &[]).await.status, 200);
    assert_eq!(
        register(&world, PAY_ID, json!({ "scope": "r" })).await.status,
        201
    );
    assert_eq!(world.client_ids().await, [PAY_ID]);
    assert!(world.events("client.returned").await.is_empty());
    // A registration without members changes nothing of the client that the first use created.
    assert_eq!(world.ask("/x/7", &[]).await.status, 200);
    assert_eq!(
        register(&world, "spiffe://a.example/x/7", json!({})).await.status,
        201
    );
    assert_eq!(
        world.events("client.updated").await.len(),
        1,
        "the generation must be that of the same client"
    );
    assert_eq!(world.ask(PAY, &[("scope", "w")]).await.error(), "invalid_scope");
    // `first_use = "off"` does not apply to registration requests.
    let id = "spiffe://f.example/ns/pay/sa/api";
    let body = json!({ "software_statement": Draft::svid(world.f.key(), id, ENDPOINT, world.now()).sign() });
    assert_eq!(post(&world, &body).await.status, 201);
    let svid = world.f.svid(PAY, ISSUER, world.now());
    assert_eq!(
        world.send(&testudo_testkit::svid_form(&svid, &[])).await.status,
        200
    );
}

async fn open_with_tls() -> (World, MutualTls) {
    World::start_with_tls(RULES, &format!("{TLS}\n[registration]")).await
}

// Rows DR-16, DR-92, DR-93, DR-147.
#[tokio::test]
async fn client_certificate_registers_and_must_match_the_statement() {
    let (world, tls) = open_with_tls().await;
    let svid = tls.a.svid(PAY);
    let mut connection = tls.connect(world.address(), Some(&svid)).await.unwrap();
    let answer = connection.send("POST", "/register", &[JSON], "{}").await;
    assert_eq!(
        (answer.status, &answer.json()["token_endpoint_auth_method"]),
        (201, &json!("spiffe_x509"))
    );
    let own = json!({ "software_statement": statement(&world, PAY_ID), "token_endpoint_auth_method": "spiffe_x509" });
    let both = connection
        .send("POST", "/register", &[JSON], own.to_string())
        .await;
    assert_eq!(both.status, 201, "{both:?}");
    let other = json!({ "software_statement": statement(&world, "spiffe://a.example/x/1") }).to_string();
    let two = connection.send("POST", "/register", &[JSON], other).await;
    assert_eq!(
        (two.status, two.error().as_str()),
        (400, "invalid_software_statement")
    );
    // DR-130: the client registered with one kind of SVID and authenticates with another.
    let fleet = tls.a.svid("/x/1");
    let by_statement =
        json!({ "software_statement": statement(&world, "spiffe://a.example/x/1") }).to_string();
    let mut bearer = tls.connect(world.address(), None).await.unwrap();
    assert_eq!(
        bearer
            .send("POST", "/register", &[JSON], by_statement)
            .await
            .status,
        201
    );
    let mut proven = tls.connect(world.address(), Some(&fleet)).await.unwrap();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "spiffe://a.example/x/1"),
    ];
    assert_eq!(
        proven.post("/token", testudo_testkit::form(&form)).await.status,
        200
    );
    // DR-16: a client that registered the certificate method cannot authenticate with a bearer token.
    let mut plain = tls.connect(world.address(), None).await.unwrap();
    let by_jwt = plain
        .post("/token", testudo_testkit::svid_form(&world.svid(PAY), &[]))
        .await;
    assert_eq!(by_jwt.error(), "invalid_client");
    let form = testudo_testkit::form(&[("grant_type", "client_credentials"), ("client_id", PAY_ID)]);
    assert_eq!(connection.post("/token", form).await.status, 200);
}

/// The error codes of statements apply only to statements: a refused certificate is a failed client authentication.
#[tokio::test]
async fn unaccepted_client_certificate_at_register_is_answered_invalid_client() {
    let (world, tls) = open_with_tls().await;
    let unknown_issuer = testudo_testkit::x509::X509Issuer::new("a.example");
    let off = "/admin/v1/trust/b.example/disable";
    world.admin("POST", off, json!({})).await;
    let mut bodies = Vec::new();
    for svid in [
        unknown_issuer.svid(PAY),
        tls.a.svid("/nowhere"),
        tls.b.svid("/x/1"),
    ] {
        let mut connection = tls.connect(world.address(), Some(&svid)).await.unwrap();
        let answer = connection.send("POST", "/register", &[JSON], "{}").await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_client"),
            "{answer:?}"
        );
        bodies.push(answer.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    // Invalid metadata is still answered with its own code.
    let mut connection = tls
        .connect(world.address(), Some(&tls.a.svid(PAY)))
        .await
        .unwrap();
    let wrong = json!({ "client_id": "spiffe://a.example/x/1" }).to_string();
    let answer = connection.send("POST", "/register", &[JSON], wrong).await;
    assert_eq!(answer.error(), "invalid_client_metadata");
    assert!(world.client_ids().await.is_empty());
}

// Row DR-31.
#[tokio::test]
async fn certificate_binding_that_the_rule_requires_cannot_be_disabled_by_a_registration() {
    let bound = RULES.replacen("name = \"R1\"", "name = \"R1\"\nsender_constraint = \"mtls\"", 1);
    let (world, tls) = World::start_with_tls(&bound, &format!("{TLS}\n[registration]")).await;
    let lower = json!({ "software_statement": statement(&world, PAY_ID),
        "tls_client_certificate_bound_access_tokens": false });
    let mut connection = tls.connect(world.address(), None).await.unwrap();
    let answer = connection
        .send("POST", "/register", &[JSON], lower.to_string())
        .await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.json()["tls_client_certificate_bound_access_tokens"], true);
    let form = testudo_testkit::svid_form(&world.svid(PAY), &[]);
    assert_ne!(
        connection.post("/token", form).await.status,
        200,
        "a request without certificate must get no token"
    );
}

#[tokio::test]
async fn explain_decides_a_registration_by_the_current_rules() {
    let world = open().await;
    let explain = async |answer: &Answer| {
        let id = answer.header("request-id").unwrap();
        world
            .admin("POST", "/admin/v1/explain", json!({ "request_id": id }))
            .await
    };
    let nowhere = register(&world, "spiffe://a.example/nowhere", json!({})).await;
    let explained = explain(&nowhere).await;
    assert_eq!(
        (&explained["outcome"], &explained["rejection"]),
        (&json!("refused"), &json!("no_rule"))
    );
    assert!(explained["hint"].as_str().unwrap().contains("[[rules]]"));
    let registered = register(&world, PAY_ID, json!({ "scope": "r" })).await;
    let explained = explain(&registered).await;
    assert_eq!(explained["outcome"], "allowed", "{explained}");
    assert_eq!(
        explained["today"]["detail"],
        "a known client is registered for scope `r`"
    );
}

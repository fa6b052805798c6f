//! Tests of the form of requests and answers. Rows B-53, B-54, J-01 to J-12, TK-14 to TK-24, AZ-25, and the metadata.

use crate::world::{ISSUER, World, assert_answer_form, assert_same_answers};
use serde_json::json;
use testudo_protocol::jose::Algorithm;
use testudo_testkit::token::Draft;
use testudo_testkit::{form, generate_key, svid_form};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const SPIFFE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";

// Rows B-54, TK-19.
#[tokio::test]
async fn duplicate_parameters_are_refused_as_invalid_request() {
    let world = World::start().await;
    let good = svid_form(&world.svid("/x/1"), &[]);
    assert_eq!(world.send(&good).await.status, 200);
    for twice in [
        "grant_type=client_credentials",
        "client_assertion=x",
        "client_assertion_type=x",
        "scope=r&scope=r",
        "scope=&scope=r",
        "client_id=x&client_id=x",
    ] {
        let answer = world.send(&format!("{good}&{twice}")).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_request"),
            "{twice}"
        );
    }
}

// Rows B-53, TK-17, TK-18.
#[tokio::test]
async fn missing_and_unknown_parameters_get_the_code_of_the_standard() {
    let world = World::start().await;
    let svid = world.svid("/x/1");
    assert_eq!(
        world
            .send(&svid_form(&svid, &[("scope", ""), ("unknown", "x")]))
            .await
            .status,
        200
    );
    for (parameters, code) in [
        (vec![], "invalid_request"),
        (vec![("client_assertion", svid.as_str())], "invalid_request"),
        (vec![("grant_type", "client_credentials")], "invalid_client"),
        (
            vec![
                ("grant_type", "client_credentials"),
                ("client_id", "spiffe://a.example/x/1"),
            ],
            "invalid_client",
        ),
        (
            vec![("grant_type", "client_credentials"), ("client_assertion", &svid)],
            "invalid_client",
        ),
        (
            vec![
                ("grant_type", "client_credentials"),
                ("client_assertion_type", SPIFFE),
            ],
            "invalid_client",
        ),
        (
            vec![
                ("grant_type", "client_credentials"),
                ("client_assertion_type", "x"),
                ("client_assertion", &svid),
            ],
            "invalid_client",
        ),
        (
            vec![
                ("grant_type", "client_credentials"),
                ("client_assertion_type", ""),
                ("client_assertion", &svid),
            ],
            "invalid_client",
        ),
        (
            vec![
                ("grant_type", ""),
                ("client_assertion_type", SPIFFE),
                ("client_assertion", &svid),
            ],
            "invalid_request",
        ),
        (vec![("grant_type", "foo")], "unsupported_grant_type"),
        (
            vec![("grant_type", "password"), ("username", "u"), ("password", "p")],
            "unsupported_grant_type",
        ),
    ] {
        let answer = world.send(&form(&parameters)).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, code),
            "{parameters:?}"
        );
    }
}

// Rows J-01, J-02, TK-14.
#[tokio::test]
async fn two_authentication_mechanisms_are_refused_as_invalid_request() {
    let world = World::start().await;
    let good = svid_form(&world.svid("/x/1"), &[]);
    let mut connection = world.connect().await;
    let basic = connection
        .send(
            "POST",
            "/token",
            &[FORM, ("authorization", "Basic YTpi")],
            good.clone(),
        )
        .await;
    assert_eq!((basic.status, basic.error().as_str()), (400, "invalid_request"));
    let attested = connection
        .send(
            "POST",
            "/token",
            &[FORM, ("oauth-client-attestation", "x")],
            good.clone(),
        )
        .await;
    assert_eq!(attested.error(), "invalid_request");
    assert_eq!(
        world.send(&format!("{good}&client_secret=x")).await.error(),
        "invalid_request"
    );
    assert!(world.clients().await.is_empty());
}

// Row TK-16.
#[tokio::test]
async fn failed_authorization_header_gets_401_and_a_challenge() {
    let world = World::start().await;
    let mut connection = world.connect().await;
    for (value, scheme) in [
        ("Basic YTpi", "Basic"),
        ("Bearer x", "Bearer"),
        ("Digest x", "Basic"),
    ] {
        let answer = connection
            .send(
                "POST",
                "/token",
                &[FORM, ("authorization", value)],
                "grant_type=client_credentials",
            )
            .await;
        assert_answer_form(&answer);
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (401, "invalid_client"),
            "{value}"
        );
        assert!(
            answer.header("www-authenticate").unwrap().starts_with(scheme),
            "{value}"
        );
    }
}

// Rows TK-15, TK-20, TK-21.
#[tokio::test]
async fn token_request_is_a_post_with_a_form_body_and_nothing_in_the_url() {
    let world = World::start().await;
    let good = svid_form(&world.svid("/x/1"), &[]);
    let mut connection = world.connect().await;
    let get = connection.get("/token").await;
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    for method in ["PUT", "DELETE", "PATCH"] {
        assert_eq!(
            connection.send(method, "/token", &[], "").await.status,
            405,
            "{method}"
        );
    }
    let in_url = connection
        .send("POST", &format!("/token?{good}"), &[FORM], "")
        .await;
    assert_eq!((in_url.status, in_url.error().as_str()), (400, "invalid_request"));
    for kind in [
        "application/json",
        "text/plain",
        "multipart/form-data",
        "application/x-www-form-urlencoded; charset=utf-16",
        "x",
    ] {
        let answer = connection
            .send("POST", "/token", &[("content-type", kind)], good.clone())
            .await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_request"),
            "{kind}"
        );
    }
    assert_eq!(
        connection.send("POST", "/token", &[], good.clone()).await.error(),
        "invalid_request"
    );
    let utf8 = ("content-type", "Application/X-WWW-Form-URLEncoded; charset=UTF-8");
    assert_eq!(connection.send("POST", "/token", &[utf8], good).await.status, 200);
    assert_eq!(connection.get("/nowhere").await.status, 404);
}

// Rows J-07, J-08.
#[tokio::test]
async fn too_large_assertions_and_bodies_are_refused() {
    let world = World::start().await;
    let assertion = |text: &str| {
        form(&[
            ("grant_type", "client_credentials"),
            ("client_assertion_type", SPIFFE),
            ("client_assertion", text),
        ])
    };
    assert_eq!(
        world.send(&assertion(&"a".repeat(16 * 1024 + 1))).await.error(),
        "invalid_client"
    );
    assert_eq!(
        world.send(&assertion(&".".repeat(60_000))).await.error(),
        "invalid_client"
    );
    let too_large = world.send(&assertion(&"a".repeat(64 * 1024))).await;
    assert_eq!(
        (too_large.status, too_large.error().as_str()),
        (413, "invalid_request")
    );
    let many = (0..65).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
    assert_eq!(world.send(&many).await.error(), "invalid_request");
}

// Rows J-10, J-11.
#[tokio::test]
async fn control_characters_and_long_client_ids_are_refused() {
    let world = World::start().await;
    let good = svid_form(&world.svid("/x/1"), &[]);
    for extra in ["client_id=%00", "client_id=a%0d%0aSet-Cookie:x", "x=%ff", "x=%zz"] {
        let answer = world.send(&format!("{good}&{extra}")).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_request"),
            "{extra}"
        );
        assert!(answer.header("set-cookie").is_none());
    }
    let long = format!("{good}&client_id={}", "x".repeat(2049));
    assert_eq!(world.send(&long).await.error(), "invalid_request");
    let wide = format!("{good}&client_id=caf%C3%A9");
    assert_eq!(world.send(&wide).await.error(), "invalid_request");
}

#[tokio::test]
async fn refusals_do_not_echo_the_request() {
    let world = World::start().await;
    for body in [
        svid_form("zebra.zebra.zebra", &[]),
        svid_form(&world.svid("/x/1"), &[("client_id", "zebra")]),
        svid_form(&world.svid("/x/1"), &[("scope", "zebra")]),
        svid_form(&world.svid("/x/1"), &[("resource", "https://zebra/")]),
        form(&[("grant_type", "zebra")]),
        form(&[("zebra", "1"), ("zebra", "2")]),
    ] {
        let answer = world.send(&body).await;
        let text = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
        assert!(!text.contains("zebra"), "{text}");
    }
}

// [RFC8414 §2]
#[tokio::test]
async fn metadata_lists_only_what_the_server_supports_now() {
    let world = World::start().await;
    let mut connection = world.connect().await;
    let answer = connection.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let metadata = answer.json();
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["token_endpoint"], "https://as.example/token");
    assert_eq!(metadata["jwks_uri"], "https://as.example/jwks");
    assert_eq!(metadata["response_types_supported"], json!([]));
    assert_eq!(metadata["grant_types_supported"], json!(["client_credentials"]));
    assert_eq!(
        metadata["token_endpoint_auth_methods_supported"],
        json!(["spiffe_jwt", "private_key_jwt"])
    );
    let algorithms = metadata["token_endpoint_auth_signing_alg_values_supported"]
        .as_array()
        .unwrap();
    assert_eq!(algorithms.len(), 10);
    assert_eq!(metadata["scopes_supported"], json!(["r", "w"]));
}

// Row J-12.
#[tokio::test]
async fn answers_to_refused_jwt_svids_do_not_tell_the_fault() {
    let world = World::start().await;
    let (now, key) = (world.now(), world.a.key());
    let (id, kid) = ("spiffe://a.example/x/1", Some(key.kid()));
    let other = generate_key(Algorithm::ES256, kid);
    let (frozen, blocked) = ("spiffe://a.example/x/frozen", "spiffe://a.example/x/blocked");
    for path in ["/x/1", "/x/frozen", "/x/blocked"] {
        assert_eq!(world.ask(path, &[]).await.status, 200, "{path}");
    }
    let frozen = json!({ "client_id": frozen });
    world.admin("POST", "/admin/v1/clients/freeze", frozen).await;
    let blocked = json!({ "identity": blocked });
    world.admin("POST", "/admin/v1/blocks", blocked).await;
    let svid = || Draft::svid(key, id, ISSUER, now);
    let send = async |draft: Draft<'_>| world.send(&svid_form(&draft.sign(), &[])).await;
    let faults = [
        ("signature", send(Draft::svid(&other, id, ISSUER, now)).await),
        ("kid", send(svid().header("kid", "zz")).await),
        ("alg", send(svid().header("alg", "ES384")).await),
        (
            "unknown domain",
            send(svid().claim("sub", "spiffe://c.example/x/1")).await,
        ),
        (
            "key of another domain",
            send(svid().claim("sub", "spiffe://b.example/x/1")).await,
        ),
        (
            "wrong aud",
            send(svid().claim("aud", "https://other.example")).await,
        ),
        ("expired", send(svid().claim("exp", now - 300)).await),
        ("no JWT", world.send(&svid_form("x", &[])).await),
        (
            "unknown client",
            world.ask("/x/1", &[("client_id", "unknown")]).await,
        ),
        ("no rule", world.ask("/none", &[]).await),
        ("frozen", world.ask("/x/frozen", &[]).await),
        ("blocked", world.ask("/x/blocked", &[]).await),
    ];
    assert_same_answers("invalid_client", &faults);
    assert_eq!(send(svid()).await.status, 200, "without a fault");
}

// Rows J-14, J-15.
#[tokio::test]
async fn authentication_method_without_keys_is_not_in_metadata() {
    let world = World::start().await;
    for name in ["a", "b", "o", "f"] {
        std::fs::write(world.folder.join(format!("{name}.json")), "{\"keys\":[]}").unwrap();
        world
            .admin(
                "POST",
                &format!("/admin/v1/trust/{name}.example/refresh"),
                json!({}),
            )
            .await;
    }
    let metadata = world
        .connect()
        .await
        .get("/.well-known/oauth-authorization-server")
        .await
        .json();
    assert_eq!(
        metadata["token_endpoint_auth_methods_supported"],
        json!(["private_key_jwt"])
    );
}

#[tokio::test]
async fn tokens_verify_under_the_published_keys() {
    let world = World::start().await;
    let token = world.ask("/x/1", &[]).await.access_token();
    let answer = world.connect().await.get("/jwks").await;
    let jwks = answer.json();
    assert_eq!(jwks["keys"][0]["use"], "sig");
    assert!(jwks["keys"][0].get("d").is_none());
    let keys = testudo_protocol::jose::KeySet::from_jwks(&answer.body).unwrap();
    testudo_protocol::jose::Jws::parse(&token)
        .unwrap()
        .verify(&keys)
        .unwrap();
    let world = world.restart().await;
    assert_eq!(
        world.connect().await.get("/jwks").await.json(),
        jwks,
        "signing keys must survive a restart"
    );
}

#[tokio::test]
async fn livez_readyz_and_metrics_answer() {
    let world = World::start().await;
    let mut connection = world.connect().await;
    assert_eq!(connection.get("/livez").await.status, 200);
    assert_eq!(connection.get("/readyz").await.status, 200);
    let metrics = world.running.app.metrics.text();
    assert!(metrics.contains("testudo_tokens_issued_total"), "{metrics}");
}

#[tokio::test]
async fn explain_gives_the_decision_and_reason_of_a_token_request() {
    let world = World::start().await;
    let refused = world.ask("/ns/pay/sa/api", &[("scope", "admin")]).await;
    let by_request = world
        .admin(
            "POST",
            "/admin/v1/explain",
            json!({ "request_id": refused.header("request-id").unwrap() }),
        )
        .await;
    assert_eq!(
        (&by_request["outcome"], &by_request["rejection"]),
        (&json!("refused"), &json!("scope_not_allowed"))
    );
    assert!(by_request["hint"].as_str().unwrap().contains("R1"));
    let good = world
        .admin(
            "POST",
            "/admin/v1/explain",
            json!({ "credential": world.svid("/ns/pay/sa/api"), "scope": "w" }),
        )
        .await;
    assert_eq!(good["outcome"], "allowed");
    let checks: Vec<&str> = good["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["check"].as_str().unwrap())
        .collect();
    assert_eq!(
        checks[..4],
        ["form", "authority configured", "signature", "times"]
    );
    assert!(world.clients().await.is_empty(), "explain registers no client");
    let wrong = world
        .a
        .svid("/ns/pay/sa/api", "https://as.example/token", world.now());
    let explained = world
        .admin("POST", "/admin/v1/explain", json!({ "credential": wrong }))
        .await;
    assert_eq!(explained["rejection"], "audience_mismatch");
    assert!(explained["hint"].as_str().unwrap().contains(ISSUER));
}

#[tokio::test]
async fn requests_that_never_end_do_not_delay_other_clients() {
    use tokio::io::AsyncWriteExt as _;
    let world = World::start().await;
    let mut dripping = Vec::new();
    for _ in 0..50 {
        let mut stream = tokio::net::TcpStream::connect(world.address()).await.unwrap();
        stream
            .write_all(b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\na")
            .await
            .unwrap();
        dripping.push(stream);
    }
    assert_eq!(world.ask("/x/1", &[]).await.status, 200);
}

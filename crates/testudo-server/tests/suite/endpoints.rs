//! Tests of all endpoints: errors are JSON, and cross-origin scripts may call only the endpoints that are meant for
//! browsers.

use crate::world::World;
use testudo_core::grants;
use testudo_testkit::http::Answer;

/// Checks the common form of an error answer.
fn assert_error_form(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/json"),
        "{answer:?}"
    );
    assert_eq!(answer.error(), "invalid_request");
    assert!(
        answer.json()["error_description"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    assert!(answer.header("request-id").is_some());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

/// Path, allowed methods, and whether cross-origin scripts may call the endpoint.
const ENDPOINTS: [(&str, &str, bool); 12] = [
    ("/token", "POST", true),
    ("/challenge", "POST", true),
    ("/introspect", "POST", false),
    ("/revoke", "POST", true),
    ("/jwks", "GET, HEAD", true),
    ("/register", "POST", true),
    ("/register/c_1", "GET, PUT, DELETE", true),
    ("/.well-known/oauth-authorization-server", "GET, HEAD", true),
    ("/.well-known/openid-configuration", "GET, HEAD", true),
    ("/authorize", "GET, HEAD, POST", false),
    ("/livez", "GET, HEAD", false),
    ("/readyz", "GET, HEAD", false),
];

async fn world() -> World {
    let open = format!("[registration]\nopen = true\n{}", crate::world::domains(""));
    World::start_with(&open, crate::world::RULES).await
}

const ORIGIN: (&str, &str) = ("origin", "https://app.example");

fn is_readable(answer: &Answer) -> bool {
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let exposed = answer.header("access-control-expose-headers");
    let expected =
        "DPoP-Nonce, OAuth-Client-Attestation-Challenge, Retry-After, Request-Id, WWW-Authenticate";
    match answer.header("access-control-allow-origin") {
        Some("*") => {
            assert_eq!(exposed, Some(expected));
            true
        }
        None => {
            assert_eq!(exposed, None);
            false
        }
        Some(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn unknown_path_is_answered_404_in_json() {
    let world = world().await;
    let mut connection = world.connect().await;
    for path in ["/nowhere", "/", "/token/", "/.well-known/x", "/admin/v1/status"] {
        let answer = connection.send("POST", path, &[ORIGIN], "").await;
        assert_error_form(&answer, 404);
        assert!(
            !String::from_utf8_lossy(&answer.body).contains("nowhere"),
            "the answer must not contain text of the request"
        );
        assert!(!is_readable(&answer));
    }
}

#[tokio::test]
async fn wrong_method_is_answered_405_in_json_with_allow() {
    let world = world().await;
    for (path, allowed, is_for_scripts) in ENDPOINTS {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "QUERY"] {
            if allowed.split(", ").any(|allowed| allowed == method) {
                continue;
            }
            let answer = world.connect().await.send(method, path, &[ORIGIN], "").await;
            assert_error_form(&answer, 405);
            assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
            assert_eq!(is_readable(&answer), is_for_scripts, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn preflight_is_allowed_only_at_endpoints_that_scripts_may_call() {
    let world = world().await;
    for (path, allowed, is_for_scripts) in ENDPOINTS {
        let asked = [
            ORIGIN,
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,dpop"),
        ];
        let answer = world.connect().await.send("OPTIONS", path, &asked, "").await;
        assert_eq!(is_readable(&answer), is_for_scripts, "{path}");
        assert_eq!(answer.header("allow"), Some(allowed), "{path}");
        if !is_for_scripts {
            assert_error_form(&answer, 405);
            continue;
        }
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
        assert!(answer.header("request-id").is_some());
        assert_eq!(answer.header("access-control-allow-methods"), Some(allowed));
        assert_eq!(
            answer.header("access-control-allow-headers"),
            Some("Authorization, Content-Type, DPoP, OAuth-Client-Attestation, OAuth-Client-Attestation-PoP")
        );
        assert_eq!(answer.header("access-control-max-age"), Some("7200"));
    }
    let closed = World::start().await;
    let answer = closed
        .connect()
        .await
        .send("OPTIONS", "/register", &[ORIGIN], "")
        .await;
    assert_error_form(&answer, 404);
    assert!(
        !is_readable(&answer),
        "scripts may not call the endpoint while registration is disabled"
    );
}

#[tokio::test]
async fn script_can_read_tokens_refusals_and_metadata_and_never_the_authorization_endpoint() {
    let world = world().await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let good = testudo_testkit::svid_form(&world.svid("/x/1"), &[]);
    let mut connection = world.connect().await;
    let answer = connection.send("POST", "/token", &[ORIGIN, form], good).await;
    assert!(answer.status == 200 && is_readable(&answer), "{answer:?}");
    let answer = connection.send("POST", "/token", &[form], "grant_type=x").await;
    assert!(
        !is_readable(&answer),
        "a request without an origin gets no CORS headers"
    );
    let answer = connection
        .send("POST", "/token", &[ORIGIN, form], "grant_type=x")
        .await;
    assert!(answer.status == 400 && is_readable(&answer));
    let answer = connection.send("GET", "/register/c_1", &[ORIGIN], "").await;
    assert!(answer.status == 401 && is_readable(&answer));
    for path in [
        "/jwks",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ] {
        let answer = connection.get(path).await;
        assert!(
            answer.status == 200 && is_readable(&answer),
            "an answer in a cache may be used for scripts too: {path}"
        );
    }
    for method in ["GET", "POST"] {
        let answer = connection.send(method, "/authorize", &[ORIGIN], "").await;
        assert!(!is_readable(&answer));
    }
}

#[test]
fn document_of_the_public_endpoints_describes_each_of_them_with_its_methods() {
    let text = include_str!("../../../../docs/reference/public-api.json");
    let document: serde_json::Value = serde_json::from_str(text).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let all = ENDPOINTS.iter().map(|(path, allowed, _)| (*path, *allowed));
    // It is served only where people sign in.
    let all: Vec<(&str, &str)> = all.chain([("/par", "POST")]).collect();
    assert_eq!(paths.len(), all.len());
    for (path, allowed) in all {
        let described = &paths[&path.replace("c_1", "{client_id}")];
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let is_described = !described[method.to_lowercase()].is_null();
            assert_eq!(
                is_described,
                allowed.split(", ").any(|allowed| allowed == method),
                "{method} {path}"
            );
        }
    }
}

#[test]
fn document_of_the_public_endpoints_has_every_grant_and_both_ways_to_name_a_client_and_429() {
    let text = include_str!("../../../../docs/reference/public-api.json");
    let document: serde_json::Value = serde_json::from_str(text).unwrap();
    let schema = |path: &str| {
        let content = &document["paths"][path]["post"]["requestBody"]["content"];
        &content["application/x-www-form-urlencoded"]["schema"]
    };
    let described = schema("/token")["properties"]["grant_type"]["enum"].as_array();
    let mut described: Vec<&str> = described
        .unwrap()
        .iter()
        .filter_map(|name| name.as_str())
        .collect();
    let mut served: Vec<&str> = grants::served().collect();
    described.sort_unstable();
    served.sort_unstable();
    assert_eq!(described, served);
    let assertion = serde_json::json!(["client_assertion_type", "client_assertion"]);
    let named = serde_json::json!(["client_id"]);
    for (path, ways) in [
        ("/token", &schema("/token")["allOf"][0]["anyOf"]),
        ("/revoke", &schema("/revoke")["anyOf"]),
        ("/introspect", &schema("/introspect")["anyOf"]),
    ] {
        let required: Vec<_> = ways
            .as_array()
            .unwrap()
            .iter()
            .map(|way| &way["required"])
            .collect();
        assert_eq!(required, [&assertion, &named], "{path}");
    }
    for path in ["/token", "/par", "/revoke", "/introspect"] {
        let limited = &document["paths"][path]["post"]["responses"]["429"]["headers"];
        assert!(limited["Retry-After"].is_object(), "{path}");
    }
}

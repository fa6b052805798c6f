//! Tests of the metadata document of OpenID Connect Discovery, and of the authorization endpoint that it must name.

use crate::world::{ISSUER, World};
use serde_json::{Value, json};

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
/// Members that OpenID Connect requires and [RFC8414 §2] does not.
const OPENID_ALONE: [&str; 3] = [
    "authorization_endpoint",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
];

#[tokio::test]
async fn openid_configuration_is_the_metadata_with_the_members_that_openid_connect_requires() {
    let world = World::start().await;
    let mut connection = world.connect().await;
    let metadata = connection.get(OAUTH).await.json();
    let answer = connection.get(OPENID).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    let mut openid = answer.json();
    // [OIDCD §3] Each of them is REQUIRED.
    for name in ["issuer", "jwks_uri", "response_types_supported", "token_endpoint"] {
        assert!(!openid[name].is_null(), "{name}");
    }
    assert_eq!(
        openid["response_types_supported"],
        json!([]),
        "users cannot sign in at this server"
    );
    assert_eq!(openid["authorization_endpoint"], format!("{ISSUER}/authorize"));
    assert_eq!(openid["subject_types_supported"], json!(["public"]));
    assert_eq!(
        openid["id_token_signing_alg_values_supported"],
        json!(["ES256", "RS256"]),
        "the algorithm of the server's keys, and RS256, which is required"
    );
    for name in OPENID_ALONE {
        assert!(
            metadata[name].is_null(),
            "{name} must be only in the other document"
        );
        openid.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(openid, metadata);
}

#[tokio::test]
async fn openid_configuration_of_an_issuer_with_a_path_is_at_the_paths_of_both_specifications() {
    let world = World::start().await;
    let path = world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(ISSUER, "https://as.example/t1")).unwrap();
    let world = world.restart().await;
    let mut connection = world.connect().await;
    for path in [
        "/t1/.well-known/openid-configuration",
        "/.well-known/openid-configuration/t1",
    ] {
        let answer = connection.get(path).await;
        assert_eq!(
            (answer.status, &answer.json()["issuer"]),
            (200, &json!("https://as.example/t1")),
            "{path}"
        );
    }
    for path in [OPENID, OAUTH, "/t1/.well-known/oauth-authorization-server"] {
        assert_eq!(connection.get(path).await.status, 404, "{path}");
    }
    assert_eq!(connection.get("/t1/authorize").await.status, 400);
}

#[tokio::test]
async fn authorization_endpoint_answers_with_a_page_that_users_cannot_sign_in() {
    let world = World::start().await;
    let mut connection = world.connect().await;
    let query =
        "/authorize?response_type=code&client_id=x&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&state=zzz";
    for (method, path) in [("GET", "/authorize"), ("GET", query), ("POST", "/authorize")] {
        let answer = connection.send(method, path, &[], "").await;
        assert_eq!(answer.status, 400, "{method} {path}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(
            answer.header("location"),
            None,
            "no redirect to a client may be sent"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(answer.header("request-id").is_some());
        let page = String::from_utf8(answer.body.to_vec()).unwrap();
        let shown = page.to_lowercase();
        assert!(shown.contains("<h1>you cannot sign in at this server"), "{page}");
        assert!(
            !page.contains("zzz") && !page.contains("app.example"),
            "the page must not contain text of the request"
        );
    }
    let head = connection.send("HEAD", "/authorize", &[], "").await;
    assert_eq!(head.status, 400);
    assert_eq!(
        connection.get(OAUTH).await.json().get("authorization_endpoint"),
        None::<&Value>
    );
}

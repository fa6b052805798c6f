//! Tests of the contract of the admin API: errors are JSON, every answer has `Request-Id`, unknown parameters and
//! members are refused.

use crate::world::World;
use hyper::header;
use serde_json::{Value, json};

/// Status, media type, id and body of an answer over the socket.
struct Told {
    status: u16,
    media: Option<String>,
    request_id: Option<String>,
    allow: Option<String>,
    body: Value,
}

async fn call(world: &World, method: &str, path: &str, (media, body): (&str, &str)) -> Told {
    use http_body_util::{BodyExt as _, Full};
    let stream = tokio::net::UnixStream::connect(world.folder.join("admin.sock"))
        .await
        .unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "testudo")
        .header(header::CONTENT_TYPE, media)
        .body(Full::new(hyper::body::Bytes::from(body.to_owned())))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let field = |name: &str| {
        response
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let (status, media) = (response.status().as_u16(), field("content-type"));
    let (request_id, allow) = (field("request-id"), field("allow"));
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    Told {
        status,
        media,
        request_id,
        allow,
        body,
    }
}

const JSON: &str = "application/json";

#[track_caller]
fn assert_form(told: &Told, status: u16, words: &str) {
    assert_eq!(told.status, status, "{}", told.body);
    assert_eq!(told.media.as_deref(), Some(JSON));
    assert!(told.request_id.as_deref().is_some_and(|id| !id.is_empty()));
    assert_eq!(told.body["error"], "invalid_request");
    let description = told.body["error_description"].as_str().unwrap();
    assert!(description.contains(words), "{description}");
    for framework in [
        "Failed to",
        "Expected request",
        "target type",
        "deserialize",
        "invalid digit",
        "unknown field",
        "invalid type",
        "expected value",
        "at line",
    ] {
        assert!(!description.contains(framework), "{description}");
    }
}

#[tokio::test]
async fn errors_of_the_admin_api_are_json_and_name_what_is_wrong() {
    let world = World::start().await;
    let cases = [
        ("GET", "/admin/v1/nothing", (JSON, ""), 404, "no operation"),
        ("GET", "/", (JSON, ""), 404, "no operation"),
        (
            "POST",
            "/admin/v1/blocks",
            ("text/plain", "{}"),
            415,
            "must be JSON",
        ),
        ("POST", "/admin/v1/blocks", (JSON, "{"), 400, "the body"),
        ("POST", "/admin/v1/blocks", (JSON, "{}"), 400, "`identity`"),
        (
            "POST",
            "/admin/v1/blocks",
            (JSON, "{\"identity\": 7}"),
            400,
            "identity",
        ),
        (
            "POST",
            "/admin/v1/blocks",
            (JSON, "{\"identity\": \"spiffe://a.example/x\"} x"),
            400,
            "the body",
        ),
        ("POST", "/admin/v1/blocks", (JSON, "[]"), 400, "the body"),
        ("POST", "/admin/v1/blocks", (JSON, ""), 400, "the body is empty"),
        (
            "GET",
            "/admin/v1/clients?unknown=1",
            (JSON, ""),
            400,
            "the query parameter `unknown` is not known to this operation; known: ",
        ),
        (
            "GET",
            "/admin/v1/clients?unused_for=30",
            (JSON, ""),
            400,
            "unused_for \"30\"",
        ),
        (
            "GET",
            "/admin/v1/events?since=2026-01-02&until=2026-01-01",
            (JSON, ""),
            400,
            "is later than until",
        ),
        ("GET", "/admin/v1/clients?limit=x", (JSON, ""), 400, "limit"),
        ("GET", "/admin/v1/clients?limit=0", (JSON, ""), 400, "limit"),
        (
            "GET",
            "/admin/v1/clients?unused_for=",
            (JSON, ""),
            400,
            "unused_for",
        ),
        ("GET", "/admin/v1/trust/%ff", (JSON, ""), 400, "percent-encoded"),
    ];
    for (method, path, body, status, words) in cases {
        assert_form(&call(&world, method, path, body).await, status, words);
    }
    let told = call(&world, "PUT", "/admin/v1/status", (JSON, "")).await;
    assert_form(&told, 405, "method");
    assert!(told.allow.unwrap().contains("GET"));
}

#[tokio::test]
async fn unknown_query_parameter_or_member_is_refused_and_changes_nothing() {
    let world = World::start().await;
    assert_eq!(world.ask("/x/1", &[]).await.status, 200);
    for (method, path, body) in [
        ("GET", "/admin/v1/status?x=1", ""),
        ("GET", "/admin/v1/clients?trustdomain=a", ""),
        ("GET", "/admin/v1/events?sinze=1", ""),
        ("POST", "/admin/v1/clients/sweep?dry_run=true", "{}"),
        ("POST", "/admin/v1/clients/sweep", "{\"dryrun\": true}"),
        (
            "POST",
            "/admin/v1/clients/delete",
            "{\"client_id\": \"spiffe://a.example/x/1\", \"dry_run\": true}",
        ),
        (
            "POST",
            "/admin/v1/blocks",
            "{\"identity\": \"spiffe://a.example/x/1\", \"resaon\": \"x\"}",
        ),
        ("POST", "/admin/v1/keys/rotate", "{\"Now\": true}"),
        ("POST", "/admin/v1/reload", "{\"x\": 1}"),
    ] {
        assert_form(&call(&world, method, path, (JSON, body)).await, 400, "");
    }
    assert_eq!(
        world.ask("/x/1", &[]).await.status,
        200,
        "a refused order must not change anything"
    );
}

#[tokio::test]
async fn every_answer_of_the_admin_listeners_has_its_own_request_id() {
    let world = World::start().await;
    let mut seen = std::collections::BTreeSet::new();
    for path in ["/admin/v1/status", "/livez", "/readyz", "/metrics", "/nothing"] {
        let told = call(&world, "GET", path, (JSON, "")).await;
        assert!(seen.insert(told.request_id.unwrap()), "{path}");
    }
}

#[tokio::test]
async fn every_operation_is_described_with_its_id_its_errors_and_its_parameters() {
    let document = testudo_server::admin::openapi();
    let mut ids = std::collections::BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} twice");
            for status in ["400", "401", "403", "500", "503"] {
                let schema = &operation["responses"][status]["content"]["application/json"]["schema"];
                assert_eq!(
                    schema,
                    &json!({ "$ref": "#/components/schemas/ErrorBody" }),
                    "{method} {path} {status}"
                );
            }
        }
    }
    assert!(ids.contains("get_trust_by_name") && ids.contains("post_clients_freeze"));
    let parameters = document["paths"]["/admin/v1/clients"]["get"]["parameters"]
        .as_array()
        .unwrap();
    assert!(
        parameters
            .iter()
            .any(|parameter| parameter["name"] == "unused_for")
    );
}

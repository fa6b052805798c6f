//! Tests of `/readyz`: when a load balancer may send requests to a node.

use crate::bundles::{Behaviour, Endpoint};
use crate::world::World;
use serde_json::{Value, json};
use testudo_testkit::TestIssuer;
use testudo_testkit::http::{Answer, Connection};

/// A server with one trust domain with keys and one without.
async fn world_without_keys_of_z(behaviour: Behaviour) -> (World, Endpoint) {
    let endpoint = Endpoint::start(behaviour).await;
    let domains = format!(
        "listen = \"127.0.0.1:0\"\n\
         [[trust_domains]]\nname = \"z.example\"\nbundle = {{ url = \"{}\" }}\n\
         [[trust_domains]]\nname = \"b.example\"\nbundle = {{ file = \"b.json\" }}\n",
        endpoint.url
    );
    (World::start_with(&domains, "").await, endpoint)
}

/// The answer of the public listener, after checking that the admin listener answers the same except for the request
/// id.
async fn ready(world: &World, path: &str) -> Answer {
    let json = [("accept", "application/json")];
    let headers = if path.ends_with("#json") { &json[..] } else { &[] };
    let path = path.trim_end_matches("#json");
    let public = world.connect().await.send("GET", path, headers, "").await;
    let mut admin = Connection::open(world.running.admin_address.unwrap()).await;
    let of_admin = admin.send("GET", path, headers, "").await;
    assert_eq!(
        (public.status, text(&public)),
        (of_admin.status, text(&of_admin)),
        "both listeners must give the same answer"
    );
    public
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

#[tokio::test]
async fn node_is_not_ready_before_the_keys_of_each_authority_were_loaded_once() {
    let (world, endpoint) = world_without_keys_of_z(Behaviour::Status(500)).await;
    let early = ready(&world, "/readyz").await;
    assert_eq!((early.status, text(&early).as_str()), (503, "not ready\n"));
    let why = text(&ready(&world, "/readyz?verbose").await);
    assert!(
        why.contains("failed") && why.contains("z.example") && why.contains("ready without them in"),
        "{why}"
    );
    let issuer = TestIssuer::new("z.example");
    endpoint.set(Behaviour::Document(issuer.bundle().to_string()));
    world
        .admin("POST", "/admin/v1/trust/z.example/refresh", json!({}))
        .await;
    let late = ready(&world, "/readyz").await;
    assert_eq!((late.status, text(&late).as_str()), (200, "ready\n"));
    // The authority had its keys once, so the node stays ready: an outage of a bundle source must not take every node
    // out of service.
    endpoint.set(Behaviour::Status(500));
    world.running.app.clock.shift(3601);
    assert_eq!(ready(&world, "/readyz").await.status, 200);
    let degraded = text(&ready(&world, "/readyz?verbose").await);
    assert!(
        degraded.contains("degraded") && degraded.contains("z.example"),
        "{degraded}"
    );
}

#[tokio::test]
async fn node_is_ready_with_an_empty_key_set_of_an_authority() {
    let (world, _endpoint) = world_without_keys_of_z(Behaviour::Document("{\"keys\":[]}".into())).await;
    assert_eq!(ready(&world, "/readyz").await.status, 200);
}

#[tokio::test]
async fn node_is_ready_without_keys_of_an_authority_only_after_the_grace_period() {
    let (world, _endpoint) = world_without_keys_of_z(Behaviour::Status(500)).await;
    world.running.app.clock.shift(25);
    assert_eq!(ready(&world, "/readyz").await.status, 503);
    world.running.app.clock.shift(6);
    assert_eq!(ready(&world, "/readyz").await.status, 200);
    let why = text(&ready(&world, "/readyz?verbose").await);
    assert!(why.contains("degraded") && why.ends_with("\nready\n"), "{why}");
}

#[tokio::test]
async fn node_is_ready_without_keys_of_a_disabled_authority() {
    let (world, _endpoint) = world_without_keys_of_z(Behaviour::Status(500)).await;
    assert_eq!(ready(&world, "/readyz").await.status, 503);
    world
        .admin("POST", "/admin/v1/trust/z.example/disable", json!({}))
        .await;
    assert_eq!(ready(&world, "/readyz").await.status, 200);
}

/// Unauthenticated callers see the name of an authority only while its keys are missing; administrators see all names.
#[tokio::test]
async fn unauthenticated_callers_see_only_failed_authorities_and_administrators_see_all() {
    let (world, _endpoint) = world_without_keys_of_z(Behaviour::Status(500)).await;
    let public: Value = ready(&world, "/readyz?verbose#json").await.json();
    let names = |value: &Value| -> Vec<String> {
        let checks = value["checks"].as_array().unwrap().iter();
        checks
            .map(|check| {
                format!(
                    "{} {}",
                    check["name"].as_str().unwrap(),
                    check["state"].as_str().unwrap()
                )
            })
            .collect()
    };
    assert_eq!(public["ready"], false);
    assert_eq!(
        names(&public),
        ["started ok", "changes ok", "keys of z.example failed"]
    );
    assert!(
        !public.to_string().contains("127.0.0.1"),
        "the answer must not contain the bundle source: {public}"
    );
    let status = world.admin("GET", "/admin/v1/status", Value::Null).await;
    assert_eq!(status["ready"], false);
    assert_eq!(
        names(&status),
        [
            "started ok",
            "changes ok",
            "keys of b.example ok",
            "keys of z.example failed"
        ]
    );
}

#[tokio::test]
async fn checks_are_listed_only_if_the_request_asks_for_them() {
    let world = World::start_with(
        &format!("listen = \"127.0.0.1:0\"\n{}", crate::world::domains("")),
        "",
    )
    .await;
    for (query, lists) in [
        ("", false),
        ("?verbose", true),
        ("?verbose=1", true),
        ("?verbose=true", true),
        ("?x=1&verbose", true),
        ("?verbose=false", false),
        ("?verbose=0", false),
        ("?verbosely", false),
        ("?x=verbose", false),
    ] {
        let answer = ready(&world, &format!("/readyz{query}")).await;
        assert_eq!(answer.status, 200, "{query}");
        assert_eq!(
            text(&answer).contains("started"),
            lists,
            "{query}: {}",
            text(&answer)
        );
        assert!(text(&answer).ends_with("ready\n"), "{query}");
    }
}

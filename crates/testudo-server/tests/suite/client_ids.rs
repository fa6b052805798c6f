//! Tests that templates of rules never make the id of another client.

use crate::world::{RULES, World, domains};
use serde_json::json;

async fn with_template(template: &str, more: &str) -> World {
    let rules = RULES.replace("workload-{name}", template);
    let rules = rules.replace("t/*/{name}", "t/{group}/{name}");
    World::start_with(&format!("{}\n{more}", domains("")), &rules).await
}

async fn reasons(world: &World) -> Vec<String> {
    let events = world.events("client.refused").await;
    let reasons = events
        .iter()
        .map(|event| event["reason"].as_str().unwrap().to_owned());
    reasons.collect()
}

#[tokio::test]
async fn no_workload_takes_the_id_of_a_registered_client() {
    let world = with_template("{name}", "[registration.open]\nscopes = [\"r\"]").await;
    let json_body = [("content-type", "application/json")];
    let body = json!({ "redirect_uris": ["https://app.example/cb"] }).to_string();
    let registered = world
        .connect()
        .await
        .send("POST", "/register", &json_body, body)
        .await
        .json();
    let id = registered["client_id"].as_str().unwrap();
    assert!(id.starts_with("c_"), "{id}");
    for name in [id, "c_x", "u_AAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(
            world.ask(&format!("/t/1/{name}"), &[]).await.error(),
            "invalid_client",
            "{name}"
        );
    }
    assert!(
        reasons(&world)
            .await
            .iter()
            .all(|reason| reason == "client_id_reserved")
    );
    assert_eq!(
        world.client_ids().await,
        [id],
        "exactly one client must have this id"
    );
    assert_eq!(
        world.ask("/t/1/cam", &[]).await.status,
        200,
        "other ids can be used"
    );
    // A freeze applies to exactly this client.
    world
        .admin("POST", "/admin/v1/clients/freeze", json!({ "client_id": id }))
        .await;
    let state = |id: &str, clients: &[serde_json::Value]| {
        let client = clients.iter().find(|client| client["client_id"] == id);
        client.unwrap()["state"].clone()
    };
    let clients = world.clients().await;
    assert_eq!(state(id, &clients), "frozen");
    assert_eq!(state("cam", &clients), "active");
}

#[tokio::test]
async fn different_captures_make_different_client_ids() {
    let world = with_template("{group}/{name}", "").await;
    assert_eq!(world.ask("/t/x-y/z", &[]).await.status, 200);
    assert_eq!(world.ask("/t/x/y-z", &[]).await.status, 200);
    assert_eq!(world.client_ids().await.len(), 2);
    world
        .admin(
            "POST",
            "/admin/v1/clients/freeze",
            json!({ "client_id": "x-y/z" }),
        )
        .await;
    assert_eq!(world.ask("/t/x-y/z", &[]).await.error(), "invalid_client");
    assert_eq!(world.ask("/t/x/y-z", &[]).await.status, 200);
}

#[tokio::test]
async fn client_configured_later_does_not_share_its_id_with_a_workload() {
    let world = with_template("{name}", "").await;
    let assertion = |jti| {
        testudo_testkit::token::Draft::assertion(&world.c6, "c7", crate::world::ISSUER, jti, world.now())
    };
    assert_eq!(world.ask("/t/1/c7", &[]).await.status, 200);
    let named = "[[clients]]\nclient_id = \"c7\"\njwks = { file = \"c6.json\" }\n";
    world
        .reload_with(
            &domains(""),
            &format!("{}\n{named}", RULES.replace("workload-{name}", "{name}")),
        )
        .await;
    assert_eq!(world.ask("/t/1/c7", &[]).await.error(), "invalid_client");
    assert_eq!(
        world.ask_with(assertion("1"), &[]).await.error(),
        "invalid_client"
    );
    assert!(
        reasons(&world)
            .await
            .iter()
            .all(|reason| reason == "client_id_clash")
    );
    world
        .admin("POST", "/admin/v1/clients/delete", json!({ "client_id": "c7" }))
        .await;
    assert_eq!(world.ask_with(assertion("2"), &[]).await.status, 200);
    assert_eq!(world.client_ids().await, ["c7"]);
}

#[tokio::test]
async fn client_id_longer_than_the_limit_is_refused_and_not_shortened() {
    let world = with_template(&format!("{}{{name}}", "x".repeat(2_000)), "").await;
    assert_eq!(
        world.ask(&format!("/t/1/{}", "y".repeat(48)), &[]).await.status,
        200
    );
    assert_eq!(
        world.ask(&format!("/t/1/{}", "y".repeat(49)), &[]).await.error(),
        "invalid_client"
    );
    assert_eq!(reasons(&world).await, ["client_id_reserved"]);
}

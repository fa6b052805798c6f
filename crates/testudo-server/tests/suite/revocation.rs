//! Tests of the revocation endpoint over HTTP.

use crate::granted::{Granted, PEOPLE_RULES, granted};
use crate::world::{RULES, World, domains};
use serde_json::json;
use testudo_core::records::Grant;
use testudo_testkit::http::Answer;
use testudo_testkit::svid_form;

const WEB: &str = "/web/1";
const OTHER: &str = "/web/2";

async fn world() -> World {
    World::start_with(&domains(""), &format!("{RULES}{PEOPLE_RULES}")).await
}

async fn revoke_as(world: &World, path: &str, more: &[(&str, &str)]) -> Answer {
    let body = svid_form(&world.svid(path), more);
    world.connect().await.post("/revoke", body).await
}

async fn is_live(world: &World, granted: &Granted) -> bool {
    let store = &world.running.app.store;
    store.read::<Grant>(granted.grant.key()).await.unwrap().is_some()
}

async fn is_active(world: &World, path: &str, token: &str) -> bool {
    let body = svid_form(&world.svid(path), &[("token", token)]);
    let answer = world.connect().await.post("/introspect", body).await;
    answer.json()["active"].as_bool().unwrap()
}

// Rows RV-01, RV-04.
#[tokio::test]
async fn client_ends_a_grant_by_its_refresh_token_or_its_access_token_whatever_the_hint() {
    let world = world().await;
    for (random, hint) in [(1, "refresh_token"), (2, "access_token"), (3, "id_token")] {
        let granted = granted(&world, WEB, random).await;
        let access = granted.access_token(&world.running.app);
        assert!(is_active(&world, WEB, &access).await);
        let sent = match random {
            3 => &access,
            _ => &granted.refresh_token,
        };
        let answer = revoke_as(&world, WEB, &[("token", sent), ("token_type_hint", hint)]).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{answer:?}");
        assert!(!is_live(&world, &granted).await, "{hint}");
        assert!(!is_active(&world, WEB, &access).await, "{hint}");
        assert!(!is_active(&world, WEB, &granted.refresh_token).await, "{hint}");
        let again = revoke_as(&world, WEB, &[("token", sent)]).await;
        assert_eq!(again.status, 200, "{again:?}");

        let events = world.events("grant.revoked").await;
        assert_eq!(events.len(), usize::from(random), "one event for each grant");
        let event = events.last().unwrap();
        assert_eq!(event["grant"], granted.grant.to_string());
        assert_eq!(event["client_id"], "spiffe://a.example/web/1");
        let id = answer.header("request-id").unwrap();
        assert_eq!(event["request_id"], id);
        let explained = world
            .admin("POST", "/admin/v1/explain", json!({ "request_id": id }))
            .await;
        assert_eq!(explained["then"]["outcome"], "allowed", "{explained}");
    }
}

// Rows RV-02, RV-03, RV-05.
#[tokio::test]
async fn token_that_is_unknown_of_another_client_or_without_a_grant_ends_nothing() {
    let world = world().await;
    let granted = granted(&world, WEB, 1).await;
    let access = granted.access_token(&world.running.app);
    let own = world.ask(OTHER, &[]).await.access_token();
    let unknown = "A".repeat(86);
    let cases: [(&str, u16, &str); 7] = [
        ("x", 200, ""),
        (&unknown, 200, ""),
        (&world.svid(OTHER), 200, ""),
        (&granted.refresh_token, 400, "invalid_grant"),
        (&access, 400, "invalid_grant"),
        (&own, 400, "unsupported_token_type"),
        ("", 400, "invalid_request"),
    ];
    for (token, status, error) in cases {
        let answer = revoke_as(&world, OTHER, &[("token", token)]).await;
        assert_eq!(answer.status, status, "{answer:?}");
        if status != 200 {
            assert_eq!(answer.error(), error, "{answer:?}");
        }
        assert!(is_live(&world, &granted).await, "{token}");
    }
    let anonymous = world
        .connect()
        .await
        .post("/revoke", format!("token={}", granted.refresh_token))
        .await;
    assert_eq!(anonymous.error(), "invalid_client", "{anonymous:?}");
    assert!(is_live(&world, &granted).await);
    assert!(is_active(&world, WEB, &access).await);
}

//! Tests of client states, quotas and rate limits. Rows RF-50 to RF-57, RF-63 to RF-68.

use crate::world::{ISSUER, RULES, World, domains, slower_rules};
use serde_json::json;
use std::time::Duration;
use testudo_core::Actor;
use testudo_core::people::{PersonId, SecretDigest};
use testudo_core::records::{Batch, Consent, GrantedClient};
use testudo_server::Note;
use testudo_server::client_records::sweep_within;
use testudo_testkit::svid_form;

const PAY: &str = "/ns/pay/sa/api";
const PAY_ID: &str = "spiffe://a.example/ns/pay/sa/api";

// Row RF-50.
#[tokio::test]
async fn frozen_client_is_refused_until_it_is_thawed() {
    let world = World::start().await;
    world.ask(PAY, &[]).await;
    let remembered = svid_form(&world.svid(PAY), &[]);
    assert_eq!(world.send(&remembered).await.status, 200);
    world
        .admin("POST", "/admin/v1/clients/freeze", json!({ "client_id": PAY_ID }))
        .await;
    assert_eq!(world.send(&remembered).await.error(), "invalid_client");
    assert_eq!(world.ask("/ns/pay/sa/other", &[]).await.status, 200);
    let world = world.restart().await;
    assert_eq!(world.ask(PAY, &[]).await.error(), "invalid_client");
    world
        .admin("POST", "/admin/v1/clients/thaw", json!({ "client_id": PAY_ID }))
        .await;
    assert_eq!(world.ask(PAY, &[]).await.status, 200);
    assert_eq!(world.events("client.frozen").await.len(), 1);
    assert_eq!(world.events("client.thawed").await.len(), 1);
}

// Row RF-51.
#[tokio::test]
async fn blocked_identity_is_refused_before_its_first_use() {
    let world = World::start().await;
    for block in [
        PAY_ID,
        "spiffe://a.example/ns/pay/**",
        "spiffe://a.example/ns/{n}/sa/api",
    ] {
        world
            .admin(
                "POST",
                "/admin/v1/blocks",
                json!({ "identity": block, "reason": "test" }),
            )
            .await;
        assert_eq!(world.ask(PAY, &[]).await.error(), "invalid_client", "{block}");
        assert!(world.clients().await.is_empty());
        world
            .admin("POST", "/admin/v1/blocks/remove", json!({ "identity": block }))
            .await;
    }
    assert_eq!(world.ask(PAY, &[]).await.status, 200);
    let (status, _) = world
        .try_admin(
            "POST",
            "/admin/v1/blocks",
            json!({ "identity": "spiffe://a.example/x*" }),
        )
        .await;
    assert_eq!(status, 400, "a block with a typing error must be refused");
}

// Rows RF-52, RF-53.
#[tokio::test]
async fn deleted_client_returns_linked_to_its_predecessor_unless_blocked() {
    let world = World::start().await;
    world.ask(PAY, &[]).await;
    let answer = world
        .admin("POST", "/admin/v1/clients/delete", json!({ "client_id": PAY_ID }))
        .await;
    assert!(
        answer["warning"].as_str().unwrap().contains("registered again"),
        "{answer}"
    );
    assert!(world.clients().await.is_empty());
    assert_eq!(world.ask(PAY, &[]).await.status, 200);
    let client = &world.clients().await[0];
    assert_eq!(
        (&client["generation"], &client["predecessor"]["reason"]),
        (&json!(2), &json!("deleted"))
    );
    assert_eq!(world.events("client.returned").await.len(), 1);
    world
        .admin("POST", "/admin/v1/clients/delete", json!({ "client_id": PAY_ID }))
        .await;
    world
        .admin("POST", "/admin/v1/blocks", json!({ "identity": PAY_ID }))
        .await;
    assert_eq!(world.ask(PAY, &[]).await.error(), "invalid_client");
    assert!(world.clients().await.is_empty());
}

// Rows RF-54, RF-57.
#[tokio::test]
async fn idle_clients_are_removed_by_the_sweep_and_a_dry_run_changes_nothing() {
    let world = World::start().await;
    world.ask(PAY, &[]).await;
    world.ask("/x/1", &[]).await;
    world.running.app.clock.shift(31 * 86_400);
    let dry = world
        .admin("POST", "/admin/v1/clients/sweep", json!({ "dry_run": true }))
        .await;
    assert_eq!(
        (&dry["removed"], &dry["client_ids"]),
        (&json!(1), &json!([PAY_ID]))
    );
    assert_eq!(world.clients().await.len(), 2, "a dry run changes nothing");
    let swept = world.admin("POST", "/admin/v1/clients/sweep", json!({})).await;
    assert_eq!(swept["removed"], 1);
    assert_eq!(world.events("client.removed").await[0]["reason"], "idle");
    assert_eq!(world.ask(PAY, &[]).await.status, 200);
    assert_eq!(world.events("client.returned").await.len(), 1);
}

#[tokio::test]
async fn sweep_states_how_many_idle_clients_stay_where_it_has_no_time_to_read_what_people_granted() {
    let world = World::start().await;
    for path in [PAY, "/ns/pay/sa/other", "/x/1", "/mortal/1"] {
        assert_eq!(world.ask(path, &[]).await.status, 200, "{path}");
    }
    let app = &world.running.app;
    app.clock.shift(31 * 86_400);
    // Something to read: a consent for another client.
    let other = format!("{PAY_ID}/other");
    let mut batch = Batch::default();
    batch.insert(&Consent {
        person: PersonId::of_random(&[1; 16]),
        client: GrantedClient {
            authority: "spiffe://a.example".into(),
            subject: other.clone(),
            client_id: other,
            generation: None,
        },
        scope: Default::default(),
        shown: SecretDigest::of("page"),
        given: app.now(),
        until: None,
    });
    app.store.commit(batch).await.unwrap();
    for (within, is_dry_run, expected) in [
        (Duration::ZERO, true, (1, 2)),
        (Duration::ZERO, false, (1, 2)),
        (Duration::from_secs(60), true, (2, 0)),
        (Duration::from_secs(60), false, (2, 0)),
    ] {
        let swept = sweep_within(app, is_dry_run, Note::by(&Actor::Sweep), within).await;
        let swept = swept.unwrap();
        assert_eq!((swept.removed, swept.idle_left), expected, "{swept:?}");
    }
}

/// Otherwise the next request would register it again, active: the freeze would end by itself.
#[tokio::test]
async fn frozen_client_stays_and_is_refused_when_it_is_idle_or_past_its_lifetime() {
    let world = World::start().await;
    for path in [PAY, "/mortal/1"] {
        assert_eq!(world.ask(path, &[]).await.status, 200);
        let client = json!({ "client_id": format!("spiffe://a.example{path}") });
        world.admin("POST", "/admin/v1/clients/freeze", client).await;
    }
    world.running.app.clock.shift(31 * 86_400);
    let swept = world.admin("POST", "/admin/v1/clients/sweep", json!({})).await;
    assert_eq!(swept["removed"], 0, "{swept}");
    for path in [PAY, "/mortal/1"] {
        assert_eq!(world.ask(path, &[]).await.error(), "invalid_client", "{path}");
    }
    let world = world.restart().await;
    for path in [PAY, "/mortal/1"] {
        assert_eq!(world.ask(path, &[]).await.error(), "invalid_client", "{path}");
    }
    assert!(world.events("client.removed").await.is_empty());
}

// Row RF-55.
#[tokio::test]
async fn idle_client_that_is_used_again_is_not_removed_by_the_sweep() {
    let world = World::start().await;
    world.ask(PAY, &[]).await;
    world.running.app.clock.shift(31 * 86_400);
    assert_eq!(world.ask(PAY, &[]).await.status, 200);
    let swept = world.admin("POST", "/admin/v1/clients/sweep", json!({})).await;
    assert_eq!(swept["removed"], 0);
    assert_eq!(world.clients().await.len(), 1);
}

// Row RF-56.
#[tokio::test]
async fn client_past_its_lifetime_is_registered_again() {
    let world = World::start().await;
    assert_eq!(world.ask("/mortal/1", &[]).await.status, 200);
    // Its lifetime is 3600 s. The clock of the server also goes on by itself, by more than a second on a slow machine.
    world.running.app.clock.shift(3500);
    assert_eq!(world.ask("/mortal/1", &[]).await.status, 200);
    assert_eq!(world.clients().await[0]["generation"], 1);
    world.running.app.clock.shift(100);
    assert_eq!(world.ask("/mortal/1", &[]).await.status, 200);
    let clients = world.clients().await;
    assert_eq!((clients.len(), &clients[0]["generation"]), (1, &json!(2)));
    assert_eq!(world.events("client.returned").await.len(), 1);
}

// Rows RF-63, RF-68.
#[tokio::test]
async fn registrations_beyond_the_rate_get_429_also_after_a_client_is_deleted() {
    let world = World::start_with(&domains(""), &slower_rules()).await;
    assert_eq!(world.ask(PAY, &[]).await.status, 200);
    let mut outcomes = Vec::new();
    for number in 0..10 {
        outcomes.push(world.ask(&format!("/slow/{number}"), &[]).await);
    }
    let good = outcomes.iter().filter(|answer| answer.status == 200).count();
    // On a slow machine, one registration may become possible during the test.
    assert!((5..=6).contains(&good), "{good}");
    let refused = outcomes.last().unwrap();
    assert_eq!(
        (refused.status, refused.error().as_str()),
        (429, "temporarily_unavailable")
    );
    let wait: i64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(
        world.ask(PAY, &[]).await.status,
        200,
        "known clients must be served"
    );
    world
        .admin(
            "POST",
            "/admin/v1/clients/delete",
            json!({ "client_id": "spiffe://a.example/slow/0" }),
        )
        .await;
    assert_eq!(
        world.ask("/slow/0", &[]).await.status,
        429,
        "deleting a client must not allow another registration"
    );
    world.running.app.clock.shift(wait);
    assert_eq!(world.ask("/slow/9", &[]).await.status, 200);
    assert!(!world.events("velocity.limited").await.is_empty());
}

// Row RF-64.
#[tokio::test]
async fn flood_under_one_path_prefix_limits_that_prefix_only() {
    let tight = domains("registrations_per_minute_per_prefix = 6\nregistrations_burst_per_prefix = 2");
    let world = World::start_with(&tight, RULES).await;
    let mut good = 0;
    for number in 0..20 {
        good += usize::from(world.ask(&format!("/ns/evil/sa/s{number}"), &[]).await.status == 200);
    }
    assert!(good <= 4, "{good}");
    assert_eq!(world.ask("/ns/pay/sa/api", &[]).await.status, 200);
}

// Row RF-65.
#[tokio::test]
async fn clients_beyond_the_quota_get_429_until_one_is_deleted() {
    let world = World::start().await;
    for number in 0..3 {
        assert_eq!(world.ask(&format!("/small/{number}"), &[]).await.status, 200);
    }
    let fourth = world.ask("/small/3", &[]).await;
    assert_eq!(
        (fourth.status, fourth.error().as_str()),
        (429, "temporarily_unavailable")
    );
    assert!(fourth.header("retry-after").is_some());
    assert_eq!(world.events("quota.reached").await.len(), 1);
    assert_eq!(world.clients().await.len(), 3);
    world
        .admin(
            "POST",
            "/admin/v1/clients/delete",
            json!({ "client_id": "spiffe://a.example/small/0" }),
        )
        .await;
    assert_eq!(world.ask("/small/3", &[]).await.status, 200);
    let world = world.restart().await;
    assert_eq!(
        world.ask("/small/4", &[]).await.status,
        429,
        "the number of clients must survive a restart"
    );
}

// Row H-05.
#[tokio::test]
async fn assertion_is_accepted_once_and_a_refused_request_does_not_use_it_up() {
    let world = World::start().await;
    assert_eq!(
        world.ask_as_c6("j1", &[("scope", "admin")]).await.error(),
        "invalid_scope"
    );
    assert_eq!(world.ask_as_c6("j1", &[]).await.status, 200);
    assert_eq!(world.ask_as_c6("j1", &[]).await.error(), "invalid_client");
    assert_eq!(world.ask_as_c6("j2", &[]).await.status, 200);
    let world = world.restart().await;
    assert_eq!(
        world.ask_as_c6("j1", &[]).await.error(),
        "invalid_client",
        "the use of an assertion must be stored on disk"
    );
    assert_eq!(world.client_ids().await, ["c6"]);
}

#[tokio::test]
async fn svid_of_a_trust_domain_with_single_use_is_accepted_once() {
    let world = World::start_with(&domains("single_use = true"), RULES).await;
    assert_eq!(
        world.ask("/x/1", &[]).await.error(),
        "invalid_client",
        "jti is required with single_use"
    );
    let token =
        testudo_testkit::token::Draft::svid(world.a.key(), "spiffe://a.example/x/1", ISSUER, world.now())
            .claim("jti", "once")
            .sign();
    assert_eq!(world.send(&svid_form(&token, &[])).await.status, 200);
    assert_eq!(
        world.send(&svid_form(&token, &[])).await.error(),
        "invalid_client"
    );
}

#[tokio::test]
async fn openapi_document_lists_operations_and_members_that_exist() {
    let world = World::start().await;
    world.ask("/x/1", &[]).await;
    let document = world.admin("GET", "/admin/v1/openapi.json", json!(null)).await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut seen = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let path = path.replace("{name}", "a.example");
        for method in operations.as_object().unwrap().keys() {
            let (status, answer) = world.try_admin(&method.to_uppercase(), &path, json!({})).await;
            // An empty body is not valid for every operation, but every operation must exist.
            let is_there = [200, 400, 422].contains(&status);
            assert!(is_there, "{method} {path}: {status} {answer}");
            assert!(method != "get" || status == 200, "{path}: {status}");
            seen += 1;
        }
    }
    assert!(seen >= 23, "{seen}");
    // The document describes exactly the members of a client that the API returns.
    let client = world.clients().await.remove(0);
    let described = &document["components"]["schemas"]["ClientView"]["properties"];
    for member in client.as_object().unwrap().keys() {
        assert!(
            described[member].is_object() || described[member] == true,
            "{member}"
        );
    }
}

//! Tests of cached verification results, and of the longest lifetime of an SVID.

use crate::world::{ISSUER, RULES, World, domains};
use testudo_testkit::svid_form;
use testudo_testkit::token::Draft;

fn remembered(world: &World) -> u64 {
    world.running.app.metrics.assertions_remembered.get()
}

#[tokio::test]
async fn verification_result_is_cached_only_after_admission() {
    let world = World::start().await;
    let again = async |path: &str, more: &[(&str, &str)]| {
        let form = svid_form(&world.svid(path), more);
        let before = remembered(&world);
        let statuses = [world.send(&form).await.status, world.send(&form).await.status];
        (statuses, remembered(&world) - before)
    };
    assert_eq!(again("/x/1", &[]).await, ([200, 200], 1));
    assert_eq!(again("/nowhere", &[]).await, ([400, 400], 0), "no rule");
    assert_eq!(
        again("/x/2", &[("scope", "admin")]).await,
        ([400, 400], 0),
        "the scope is not allowed"
    );
    assert_eq!(
        again("/x/3", &[("client_id", "other")]).await,
        ([400, 400], 0),
        "the client_id is that of another client"
    );
}

#[tokio::test]
async fn svid_with_too_long_a_lifetime_is_refused() {
    let domains = domains("").replacen(
        "name = \"b.example\"\n",
        "name = \"b.example\"\nlifetime_max = \"1h\"\n",
        1,
    );
    let world = World::start_with(&domains, RULES).await;
    let day = 86_400;
    let ask = async |issuer: &testudo_testkit::TestIssuer, id: &str, issued: Option<i64>, expires: i64| {
        let draft = Draft::svid(issuer.key(), id, ISSUER, world.now()).claim("exp", expires);
        let signed = match issued {
            Some(issued) => draft.claim("iat", issued).sign(),
            None => draft.without_claim("iat").sign(),
        };
        world.send(&svid_form(&signed, &[])).await.status
    };
    let (now, a, b) = (world.now(), "spiffe://a.example/x/1", "spiffe://b.example/x/1");
    // The default bound is thirty days: at the bound and one second beyond.
    assert_eq!(ask(&world.a, a, Some(now), now + 30 * day).await, 200);
    assert_eq!(ask(&world.a, a, Some(now), now + 30 * day + 1).await, 400);
    assert_eq!(ask(&world.a, a, Some(now - day), now + 30 * day - 10).await, 400);
    assert_eq!(ask(&world.a, a, None, now + 30 * day + 60).await, 400);
    assert_eq!(ask(&world.a, a, Some(now), now + 1_000_000_000_000).await, 400);
    assert_eq!(ask(&world.b, b, Some(now), now + 3_600).await, 200);
    assert_eq!(ask(&world.b, b, Some(now), now + 3_601).await, 400);
    let events = world.events("client.refused").await;
    assert!(
        events.iter().all(|event| event["reason"] == "lifetime_too_long"),
        "{events:?}"
    );
}

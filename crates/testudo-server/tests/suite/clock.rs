//! Tests of a wall clock that jumps ahead for a moment or is set back.

use crate::world::{ISSUER, World, domains, slower_rules};
use testudo_core::identity::SingleUse;
use testudo_core::records::{Batch, Write};
use testudo_protocol::Timestamp;
use testudo_server::upkeep::drop_what_is_over;
use testudo_testkit::token::Draft;

const HOUR: i64 = 3_600;
/// Longer than the time without a clock jump after which expired records are deleted.
const CALM: i64 = 16 * 60;

/// A server whose clock has not jumped for long enough.
async fn calm() -> World {
    let world = World::start().await;
    wait_until_calm(&world).await;
    world
}

/// Lets time pass until the server, which was just started, deletes expired records.
pub async fn wait_until_calm(world: &World) {
    let app = &world.running.app;
    assert_eq!(
        drop_what_is_over(app).await,
        None,
        "nothing may be deleted right after a start"
    );
    app.clock.shift(CALM);
    assert!(drop_what_is_over(app).await.is_some());
}

/// The number of replay marks in the store.
pub async fn marks(world: &World) -> usize {
    world.running.app.store.count_marks().await.unwrap()
}

/// Fifteen clients may each use 500 proofs a second; their marks must be deleted as fast.
#[tokio::test]
async fn marks_that_expired_since_the_last_deletion_are_all_deleted() {
    let world = calm().await;
    let over = |number: u64| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        Write::Mark(SingleUse {
            key,
            keep_until: Timestamp(world.now() - 100),
        })
    };
    for start in (0..37_500).step_by(2_500) {
        let batch = Batch {
            writes: (start..start + 2_500).map(over).collect(),
            ..Batch::default()
        };
        world.running.app.store.commit(batch).await.unwrap();
    }
    assert_eq!(marks(&world).await, 37_500);
    assert!(drop_what_is_over(&world.running.app).await.is_some());
    assert_eq!(marks(&world).await, 0);
}

#[tokio::test]
async fn clock_that_was_ahead_for_a_moment_does_not_prevent_registration() {
    let world = World::start().await;
    let clock = &world.running.app.clock;
    clock.step(HOUR);
    for number in 0..5 {
        assert_eq!(world.ask(&format!("/slow/{number}"), &[]).await.status, 200);
    }
    clock.step(-HOUR);
    clock.shift(2);
    assert_eq!(
        world.ask("/slow/5", &[]).await.status,
        200,
        "two seconds later a registration is possible again"
    );
}

#[tokio::test]
async fn clock_set_forward_does_not_refill_the_registration_rate() {
    let world = World::start_with(&domains(""), &slower_rules()).await;
    let mut statuses = Vec::new();
    for number in 0..12 {
        world.running.app.clock.step(60);
        statuses.push(world.ask(&format!("/slow/{number}"), &[]).await.status);
    }
    // Five registrations at once, and one more for each ten seconds that the test takes.
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn clock_that_was_ahead_for_a_moment_deletes_no_replay_mark() {
    let world = calm().await;
    let app = &world.running.app;
    let now = world.now();
    let signed = || Draft::assertion(&world.c6, "c6", ISSUER, "once", now).claim("exp", now + 60);
    assert_eq!(world.ask_with(signed(), &[]).await.status, 200);
    app.clock.step(HOUR);
    assert_eq!(drop_what_is_over(app).await, None);
    app.clock.step(-HOUR);
    assert_eq!(drop_what_is_over(app).await, None);
    assert_eq!(marks(&world).await, 1);
    assert_eq!(world.ask_with(signed(), &[]).await.error(), "invalid_client");
    // For comparison: with a clock that did not jump, expired marks are deleted.
    app.clock.shift(CALM);
    assert!(drop_what_is_over(app).await.is_some());
    assert_eq!(marks(&world).await, 0);
}

#[tokio::test]
async fn assertion_whose_replay_mark_was_deleted_is_refused_after_the_clock_was_set_back() {
    let world = calm().await;
    let app = &world.running.app;
    let now = world.now();
    let signed = |jti: &str, issued: i64| {
        Draft::assertion(&world.c6, "c6", ISSUER, jti, issued).claim("exp", issued + 60)
    };
    assert_eq!(world.ask_with(signed("once", now), &[]).await.status, 200);
    app.clock.shift(HOUR);
    assert!(drop_what_is_over(app).await.is_some());
    assert_eq!(marks(&world).await, 0);
    app.clock.step(-HOUR);
    assert_eq!(
        world.ask_with(signed("once", now), &[]).await.error(),
        "invalid_client"
    );
    let reasons: Vec<_> = world.events("client.refused").await;
    assert!(
        reasons.iter().any(|event| event["reason"] == "mark_dropped"),
        "{reasons:?}"
    );
    // Credentials that may be used several times need no marks, so they are accepted.
    assert_eq!(world.ask("/x/1", &[]).await.status, 200);
    // For comparison: if the clock is set back by less than the margin, nothing is refused.
    app.clock.step(HOUR - 200);
    let issued = world.now();
    assert_eq!(world.ask_with(signed("new", issued), &[]).await.status, 200);
    assert_eq!(
        world.ask_with(signed("new", issued), &[]).await.error(),
        "invalid_client"
    );
}

//! Lists that must not be used any more: older ones, and those of a key that was withdrawn; and the turns of fetches.

use super::*;

#[tokio::test]
async fn list_that_is_older_than_the_one_before_is_refused() {
    let publisher = Publisher::start().await;
    // Read once: the clock goes on while the first list is fetched.
    let issued = publisher.clock.now().0;
    let first = Draft::token_list(&publisher.key, &publisher.url("/1"), &[1], issued);
    publisher.publish("/1", &first);
    assert!(matches!(
        publisher.decide("/1", 0).await,
        Err(StatusReason::Revoked { .. })
    ));
    publisher.clock.shift(61);
    let older = Draft::token_list(&publisher.key, &publisher.url("/1"), &[0], issued - 1);
    publisher.publish("/1", &older);
    let decided = publisher.decide("/1", 0).await;
    assert!(is_refused(&decided), "{decided:?}");
    // The same list again, and a newer one.
    for since in [0, 60] {
        publisher.clock.shift(61);
        let list = Draft::token_list(&publisher.key, &publisher.url("/1"), &[0], issued + since);
        publisher.publish("/1", &list);
        assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Fresh), "{since}");
    }
}

#[tokio::test]
async fn list_of_a_withdrawn_key_is_not_used_while_fetches_fail() {
    let mut publisher = Publisher::start().await;
    publisher.max_stale = 1_000;
    publisher.publish("/1", &publisher.draft("/1", &[0]));
    assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Fresh));
    publisher.web.answers_at("/1", 500, "");
    let other = generate_key(Algorithm::ES256, Some("k2"));
    publisher.trusts(&[&other, &publisher.key]);
    assert_eq!(
        publisher.decide("/1", 0).await,
        Ok(ListAge::Stale),
        "a key was added"
    );
    publisher.trusts(&[&other]);
    publisher.clock.shift(31);
    let decided = publisher.decide("/1", 0).await;
    assert!(is_unavailable(&decided), "{decided:?}");
}

#[tokio::test]
async fn fetches_of_one_issuer_leave_turns_for_others_and_a_missed_turn_is_no_failure_of_the_list() {
    let publisher = Publisher::start().await;
    publisher.publish("/1", &publisher.draft("/1", &[0]));
    let turns = &publisher.lists.turns;
    let own = publisher.authority.key();
    let mut held = Vec::new();
    for _ in 0..FETCHES_OF_ISSUER_MAX {
        held.extend(turns.of(own).await.ok());
    }
    assert_eq!(held.len(), FETCHES_OF_ISSUER_MAX);
    let waited = tokio::join!(publisher.decide("/1", 0), turns.of("others"));
    assert!(is_unavailable(&waited.0), "{:?}", waited.0);
    assert!(waited.1.is_ok(), "another issuer does not wait");
    assert_eq!(publisher.web.take_requests().len(), 0);
    assert_eq!(publisher.fetches("shed"), 1);
    drop(held);
    assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Fresh));
}

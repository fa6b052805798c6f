//! Tests of many concurrent requests. Rows RF-25, RF-60, RF-66, RF-67, J-18.

use crate::world::{ISSUER, World};
use std::sync::Arc;
use testudo_testkit::token::Draft;
use testudo_testkit::{assertion_form, svid_form};

/// Sends all bodies at the same moment, each on its own connection; returns the statuses.
async fn at_once(world: &World, bodies: Vec<String>) -> Vec<u16> {
    let requests = bodies.into_iter().map(|body| (vec![], body)).collect();
    let answers = world.at_once(requests).await;
    answers.iter().map(|answer| answer.status).collect()
}

// Rows RF-60, J-20.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn new_identity_on_64_connections_at_once_makes_one_client() {
    let world = World::start().await;
    // Different SVIDs of one identity, so that no cached verification result is shared.
    let bodies = (0..64)
        .map(|number| {
            let draft = Draft::svid(world.a.key(), "spiffe://a.example/x/race", ISSUER, world.now());
            svid_form(&draft.claim("n", number).sign(), &[])
        })
        .collect();
    let statuses = at_once(&world, bodies).await;
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        64,
        "{statuses:?}"
    );
    assert_eq!(world.client_ids().await, ["spiffe://a.example/x/race"]);
    assert_eq!(world.events("client.registered").await.len(), 1);
}

// Row RF-60.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_first_uses_of_one_identity_count_once_against_the_rate() {
    let world = World::start().await;
    let svid = world.svid("/slow/race");
    let statuses = at_once(&world, vec![svid_form(&svid, &[]); 64]).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
}

// Row RF-66.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_first_uses_of_64_identities_stop_at_the_quota_of_ten() {
    let world = World::start().await;
    let bodies = (0..64)
        .map(|number| svid_form(&world.svid(&format!("/ten/{number}")), &[]))
        .collect();
    let statuses = at_once(&world, bodies).await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 10);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 54);
    assert_eq!(world.clients().await.len(), 10);
}

// Row J-18.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_100_parallel_replays_of_one_assertion_one_is_accepted() {
    let world = World::start().await;
    let assertion = Draft::assertion(&world.c6, "c6", ISSUER, "same", world.now()).sign();
    let body = assertion_form(&assertion, &[]);
    let statuses = at_once(&world, vec![body; 100]).await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1);
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 400)),
        "{statuses:?}"
    );
}

// Row RF-25.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn caller_that_closes_its_connection_leaves_no_partly_registered_client() {
    let world = World::start().await;
    for number in 0..20 {
        use tokio::io::AsyncWriteExt as _;
        let body = svid_form(&world.svid(&format!("/x/gone{number}")), &[]);
        let mut stream = tokio::net::TcpStream::connect(world.address()).await.unwrap();
        let request = format!(
            "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        drop(stream);
    }
    for number in 0..20 {
        assert_eq!(world.ask(&format!("/x/gone{number}"), &[]).await.status, 200);
    }
    assert_eq!(world.clients().await.len(), 20);
    assert_eq!(world.events("client.registered").await.len(), 20);
}

/// The benchmark `flood` sends 200,000 requests; the number here is enough to show that the number of events does not
/// depend on it.
// Row RF-67.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn flood_of_refused_identities_writes_a_bounded_number_of_events() {
    let world = World::start().await;
    let flood = async |from: usize| {
        let bodies: Vec<hyper::body::Bytes> = (from..from + 2_000)
            .map(|number| svid_form(&world.svid(&format!("/none/{number}/x")), &[]).into())
            .collect();
        testudo_testkit::load::drive(world.address(), 16, Arc::new(bodies)).await
    };
    let first = flood(0).await;
    assert_eq!((first.good, first.bad), (0, 2_000));
    let sampled = world.events("client.refused").await.len();
    assert!((20..=400).contains(&sampled), "{sampled}");
    flood(2_000).await;
    assert!(
        world.events("client.refused").await.len() <= 400 + 200,
        "a new minute may have begun during the test"
    );
    assert!(world.clients().await.is_empty());
}

/// Another process has locked the database: first uses are refused, and known clients are served from memory.
// Rows RF-24, J-17.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn store_that_cannot_write_refuses_first_use_with_503_and_serves_known_clients() {
    let world = World::start().await;
    assert_eq!(world.ask("/x/known", &[]).await.status, 200);
    let lock = rusqlite::Connection::open(world.folder.join("test.db")).unwrap();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let refused = world.ask("/x/new", &[]).await;
    assert_eq!(
        (refused.status, refused.error().as_str()),
        (503, "temporarily_unavailable")
    );
    assert!(refused.header("retry-after").is_some());
    assert_eq!(world.ask("/x/known", &[]).await.status, 200);
    assert_eq!(
        world.ask_as_c6("j", &[]).await.status,
        503,
        "a single-use credential must be refused"
    );
    lock.execute_batch("ROLLBACK").unwrap();
    assert_eq!(
        world.client_ids().await,
        ["spiffe://a.example/x/known"],
        "no client was registered by the refused request"
    );
    assert_eq!(world.ask("/x/new", &[]).await.status, 200);
    assert_eq!(
        world.ask_as_c6("j", &[]).await.status,
        200,
        "the refused request must not use up the assertion"
    );
}

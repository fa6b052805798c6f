//! A thousand clusters with one issuer string: what a start, a request and a refused request cost.

use super::*;
use crate::nodes::until_slowly;
use std::time::{Duration, Instant};
use testudo_testkit::key_set;

/// Clusters with one issuer.
const CLUSTERS: usize = 1_000;

fn name(number: usize) -> String {
    format!("c{number}")
}

/// A server with so many clusters, and their keys. Two keys each, as while keys are rotated.
async fn crowd(count: usize) -> (Clusters, Vec<SigningKey>) {
    let keys: Vec<SigningKey> = (0..count)
        .map(|number| generate_key(Algorithm::ES256, Some(&format!("key-of-{number}"))))
        .collect();
    let clusters = Clusters::start().await;
    for (number, key) in keys.iter().enumerate() {
        clusters.world.write_keys(&name(number), &[key, &clusters.k2]);
    }
    let entries: String = (0..count).map(|number| entry(&name(number), "")).collect();
    let rule = "[[rules]]\nname = \"all\"\nidentities = [\"c0:{namespace}/{account}\", \"c999:{namespace}/{account}\"]\nscopes = [\"r\"]\ndefault_scopes = [\"r\"]\n";
    clusters
        .world
        .reload_with(&format!("{}{entries}", domains("")), &format!("{rule}{RULES}"))
        .await;
    (clusters, keys)
}

/// The time of a request with a token that was never sent before.
async fn time(clusters: &Clusters, key: &SigningKey, number: usize) -> Duration {
    let token = clusters.draft(key).claim("jti", number.to_string()).sign();
    let began = Instant::now();
    let answer = clusters.ask(&token, &[]).await;
    let took = began.elapsed();
    assert_eq!(answer.status, 200, "{}", answer.json());
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_clusters_with_one_issuer_start_and_are_found_without_a_search() {
    let began = Instant::now();
    let (many, keys) = crowd(CLUSTERS).await;
    let loaded = began.elapsed();
    let last = &keys[CLUSTERS - 1];
    // The first request makes the index and registers the client.
    let token = many.draft(last).sign();
    let first = many.ask(&token, &[]).await;
    assert_eq!(subject_of(&first), "c999:pay/worker");
    let (one, key_of_one) = crowd(1).await;
    assert_eq!(one.ask(&one.draft(&key_of_one[0]).sign(), &[]).await.status, 200);
    let (mut of_many, mut of_one) = (Vec::new(), Vec::new());
    for number in 0..200 {
        of_many.push(time(&many, last, number).await);
        of_one.push(time(&one, &key_of_one[0], number).await);
    }
    let (of_many, of_one) = (median(of_many), median(of_one));
    assert!(loaded < Duration::from_secs(120), "{loaded:?}");
    // A search of all clusters for each request would take longer than the verification of the signature.
    assert!(of_many < of_one * 2, "{of_many:?}, with one cluster {of_one:?}");
    // The key `k2-key` is a key of all of them: at most eight are tried.
    let began = Instant::now();
    let shared = many.ask(&many.draft(&many.k2).sign(), &[]).await;
    many.assert_refused(&shared, "a key of all clusters");
    assert_eq!(many.world.reason_of(&shared).await, "kubernetes_several_clusters");
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// The fetches of the keys of many clusters, because a token has a `kid` that none of them has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invented_key_ids_cause_at_most_eight_fetches_in_half_a_minute() {
    let publisher = testudo_testkit::web::DocumentServer::start("localhost").await;
    let key = generate_key(Algorithm::ES256, Some("real"));
    let keys = key_set(&[&key]).to_string();
    publisher.answers(200, None, &keys);
    let clusters = Clusters::start().await;
    std::fs::write(clusters.world.folder.join("ca.pem"), &publisher.root_pem).unwrap();
    let port = publisher.address.port();
    let entries: String = (0..40)
        .map(|number| {
            let url = format!("url = \"https://localhost:{port}/{number}\", ca = \"ca.pem\"");
            let file = format!("file = \"{}.json\"", name(number));
            entry(&name(number), "").replace(&file, &url)
        })
        .collect();
    let rules = "[[rules]]\nname = \"all\"\nidentities = [\"c0:*/*\"]\nentire_authority = true\n";
    clusters
        .world
        .reload_with(&format!("{}{entries}", domains("")), &format!("{rules}{RULES}"))
        .await;
    let all_loaded = async || {
        for number in 0..40 {
            let path = format!("/admin/v1/trust/{}", name(number));
            let shown = clusters.world.admin("GET", &path, Value::Null).await;
            if shown["jwt_keys"] != json!(["real"]) {
                return false;
            }
        }
        true
    };
    until_slowly(all_loaded).await;
    publisher.take_requests();
    for number in 0..20 {
        let forger = generate_key(Algorithm::ES256, Some(&format!("invented-{number}")));
        let refused = clusters.ask(&clusters.draft(&forger).sign(), &[]).await;
        clusters.assert_refused(&refused, "an invented key id");
    }
    let fetched = publisher.take_requests();
    assert_eq!(fetched.len(), 8, "{fetched:?}");
    clusters.world.running.app.clock.shift(30);
    let forger = generate_key(Algorithm::ES256, Some("invented again"));
    clusters.ask(&clusters.draft(&forger).sign(), &[]).await;
    let next = publisher.take_requests();
    assert_eq!(next.len(), 8, "{next:?}");
    assert!(
        next.iter().all(|request| !fetched.contains(request)),
        "other clusters take their turn"
    );
}

/// The first fetch of one of many sources may wait for the others for longer than the pause of a source without keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_set_whose_first_fetch_takes_long_is_not_fetched_again_when_it_is_there() {
    let publisher = testudo_testkit::web::DocumentServer::start("localhost").await;
    let key = generate_key(Algorithm::ES256, Some("real"));
    let keys = key_set(&[&key]).to_string();
    publisher.answers(200, None, &keys);
    // Longer than the five seconds after which a source without keys is fetched again.
    publisher.takes(Duration::from_secs(6));
    let clusters = Clusters::start().await;
    std::fs::write(clusters.world.folder.join("ca.pem"), &publisher.root_pem).unwrap();
    let url = format!(
        "url = \"https://localhost:{}/\", ca = \"ca.pem\"",
        publisher.address.port()
    );
    let entry = entry("c0", "").replace("file = \"c0.json\"", &url);
    let rules = "[[rules]]\nname = \"all\"\nidentities = [\"c0:*/*\"]\nentire_authority = true\n";
    clusters
        .world
        .reload_with(&format!("{}{entry}", domains("")), &format!("{rules}{RULES}"))
        .await;
    let is_loaded = async || {
        let shown = clusters
            .world
            .admin("GET", "/admin/v1/trust/c0", Value::Null)
            .await;
        shown["jwt_keys"] == json!(["real"])
    };
    until_slowly(is_loaded).await;
    // A second fetch would begin at once.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(publisher.connections(), 1);
}

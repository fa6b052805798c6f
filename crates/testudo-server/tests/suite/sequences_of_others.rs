//! What one node takes of a trust domain's bundles, another looks for at once. Both have a source of their own.

use crate::nodes::{admin, postgres, until};
use crate::world::World;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use testudo_testkit::http::over_socket;

async fn sequence(folder: &Path) -> Value {
    let socket = folder.join("admin.sock");
    let (_, shown) = over_socket(&socket, "GET", "/admin/v1/trust/a.example", Value::Null).await;
    shown["sequence"].clone()
}

/// A file is looked at every 5 s: a node that is not told is behind for some seconds.
const AT_ONCE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bundle_that_one_node_took_or_accepted_is_looked_for_by_the_other_at_once() {
    let (first, _tls) = World::start_over(&postgres().database("sequences_of_others").unwrap()).await;
    let (second, second_folder) = first.join().await;
    let folders = [first.folder.clone(), second_folder];
    let document: Value = serde_json::from_slice(&std::fs::read(folders[0].join("a.json")).unwrap()).unwrap();
    // The second node's source first: it does not move by itself before it looks again.
    let publish = |sequence: u64| {
        for folder in folders.iter().rev() {
            let mut document = document.clone();
            document["spiffe_sequence"] = json!(sequence);
            std::fs::write(folder.join("a.json"), document.to_string()).unwrap();
        }
    };
    publish(100);
    admin(&folders[0], "/admin/v1/trust/a.example/refresh", json!({})).await;
    let took = until(async || sequence(&folders[1]).await == json!(100)).await;
    assert!(took < AT_ONCE, "a higher sequence: {took:?}");
    // Five times, since the other node's own look may come at the right moment.
    for number in (95..100).rev() {
        publish(number);
        let answer = admin(&folders[0], "/admin/v1/trust/a.example/accept", json!({})).await;
        assert!(answer["done"].as_str().unwrap().contains("accepted"), "{answer}");
        let took = until(async || sequence(&folders[1]).await == json!(number)).await;
        assert!(took < AT_ONCE, "{number} accepted: {took:?}");
    }
    second.stop().await;
}

//! Tests that a bundle which one node uses makes other nodes fetch theirs at once. Each node has its own source.

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

/// A file is read every 5 s, so a node that is not notified would use the old bundle for some seconds.
const AT_ONCE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn other_node_fetches_at_once_a_bundle_that_one_node_used_or_accepted() {
    let (first, _tls) = World::start_over(&postgres().database("sequences_of_others").unwrap()).await;
    let (second, second_folder) = first.join().await;
    let folders = [first.folder.clone(), second_folder];
    let document: Value = serde_json::from_slice(&std::fs::read(folders[0].join("a.json")).unwrap()).unwrap();
    // The source of the second node is changed first; the node does not notice before it reads the source again.
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
    // Repeated five times, because the regular poll of the other node may happen at the right moment.
    for number in (95..100).rev() {
        publish(number);
        let answer = admin(&folders[0], "/admin/v1/trust/a.example/accept", json!({})).await;
        assert!(answer["done"].as_str().unwrap().contains("accepted"), "{answer}");
        let took = until(async || sequence(&folders[1]).await == json!(number)).await;
        assert!(took < AT_ONCE, "{number} accepted: {took:?}");
    }
    // Each acceptance has one event with its administrator, and one event of the other node, without an administrator,
    // which states what caused it.
    let socket = folders[0].join("admin.sock");
    let of = async |kind: &str| -> Vec<Value> {
        let (_, events) = over_socket(&socket, "GET", "/admin/v1/events?limit=1000", Value::Null).await;
        let events = events["events"].as_array().unwrap().iter();
        let wanted =
            events.filter(|event| event["event"] == kind && event["authority"] == "spiffe://a.example");
        wanted.cloned().collect()
    };
    let accepted = of("authority.bundle_accepted").await;
    assert_eq!(accepted.len(), 5, "{accepted:?}");
    assert!(
        accepted.iter().all(|event| event["actor"].is_string()),
        "{accepted:?}"
    );
    let states_it = |event: &&Value| {
        let detail = event["detail"].as_str().unwrap_or_default();
        detail.ends_with("after an administrator accepted a bundle on another node")
    };
    // The event is written after the bundle is used.
    until(async || {
        of("authority.bundle_updated")
            .await
            .iter()
            .filter(states_it)
            .count()
            == 5
    })
    .await;
    let updated = of("authority.bundle_updated").await;
    let follows: Vec<&Value> = updated.iter().filter(states_it).collect();
    assert!(
        follows.iter().all(|event| event["actor"].is_null()),
        "{follows:?}"
    );
    // Where the acceptance changed nothing on the other node, its next bundle does not follow from it.
    let put = |folder: &Path, sequence: u64| {
        let mut document = document.clone();
        document["spiffe_sequence"] = json!(sequence);
        std::fs::write(folder.join("a.json"), document.to_string()).unwrap();
    };
    put(&folders[0], 90);
    admin(&folders[0], "/admin/v1/trust/a.example/accept", json!({})).await;
    let refreshed = admin(&folders[1], "/admin/v1/trust/a.example/refresh", json!({})).await;
    assert!(
        refreshed["done"].as_str().unwrap().ends_with("unchanged"),
        "{refreshed}"
    );
    let before = of("authority.bundle_updated").await.len();
    put(&folders[1], 101);
    // The ordered refresh, the regular poll or the fetch that the acceptance caused: one of them uses the bundle.
    admin(&folders[1], "/admin/v1/trust/a.example/refresh", json!({})).await;
    assert_eq!(sequence(&folders[1]).await, json!(101));
    until(async || of("authority.bundle_updated").await.len() > before).await;
    let updated = of("authority.bundle_updated").await;
    assert_eq!(updated.len(), before + 1, "{updated:?}");
    assert_eq!(updated.iter().filter(states_it).count(), 5, "{updated:?}");
    second.stop().await;
}

//! Tests of the signing keys in a shared database when nodes start at the same time, and when a start is refused.

use crate::nodes::postgres;
use crate::world::run_in;
use serde_json::Value;
use testudo_core::records::{Kind, StoredSigningKey};
use testudo_store::Store;
use testudo_testkit::http::Connection;

const CONFIGURATION: &str = r#"
issuer = "https://as.example"
[server]
listen = ["127.0.0.1:0"]
[store]
url = "DATABASE"
key_encryption_key = "P4DmWGtsyIpx4YFDV-kWotaK7o9RQT54KpalCx2qcl0"
[admin]
socket = "admin.sock"
"#;

/// A folder with a configuration for this database.
pub fn node(name: &str, database: &str, edit: impl FnOnce(String) -> String) -> std::path::PathBuf {
    let folder = testudo_testkit::scratch::folder(name);
    let text = edit(CONFIGURATION.replace("DATABASE", database));
    std::fs::write(folder.join("testudo.toml"), text).unwrap();
    folder
}

pub async fn kids(address: std::net::SocketAddr) -> Vec<String> {
    let answer: Value = Connection::open(address).await.get("/jwks").await.json();
    let keys = answer["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_that_start_at_the_same_time_on_an_empty_database_have_one_key_set() {
    for round in 0..20 {
        let database = postgres().database(&format!("together_{round}")).unwrap();
        let starts = ["a", "b"].map(|name| {
            let folder = node(&format!("{round}{name}"), &database, |text| text);
            tokio::spawn(async move { run_in(&folder).await })
        });
        let mut nodes = Vec::new();
        for start in starts {
            nodes.push(start.await.unwrap().unwrap());
        }
        let published = [
            kids(nodes[0].addresses[0]).await,
            kids(nodes[1].addresses[0]).await,
        ];
        assert_eq!(published[0].len(), 1, "round {round}: {published:?}");
        assert_eq!(published[0], published[1], "round {round}");
        for node in nodes {
            let keys = node.app.keys.load();
            assert_eq!(keys.active.kid(), published[0][0], "round {round}");
            node.stop().await;
        }
        let store = Store::postgres(&database, None).await.unwrap();
        let stored = store.read_all::<StoredSigningKey>().await.unwrap();
        assert_eq!(stored.len(), 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn node_with_a_wrong_key_encryption_key_writes_nothing_and_does_not_start() {
    let database = postgres().database("wrong_key").unwrap();
    let right = node("right", &database, |text| text);
    let before = run_in(&right).await.unwrap();
    let published = kids(before.addresses[0]).await;
    before.stop().await;
    let everything = async || {
        let store = Store::postgres(&database, None).await.unwrap();
        let mut all = Vec::new();
        for kind in Kind::ALL {
            all.extend(store.list(kind, b"", 1_000).await.unwrap());
        }
        all
    };
    let held = everything().await;
    let wrong = node("wrong", &database, |text| {
        text.replace("P4DmWGts", "Q5EnXHut") + "[tokens]\nsigning_algorithm = \"ES384\"\n"
    });
    let refused = run_in(&wrong).await.err().expect("the start is refused");
    assert!(refused.contains("key-encryption key"), "{refused}");
    assert!(
        everything().await == held,
        "a refused start must not write anything"
    );
    // For comparison: with the right key-encryption key, another algorithm is accepted.
    let other = node("other", &database, |text| {
        text + "[tokens]\nsigning_algorithm = \"ES384\"\n"
    });
    let after = run_in(&other).await.unwrap();
    let now = kids(after.addresses[0]).await;
    assert_eq!(now.len(), 2);
    assert!(now.contains(&published[0]));
    after.stop().await;
    let again = run_in(&right).await.unwrap();
    assert_eq!(kids(again.addresses[0]).await.len(), 2);
    again.stop().await;
}

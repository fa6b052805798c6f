//! Tests of database rows that cannot be read: each is refused by itself, and an identity or authority that such a row
//! may block stays blocked.

use crate::nodes::{postgres, until};
use crate::world::{MutualTls, World};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use testudo_core::Actor;
use testudo_core::records::{Batch, Client, Document, Kind, Write};
use testudo_server::{Note, Running};
use testudo_testkit::http::over_socket;
use testudo_testkit::svid_form;

const PAY: &str = "/ns/pay/sa/api";
const PAY_ID: &str = "spiffe://a.example/ns/pay/sa/api";
const OTHER: &str = "/x/other";
const OTHER_ID: &str = "spiffe://a.example/x/other";

struct Cluster {
    world: World,
    tls: MutualTls,
    second: Running,
    second_folder: std::path::PathBuf,
}

impl Cluster {
    async fn start(name: &str) -> Cluster {
        let (world, tls) = World::start_over(&postgres().database(name).unwrap()).await;
        let (second, second_folder) = world.join().await;
        Cluster {
            world,
            tls,
            second,
            second_folder,
        }
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        [self.world.address(), self.second.addresses[0]]
    }

    /// True if a workload gets a token from the node at this address.
    async fn is_served(&self, address: SocketAddr, path: &str) -> bool {
        let mut connection = self.tls.connect(address, None).await.unwrap();
        let answer = connection
            .post("/token", svid_form(&self.world.svid(path), &[]))
            .await;
        assert!([200, 400].contains(&answer.status), "{path}: {answer:?}");
        answer.status == 200
    }

    /// Waits until both nodes serve, or both refuse, a workload.
    async fn until(&self, path: &str, is_served: bool) {
        let started = Instant::now();
        for address in self.addresses() {
            while self.is_served(address, path).await != is_served {
                assert!(
                    started.elapsed() < Duration::from_secs(30),
                    "{path} on {address}: expected served = {is_served}"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Writes a row as another process with access to the database would, and announces it to the nodes.
    async fn put(&self, kind: Kind, key: &str, body: &str) {
        let store = &self.world.running.app.store;
        let document = Document {
            kind,
            key: key.as_bytes().to_vec(),
            body: body.as_bytes().to_vec(),
            expires: None,
        };
        let held = store.get(kind, key.as_bytes()).await.unwrap();
        let write = match held {
            Some(held) => Write::Replace(document, held.version),
            None => Write::Insert(document),
        };
        let batch = Batch {
            writes: vec![write],
            ..Batch::default()
        };
        store.commit(batch).await.unwrap();
    }

    async fn refused(&self, folder: &Path) -> String {
        let socket = folder.join("admin.sock");
        let (_, status) = over_socket(&socket, "GET", "/admin/v1/status", Value::Null).await;
        status["refused_records"].to_string()
    }

    async fn findings(&self) -> String {
        let path = self.world.folder.join("testudo.toml");
        let (configuration, _) = testudo_server::config::load(&path, 1).unwrap();
        let findings = testudo_server::doctor::examine(&configuration).await;
        let bad = findings.iter().filter(|finding| !finding.is_good);
        bad.map(|finding| format!("{}: {}\n", finding.subject, finding.detail))
            .collect()
    }

    /// Starts another node.
    async fn join(&self) -> Running {
        self.world.join().await.0
    }

    async fn post(&self, path: &str, body: Value) {
        self.world.admin("POST", path, body).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn block_that_cannot_be_read_blocks_the_identity_in_its_key_and_no_other() {
    let cluster = Cluster::start("bad_blocks").await;
    cluster.until(PAY, true).await;
    let pattern = "spiffe://a.example/ns/{namespace}/sa/*";
    for (key, body) in [
        (PAY_ID, "{}"),
        (PAY_ID, "\u{0}"),
        (pattern, "[]"),
        (
            PAY_ID,
            r#"{"identity":"spiffe://b.example/x","reason":null,"by":"x","since":1}"#,
        ),
        (
            "spiffe://b.example/x",
            &format!(r#"{{"identity":"{PAY_ID}","reason":null,"by":"x","since":1}}"#),
        ),
    ] {
        cluster.put(Kind::Block, key, body).await;
        cluster.until(PAY, false).await;
        cluster.until(OTHER, true).await;
        // The list is written after the block applies.
        for folder in [&cluster.world.folder, &cluster.second_folder] {
            until(async || cluster.refused(folder).await.contains(key)).await;
        }
        assert!(cluster.findings().await.contains("record block"), "{key} {body}");
        // Later changes apply on every node, and nodes can start.
        cluster
            .post("/admin/v1/blocks", json!({ "identity": OTHER_ID }))
            .await;
        cluster.until(OTHER, false).await;
        let third = cluster.join().await;
        for path in [PAY, OTHER] {
            assert!(!cluster.is_served(third.addresses[0], path).await, "{key} {body}");
        }
        third.stop().await;
        cluster
            .post("/admin/v1/blocks/remove", json!({ "identity": OTHER_ID }))
            .await;
        let listed = cluster.world.admin("GET", "/admin/v1/blocks", Value::Null).await;
        assert!(listed.to_string().contains(key), "{listed}");
        // The unreadable block can be removed like any other.
        cluster
            .post("/admin/v1/blocks/remove", json!({ "identity": key }))
            .await;
        cluster.until(PAY, true).await;
        assert_eq!(cluster.refused(&cluster.world.folder).await, "[]");
    }
    let events = cluster.world.events("record.refused").await;
    assert!(events.len() >= 5, "{events:?}");
    // Blocking the identity again replaces the unreadable record.
    cluster.put(Kind::Block, PAY_ID, "{}").await;
    cluster.until(PAY, false).await;
    cluster
        .post("/admin/v1/blocks", json!({ "identity": PAY_ID }))
        .await;
    assert_eq!(cluster.refused(&cluster.world.folder).await, "[]");
    cluster.until(PAY, false).await;
    cluster.second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn switch_that_cannot_be_read_leaves_its_authority_disabled_and_no_other() {
    let cluster = Cluster::start("bad_switches").await;
    cluster.until(PAY, true).await;
    cluster.post("/admin/v1/trust/a.example/disable", json!({})).await;
    let switches = cluster
        .world
        .running
        .app
        .store
        .list(Kind::Switch, b"", 2)
        .await
        .unwrap();
    let key = String::from_utf8(switches[0].key.clone()).unwrap();
    cluster.put(Kind::Switch, &key, "{}").await;
    let started = Instant::now();
    while cluster.refused(&cluster.second_folder).await == "[]" {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "the unreadable switch is not listed"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cluster.until(PAY, false).await;
    let third = cluster.join().await;
    assert!(!cluster.is_served(third.addresses[0], PAY).await);
    third.stop().await;
    assert!(cluster.findings().await.contains("record switch"));
    cluster.post("/admin/v1/trust/a.example/enable", json!({})).await;
    cluster.until(PAY, true).await;
    cluster.second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn other_unreadable_rows_do_not_prevent_starts_lists_and_flushes() {
    let cluster = Cluster::start("bad_others").await;
    cluster.until(PAY, true).await;
    cluster.until(OTHER, true).await;
    let store = &cluster.world.running.app.store;
    let clients = store.list(Kind::Client, b"", 10).await.unwrap();
    let key = |id: &str| {
        let found = clients.iter().find(|client| client.key.ends_with(id.as_bytes()));
        String::from_utf8(found.unwrap().key.clone()).unwrap()
    };
    cluster.put(Kind::ReloadOrder, "configuration", "{}").await;
    cluster.put(Kind::Event, "0", "{}").await;
    cluster.put(Kind::Client, &key(PAY_ID), "{}").await;
    let findings = cluster.findings().await;
    assert!(
        findings.contains(PAY_ID) && findings.contains("record client"),
        "{findings}"
    );
    cluster.world.running.app.clock.shift(100);
    cluster.second.app.clock.shift(100);
    assert!(cluster.is_served(cluster.addresses()[0], OTHER).await);
    testudo_server::client_records::flush_last_used(&cluster.world.running.app).await;
    assert_eq!(
        cluster.world.client_ids().await,
        [OTHER_ID],
        "the list must not contain the unreadable client"
    );
    let refused = cluster.refused(&cluster.world.folder).await;
    assert!(
        refused.contains(PAY_ID),
        "status shows what the list met: {refused}"
    );
    let other = store
        .read::<Client>(key(OTHER_ID).as_bytes())
        .await
        .unwrap()
        .unwrap();
    let age = cluster.world.now() - other.record.last_used.0;
    assert!(
        (0..60).contains(&age),
        "the last use of the other client must be written: {other:?}"
    );
    cluster.world.events("client.registered").await;
    testudo_server::client_records::sweep(&cluster.world.running.app, true, Note::by(&Actor::Sweep))
        .await
        .unwrap();
    let third = cluster.join().await;
    third.app.clock.shift(100);
    assert!(cluster.is_served(third.addresses[0], OTHER).await);
    // A reload on one node still reaches the others.
    let before = cluster.second.app.in_force.load().policy.generation;
    cluster.post("/admin/v1/reload", json!({})).await;
    let started = Instant::now();
    while cluster.second.app.in_force.load().policy.generation == before {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "the other node did not carry out the order within the deadline"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    third.stop().await;
    cluster.second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bundle_sequence_that_cannot_be_decrypted_is_refused_by_every_node_and_the_bundle_in_use_stays() {
    let cluster = Cluster::start("bad_sequences").await;
    cluster.until(PAY, true).await;
    let authority = "spiffe://a.example";
    let folders = [cluster.world.folder.clone(), cluster.second_folder.clone()];
    // Each node reads its source every 5 s.
    let until_both = async |is_listed: bool| {
        for folder in &folders {
            let started = Instant::now();
            while cluster.refused(folder).await.contains("bundle_sequence") != is_listed {
                assert!(
                    started.elapsed() < Duration::from_secs(30),
                    "listed = {is_listed}"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    for body in [
        format!(r#"{{"authority":"{authority}","sealed":"AAAA"}}"#),
        "{}".to_owned(),
    ] {
        assert_eq!(cluster.refused(&folders[0]).await, "[]");
        let before = cluster.world.events("record.refused").await.len();
        cluster.put(Kind::BundleSequence, authority, &body).await;
        until_both(true).await;
        cluster.until(PAY, true).await;
        assert!(cluster.refused(&folders[0]).await.contains(authority));
        assert!(cluster.findings().await.contains("cannot be decrypted"), "{body}");
        let started = Instant::now();
        // One event of each node.
        while cluster.world.events("record.refused").await.len() < before + 2 {
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "not every node wrote its event within the deadline"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        cluster.post("/admin/v1/trust/a.example/accept", json!({})).await;
        until_both(false).await;
        assert_eq!(
            cluster.world.events("record.refused").await.len(),
            before + 2,
            "{body}"
        );
    }
    cluster.second.stop().await;
}

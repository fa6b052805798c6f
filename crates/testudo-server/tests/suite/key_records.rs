//! Tests of stored signing keys against an attacker who can write to the database: inserted, altered and deleted rows.

use crate::nodes::postgres;
use crate::together::{kids, node};
use crate::world::run_in;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use testudo_core::records::{Batch, Document, Kind, ServerSecret, StoredSigningKey, WithdrawnKey, Write};
use testudo_server::Running;
use testudo_store::Store;
use testudo_testkit::http::over_socket;

/// Nodes with one database, and direct access to the database as an attacker would have.
struct Cluster {
    name: &'static str,
    folders: Vec<PathBuf>,
    nodes: Vec<Running>,
    database: Store,
}

impl Cluster {
    async fn start(name: &'static str) -> Cluster {
        let url = postgres().database(name).unwrap();
        let folders = ["a", "b"].map(|node_name| node(&format!("{name}-{node_name}"), &url, |text| text));
        let mut cluster = Cluster {
            name,
            folders: folders.to_vec(),
            nodes: Vec::new(),
            database: Store::postgres(&url, None).await.unwrap(),
        };
        cluster.run().await;
        cluster
    }

    async fn run(&mut self) {
        for folder in &self.folders {
            self.nodes.push(run_in(folder).await.unwrap());
        }
    }

    async fn restart(&mut self) {
        self.stop().await;
        self.run().await;
    }

    async fn stop(&mut self) {
        for node in self.nodes.drain(..) {
            node.stop().await;
        }
    }

    async fn admin(&self, method: &str, path: &str, body: Value) -> Value {
        let socket = self.folders[0].join("admin.sock");
        let (status, answer) = over_socket(&socket, method, path, body).await;
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    async fn write(&self, writes: Vec<Write>) {
        let batch = Batch {
            writes,
            ..Batch::default()
        };
        self.database.commit(batch).await.unwrap();
    }

    /// Replaces or inserts the document under this key.
    async fn put(&self, document: Document) {
        let held = self.database.get(document.kind, &document.key).await.unwrap();
        self.write(vec![match held {
            Some(held) => Write::Replace(document, held.version),
            None => Write::Insert(document),
        }])
        .await;
    }

    async fn delete(&self, kind: Kind, key: &[u8]) {
        let held = self.database.get(kind, key).await.unwrap().unwrap();
        self.write(vec![Write::Delete(kind, key.to_vec(), held.version)])
            .await;
    }

    async fn held(&self, kind: Kind, key: &[u8]) -> Document {
        let held = self.database.get(kind, key).await.unwrap().unwrap();
        Document {
            kind,
            key: held.key,
            body: held.body,
            expires: None,
        }
    }

    async fn keys(&self) -> Vec<StoredSigningKey> {
        let keys = self.database.read_all::<StoredSigningKey>().await.unwrap();
        keys.into_iter().map(|key| key.record).collect()
    }

    /// Makes every node read the keys again, as after a change of them.
    async fn look(&self) {
        for node in &self.nodes {
            testudo_server::read_again::signing_keys(&node.app).await.unwrap();
        }
    }

    /// The published key ids, after checking that all nodes publish the same.
    async fn published(&self) -> Vec<String> {
        let first = kids(self.nodes[0].addresses[0]).await;
        for node in &self.nodes[1..] {
            assert_eq!(kids(node.addresses[0]).await, first, "{}", self.name);
        }
        for node in &self.nodes {
            let signs = node.app.keys.load().active.kid().to_owned();
            assert!(
                first.contains(&signs),
                "{}: the signing key must be published",
                self.name
            );
        }
        first
    }

    async fn refused(&self) -> Value {
        self.admin("GET", "/admin/v1/status", Value::Null).await["refused_records"].clone()
    }

    async fn events(&self, kind: &str, word: &str) -> usize {
        let path = "/admin/v1/events?limit=1000";
        let events = self.admin("GET", path, Value::Null).await;
        let events = events["events"].as_array().unwrap().iter();
        events
            .filter(|event| event["event"] == kind && event["detail"].as_str().unwrap().contains(word))
            .count()
    }

    async fn findings(&self) -> Vec<String> {
        let path = self.folders[0].join("testudo.toml");
        let (configuration, _) = testudo_server::config::load(&path, 1).unwrap();
        let findings = testudo_server::doctor::examine(&configuration).await;
        let bad = findings.into_iter().filter(|finding| !finding.is_good);
        bad.map(|finding| finding.subject).collect()
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "did not happen within the deadline: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn withdrawn_key_stays_refused_after_its_row_is_restored_and_its_withdrawal_record_deleted() {
    let mut cluster = Cluster::start("mark_gone").await;
    let stolen = cluster.keys().await.remove(0);
    let list_of_before = cluster.held(Kind::ServerSecret, b"signing-keys").await;
    cluster
        .admin("POST", "/admin/v1/keys/rotate", json!({ "now": true }))
        .await;
    until("the second node has withdrawn the key too", async || {
        kids(cluster.nodes[1].addresses[0]).await == kids(cluster.nodes[0].addresses[0]).await
    })
    .await;
    assert!(!cluster.published().await.contains(&stolen.kid));

    cluster.delete(Kind::WithdrawnKey, stolen.kid.as_bytes()).await;
    cluster.put(Document::of(&stolen)).await;
    cluster.look().await;
    assert!(!cluster.published().await.contains(&stolen.kid));
    assert!(cluster.events("record.refused", &stolen.kid).await > 0);
    let refused = cluster.refused().await.to_string();
    assert!(
        refused.contains(&stolen.kid) && refused.contains("signing_key"),
        "{refused}"
    );
    assert!(
        refused.contains("withdrawn_key"),
        "the deleted record of the withdrawal must be reported: {refused}"
    );
    let subject = format!("record signing_key {:?}", stolen.kid);
    assert!(cluster.findings().await.contains(&subject));
    cluster.restart().await;
    assert!(!cluster.published().await.contains(&stolen.kid));

    // The attacker also restores the earlier encrypted list: a running node remembers the newer list and stores it
    // again, and the next start reads that one.
    cluster.put(list_of_before).await;
    cluster.look().await;
    assert!(!cluster.published().await.contains(&stolen.kid));
    cluster.restart().await;
    assert!(!cluster.published().await.contains(&stolen.kid));
    assert!(cluster.events("record.refused", "older").await > 0);

    // The administrator withdraws the key again, which removes the row and writes the record again.
    let body = json!({ "kid": stolen.kid });
    cluster.admin("POST", "/admin/v1/keys/revoke", body).await;
    assert_eq!(cluster.refused().await, json!([]));
    assert_eq!(cluster.findings().await, Vec::<String>::new());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn altered_and_unreadable_key_rows_are_refused_and_other_keys_stay_in_use() {
    let mut cluster = Cluster::start("altered").await;
    let first = cluster.keys().await.remove(0);
    cluster.admin("POST", "/admin/v1/keys/rotate", json!({})).await;
    until("both keys are published", async || {
        kids(cluster.nodes[1].addresses[0]).await.len() == 2
    })
    .await;
    let keys = cluster.keys().await;
    let next = keys.iter().find(|key| key.kid != first.kid).unwrap();
    let good = Document::of(next);
    let mut early = next.clone();
    early.active_from = first.active_from;
    let mut other = next.clone();
    other.algorithm = "ES384".to_owned();
    let mut foreign = next.clone();
    foreign.wrapped.clone_from(&first.wrapped);
    let unreadable = Document {
        body: b"{}".to_vec(),
        ..good.clone()
    };
    let swapped = Document {
        body: Document::of(&first).body,
        ..good.clone()
    };
    let cases = [
        ("signs earlier", Document::of(&early)),
        ("another algorithm", Document::of(&other)),
        ("another private key", Document::of(&foreign)),
        ("unreadable", unreadable),
        ("the document of another key", swapped),
    ];
    for (what, document) in cases {
        cluster.put(document).await;
        cluster.look().await;
        assert_eq!(cluster.published().await, [first.kid.as_str()], "{what}");
        assert!(cluster.refused().await.to_string().contains(&next.kid), "{what}");
        cluster.restart().await;
        assert_eq!(
            cluster.published().await,
            [first.kid.as_str()],
            "{what}, at a start"
        );
        // After the original row is restored, the key is accepted again.
        cluster.put(good.clone()).await;
        cluster.look().await;
        assert_eq!(
            cluster.published().await.len(),
            2,
            "{what}, after the row is restored"
        );
        assert_eq!(cluster.refused().await, json!([]), "{what}");
    }
    assert!(cluster.events("record.refused", &next.kid).await >= 5);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn key_rows_whose_ids_are_not_text_do_not_prevent_a_withdrawal_of_all_keys() {
    let mut cluster = Cluster::start("no_text").await;
    let first = cluster.keys().await.remove(0);
    // Both ids are shown as the same text.
    let names = [vec![0xff, 0], vec![0xfe, 0]];
    for key in &names {
        let body = b"{}".to_vec();
        let (kind, expires) = (Kind::SigningKey, None);
        let key = key.clone();
        cluster
            .put(Document {
                kind,
                key,
                body,
                expires,
            })
            .await;
    }
    let answer = cluster
        .admin("POST", "/admin/v1/keys/rotate", json!({ "now": true }))
        .await;
    assert!(answer.to_string().contains(&first.kid), "{answer}");
    for key in &names {
        let row = cluster.database.get(Kind::SigningKey, key).await.unwrap();
        assert!(row.is_none(), "{key:?} must be removed");
    }
    cluster.look().await;
    assert!(!cluster.published().await.contains(&first.kid));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn unreadable_withdrawal_records_and_secrets_do_not_stop_nodes_or_withdrawals() {
    let mut cluster = Cluster::start("marks").await;
    let first = cluster.keys().await.remove(0);
    let document = |kind, key: &[u8]| Document {
        kind,
        key: key.to_vec(),
        body: b"{}".to_vec(),
        expires: None,
    };
    // An unreadable record of a withdrawal refuses its key and no other key.
    cluster.put(document(Kind::WithdrawnKey, b"unknown")).await;
    cluster.look().await;
    assert_eq!(cluster.published().await, [first.kid.as_str()]);
    cluster.restart().await;
    assert_eq!(cluster.published().await, [first.kid.as_str()]);
    assert!(cluster.refused().await.to_string().contains("unknown"));
    // An unreadable list is written again by a node that has it in memory.
    cluster.put(document(Kind::ServerSecret, b"signing-keys")).await;
    cluster.look().await;
    assert_eq!(cluster.published().await, [first.kid.as_str()]);
    assert!(cluster.events("record.refused", "signing-keys").await > 0);
    cluster.restart().await;
    assert_eq!(cluster.published().await, [first.kid.as_str()]);
    // If no node has the list in memory, no stored key is accepted, and one new key is created for all nodes.
    cluster.stop().await;
    cluster.put(document(Kind::ServerSecret, b"signing-keys")).await;
    cluster.run().await;
    let published = cluster.published().await;
    assert_eq!(published.len(), 1);
    assert_ne!(published[0], first.kid);
    // Without the secret of opaque client ids, running nodes continue, and no node can start.
    let secret = cluster.held(Kind::ServerSecret, b"opaque-client-id").await;
    cluster
        .put(document(Kind::ServerSecret, b"opaque-client-id"))
        .await;
    cluster.look().await;
    assert_eq!(cluster.published().await, published);
    cluster.stop().await;
    let refused = run_in(&cluster.folders[0])
        .await
        .err()
        .expect("the start is refused");
    assert!(refused.contains("opaque-client-id"), "{refused}");
    cluster.put(secret).await;
    cluster.run().await;
    assert_eq!(cluster.published().await, published);
    cluster.stop().await;
}

/// During a rollout, nodes of a version without the encrypted key list run beside this one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_of_an_earlier_version_are_added_to_the_list_for_one_day_only() {
    let others = Cluster::start("earlier_version").await;
    let mut cluster = Cluster::start("rollout").await;
    // The other database has the same key-encryption key, so its signing key can be decrypted, but it is not in the
    // list here.
    let theirs = others.keys().await.remove(0);
    cluster.stop().await;
    cluster.delete(Kind::ServerSecret, b"signing-keys").await;
    cluster.run().await;
    let first = cluster.published().await;
    assert_eq!(first.len(), 1);
    assert!(cluster.events("key.taken_over", &first[0]).await > 0);
    // An earlier version creates a key and withdraws a key.
    cluster.put(Document::of(&theirs)).await;
    until("the key is added to the list", async || {
        kids(cluster.nodes[0].addresses[0]).await.len() == 2
            && kids(cluster.nodes[1].addresses[0]).await.len() == 2
    })
    .await;
    let mark = WithdrawnKey {
        kid: theirs.kid.clone(),
        at: theirs.created,
        reason: None,
    };
    cluster.put(Document::of(&mark)).await;
    cluster.delete(Kind::SigningKey, theirs.kid.as_bytes()).await;
    until("the key is withdrawn", async || {
        kids(cluster.nodes[0].addresses[0]).await.len() == 1
            && kids(cluster.nodes[1].addresses[0]).await.len() == 1
    })
    .await;
    cluster.delete(Kind::WithdrawnKey, theirs.kid.as_bytes()).await;
    cluster.put(Document::of(&theirs)).await;
    cluster.look().await;
    assert_eq!(cluster.published().await, first);

    // After a day, a row that is not in the list is refused.
    let mut late = others;
    late.stop().await;
    for node in &cluster.nodes {
        node.app.clock.shift(86_401);
    }
    late.delete(Kind::ServerSecret, b"signing-keys").await;
    late.run().await;
    let second = late.keys().await.remove(0);
    late.admin("POST", "/admin/v1/keys/rotate", json!({})).await;
    let foreign = late
        .keys()
        .await
        .into_iter()
        .find(|key| key.kid != second.kid)
        .unwrap();
    cluster.put(Document::of(&foreign)).await;
    cluster.look().await;
    assert_eq!(cluster.published().await, first);
    assert!(cluster.refused().await.to_string().contains(&foreign.kid));
    assert!(
        cluster
            .database
            .read::<ServerSecret>(b"signing-keys")
            .await
            .unwrap()
            .is_some()
    );
    late.stop().await;
    cluster.stop().await;
}

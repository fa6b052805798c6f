//! Tests of nodes with one PostgreSQL and different clocks: single use, idle clients, and warnings.

use crate::nodes::postgres;
use crate::world::{ISSUER, MutualTls, World};
use std::time::Duration;
use testudo_core::Actor;
use testudo_core::records::{Batch, Document, Kind, Write};
use testudo_server::client_records::sweep;
use testudo_server::upkeep::drop_what_is_over;
use testudo_server::{Note, Running};
use testudo_testkit::http::Answer;
use testudo_testkit::token::Draft;
use testudo_testkit::{assertion_form, svid_form};

/// After this time without a clock jump a node deletes expired records.
const CALM: i64 = 901;

struct Nodes {
    world: World,
    tls: MutualTls,
    second: Running,
}

impl Nodes {
    async fn start(name: &str) -> Nodes {
        let (world, tls) = World::start_over(&postgres().database(name).unwrap()).await;
        let (second, _) = world.join().await;
        Nodes { world, tls, second }
    }

    fn nodes(&self) -> [&Running; 2] {
        [&self.world.running, &self.second]
    }

    /// Sends a single-use assertion that was issued at this time and expires a minute later.
    async fn use_once(&self, node: usize, jti: &str, issued: i64) -> Answer {
        let draft = Draft::assertion(&self.world.c6, "c6", ISSUER, jti, issued).claim("exp", issued + 60);
        self.post(node, assertion_form(&draft.sign(), &[])).await
    }

    async fn post(&self, node: usize, body: String) -> Answer {
        let address = self.nodes()[node].addresses[0];
        let mut connection = self.tls.connect(address, None).await.unwrap();
        connection.post("/token", body).await
    }

    async fn is_there(&self, kind: Kind, key: &[u8]) -> bool {
        self.world
            .running
            .app
            .store
            .get(kind, key)
            .await
            .unwrap()
            .is_some()
    }
}

fn database_now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs() as i64
}

/// Sets the clock of a node ahead of the database, for long enough that the node deletes expired records.
async fn ahead(node: &Running, seconds: i64) {
    node.app.clock.step(seconds - CALM);
    assert_eq!(drop_what_is_over(&node.app).await, None);
    node.app.clock.shift(CALM);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn node_whose_clock_is_ahead_deletes_no_mark_that_another_node_needs() {
    let nodes = Nodes::start("ahead").await;
    let [right, fast] = nodes.nodes();
    for (seconds, jti) in [(90, "a"), (3_600, "b")] {
        let issued = nodes.world.now();
        assert_eq!(nodes.use_once(0, jti, issued).await.status, 200);
        let over = Document {
            kind: Kind::SharedBundle,
            key: jti.into(),
            body: b"{}".to_vec(),
            expires: Some(testudo_protocol::Timestamp(database_now() - 10)),
        };
        let batch = Batch {
            writes: vec![Write::Insert(over)],
            ..Batch::default()
        };
        right.app.store.commit(batch).await.unwrap();
        ahead(fast, seconds).await;
        let dropped_by = drop_what_is_over(&fast.app)
            .await
            .expect("expired records must be deleted: the clock did not jump");
        assert!(
            dropped_by.0 <= database_now(),
            "{seconds} s ahead: {dropped_by:?}"
        );
        assert_eq!(
            nodes.use_once(0, jti, issued).await.error(),
            "invalid_client",
            "{seconds} s"
        );
        // For comparison: what is expired by both clocks is deleted.
        assert!(!nodes.is_there(Kind::SharedBundle, jti.as_bytes()).await);
        let told = fast.app.metrics.clock_ahead_of_database.get();
        assert!(
            (seconds - 5..=seconds + 5).contains(&told),
            "{told}, not {seconds}"
        );
        fast.app.clock.step(-seconds);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn node_whose_clock_is_far_behind_refuses_assertions_whose_marks_may_have_been_deleted() {
    let nodes = Nodes::start("behind").await;
    let slow = nodes.nodes()[1];
    for (seconds, expected) in [(90, 200), (600, 400)] {
        slow.app.clock.step(-seconds);
        drop_what_is_over(&slow.app).await;
        let issued = slow.app.now().0;
        let answer = nodes.use_once(1, &format!("behind {seconds}"), issued).await;
        assert_eq!(answer.status, expected, "{seconds} s behind: {answer:?}");
        assert!(slow.app.metrics.clock_ahead_of_database.get() <= -seconds + 5);
        slow.app.clock.step(seconds);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sweep_leaves_a_client_whose_use_another_node_has_not_written_yet() {
    let nodes = Nodes::start("swept").await;
    let path = nodes.world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text.replace("client_idle_lifetime = \"30d\"", "client_idle_lifetime = \"1m\""),
    )
    .unwrap();
    let socket = nodes.world.folder.join("admin.sock");
    let reload =
        testudo_testkit::http::over_socket(&socket, "POST", "/admin/v1/reload", serde_json::json!({}));
    reload.await;
    let ask = async || {
        let svid = nodes.world.svid("/ns/pay/sa/api");
        nodes.post(0, svid_form(&svid, &[])).await
    };
    assert_eq!(ask().await.status, 200);
    let [first, second] = nodes.nodes();
    // The clock of the second node is ahead by more than the idle lifetime, or by a day. The time of the database is
    // used instead.
    for seconds in [60, 86_400] {
        second.app.clock.step(seconds);
        let swept = sweep(&second.app, false, Note::by(&Actor::Sweep)).await.unwrap();
        assert_eq!((swept.visited, swept.removed), (1, 0), "{seconds} s ahead");
        second.app.clock.step(-seconds);
    }
    // The last use was written 70 s ago, and another node may have served the client since.
    let written = async |ago: i64| {
        let list = first.app.store.list(Kind::Client, b"", 10).await.unwrap();
        let stored = list.first().unwrap();
        let mut record: serde_json::Value = serde_json::from_slice(&stored.body).unwrap();
        record["last_used"] = serde_json::json!(database_now() - ago);
        let document = Document {
            kind: Kind::Client,
            key: stored.key.clone(),
            body: record.to_string().into_bytes(),
            expires: None,
        };
        let batch = Batch {
            writes: vec![Write::Replace(document, stored.version)],
            ..Batch::default()
        };
        first.app.store.commit(batch).await.unwrap();
    };
    written(70).await;
    assert_eq!(
        sweep(&second.app, false, Note::by(&Actor::Sweep))
            .await
            .unwrap()
            .removed,
        0
    );
    // For comparison: the client is idle for longer than any node delays writing last uses.
    written(60 + 120 + 5).await;
    tokio::time::timeout(Duration::from_secs(20), async {
        while sweep(&second.app, false, Note::by(&Actor::Sweep))
            .await
            .unwrap()
            .removed
            == 0
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("an idle client must be removed by the sweep");
}

//! How other nodes are notified: a row in the table of changes in the same transaction, and a NOTIFY after it.

use super::postgres;
use super::postgres_faults::{session, until};
use crate::{Change, Store};
use std::time::{Duration, Instant};
use testudo_core::records::{Batch, Document, Kind, Write};
use tokio::sync::broadcast::Receiver;

fn document(kind: Kind, key: &str) -> Document {
    Document {
        kind,
        key: key.into(),
        body: b"{}".to_vec(),
        expires: None,
    }
}

fn batch(writes: Vec<Write>) -> Batch {
    Batch {
        writes,
        ..Batch::default()
    }
}

/// The next change of which a node is notified.
pub(super) async fn next(changes: &mut Receiver<Change>) -> Change {
    let told = async {
        loop {
            match changes.recv().await.unwrap() {
                Change::UpTo(_) => {}
                change @ (Change::Record(..) | Change::Everything) => return change,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told)
        .await
        .expect("a change is sent")
}

/// Registers a client, freezes it, and blocks an identity, as an administrator would.
async fn freeze_and_block(store: &Store, client: &str) {
    let insert = batch(vec![Write::Insert(document(Kind::Client, client))]);
    store.commit(insert).await.unwrap();
    let freeze = batch(vec![Write::Replace(document(Kind::Client, client), 1)]);
    store.commit(freeze).await.unwrap();
    let block = batch(vec![Write::Insert(document(Kind::Block, client))]);
    store.commit(block).await.unwrap();
}

async fn expect_freeze_and_block(changes: &mut Receiver<Change>, client: &str) {
    for kind in [Kind::Client, Kind::Block] {
        assert_eq!(next(changes).await, Change::Record(kind, client.into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn freeze_and_block_reach_other_nodes_within_a_second_if_notify_fails() {
    let url = postgres().database("no_notify").unwrap();
    drop(Store::postgres(&url, None).await.unwrap());
    let admin = session(&url).await;
    admin
        .batch_execute(
            "CREATE ROLE without_notify LOGIN; REVOKE EXECUTE ON FUNCTION pg_notify(text, text) FROM PUBLIC",
        )
        .await
        .unwrap();
    let grants =
        include_str!("../../../../docs/operations/run-time-role.sql").replace("runner", "without_notify");
    admin.batch_execute(&grants).await.unwrap();
    let url = url.replace("postgres@", "without_notify@");
    let probe = session(&url)
        .await
        .batch_execute("SELECT pg_notify('testudo', '')")
        .await;
    assert!(
        probe.is_err(),
        "the role must not be able to send NOTIFY, or this test shows nothing"
    );
    let store = Store::postgres(&url, None).await.unwrap();
    let other = Store::postgres(&url, None).await.unwrap();
    let mut changes = other.changes().unwrap();
    freeze_and_block(&store, "a").await;
    let started = Instant::now();
    expect_freeze_and_block(&mut changes, "a").await;
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn freeze_and_block_are_announced_by_notify_long_before_the_next_poll() {
    let url = postgres().database("notify").unwrap();
    let store = Store::postgres(&url, None).await.unwrap();
    let other = Store::postgres(&url, None).await.unwrap();
    let mut changes = other.changes().unwrap();
    let mut times = Vec::new();
    for number in 0..11 {
        freeze_and_block(&store, &number.to_string()).await;
        let started = Instant::now();
        expect_freeze_and_block(&mut changes, &number.to_string()).await;
        times.push(started.elapsed());
    }
    times.sort();
    println!("from the last of three commits until another node is notified: {times:?}");
    // The listener polls every 500 ms: without NOTIFY the median would be far above this.
    assert!(times[5] < Duration::from_millis(150), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn first_use_is_not_announced_to_other_nodes() {
    let url = postgres().database("first_use").unwrap();
    let store = Store::postgres(&url, None).await.unwrap();
    let rows = async || {
        let row = session(&url)
            .await
            .query_one("SELECT count(*) FROM changes WHERE kind <> 0", &[])
            .await;
        row.unwrap().get::<_, i64>(0)
    };
    let insert = batch(vec![Write::Insert(document(Kind::Client, "new"))]);
    store.commit(insert).await.unwrap();
    let quiet = Batch {
        writes: vec![Write::Replace(document(Kind::Client, "new"), 1)],
        is_quiet: true,
        ..Batch::default()
    };
    store.commit(quiet).await.unwrap();
    assert_eq!(rows().await, 0);
    let conflict = batch(vec![
        Write::Insert(document(Kind::Block, "b")),
        Write::Insert(document(Kind::Client, "new")),
    ]);
    assert!(store.commit(conflict).await.is_err());
    assert_eq!(
        rows().await,
        0,
        "a batch that was not written must not be announced"
    );
    let block = batch(vec![Write::Insert(document(Kind::Block, "b"))]);
    store.commit(block).await.unwrap();
    assert_eq!(rows().await, 1);
}

/// During a rolling upgrade, nodes of the earlier version use the new schema. They call `testudo_commit`.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_the_earlier_version_and_of_this_one_are_notified_of_each_others_changes() {
    let url = postgres().database("rolling").unwrap();
    let new = Store::postgres(&url, None).await.unwrap();
    let mut changes = new.changes().unwrap();
    let earlier = session(&url).await;
    let block = async |key: &str| -> Vec<i32> {
        let text = format!(
            "SELECT testudo_commit('{{0}}', '{{1}}', '{{3}}', ARRAY['{key}'::bytea], '{{0}}', ARRAY[NULL::bigint],
             ARRAY['{{}}'::bytea], '{{0}}', ARRAY[NULL::bigint])"
        );
        earlier.query_one(&text, &[]).await.unwrap().get(0)
    };
    assert_eq!(block("by the earlier").await, [0]);
    assert_eq!(
        next(&mut changes).await,
        Change::Record(Kind::Block, b"by the earlier".to_vec())
    );
    assert_eq!(
        block("by the earlier").await,
        [1],
        "the number of the row that conflicted"
    );
    // Changes by this version are in the table that the earlier version reads.
    freeze_and_block(&new, "by the new").await;
    let text = "SELECT kind FROM changes WHERE key = 'by the new' ORDER BY id";
    let kinds: Vec<i16> = earlier
        .query(text, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(kinds, [Kind::Client as i16, Kind::Block as i16]);
}

#[tokio::test(flavor = "multi_thread")]
async fn change_of_a_kind_that_this_version_does_not_know_is_announced_as_a_change_of_everything() {
    let url = postgres().database("unknown_kind").unwrap();
    let store = Store::postgres(&url, None).await.unwrap();
    let mut changes = store.changes().unwrap();
    let newer = session(&url).await;
    let text = "INSERT INTO changes (kind, key) VALUES (200, 'k'), (-1, 'k'), (32767, 'k'), (3, 'known')";
    newer.batch_execute(text).await.unwrap();
    for _ in 0..3 {
        assert_eq!(next(&mut changes).await, Change::Everything);
    }
    assert_eq!(
        next(&mut changes).await,
        Change::Record(Kind::Block, b"known".to_vec())
    );
    until("the poll", async || {
        store.unanswered_for() < Duration::from_secs(1)
    })
    .await;
}

/// The table of changes is empty at a first start, and after an earlier version pruned its last row.
#[tokio::test(flavor = "multi_thread")]
async fn node_that_finds_the_table_of_changes_empty_does_not_miss_an_uncommitted_change() {
    let url = postgres().database("not_committed_yet").unwrap();
    drop(Store::postgres(&url, None).await.unwrap());
    let writer = session(&url).await;
    writer.batch_execute("TRUNCATE changes").await.unwrap();
    let text = "BEGIN;
        SELECT pg_advisory_xact_lock(7308002);
        INSERT INTO records (kind, key, version, body) VALUES (3, 'slow', 1, '{}');
        INSERT INTO changes (kind, key) VALUES (3, 'slow')";
    writer.batch_execute(text).await.unwrap();
    let start = tokio::spawn({
        let url = url.clone();
        async move {
            let node = Store::postgres(&url, None).await.unwrap();
            let changes = node.changes().unwrap();
            let is_loaded = !node.list(Kind::Block, b"", 10).await.unwrap().is_empty();
            (node, changes, is_loaded)
        }
    });
    let observer = session(&url).await;
    until("the start has ended or waits for the writer", async || {
        let text = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 7308002
                        AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
        start.is_finished() || observer.query_one(text, &[]).await.unwrap().get(0)
    })
    .await;
    writer.batch_execute("COMMIT").await.unwrap();
    let (_node, mut changes, is_loaded) = start.await.unwrap();
    // The change is in the records that the node loads, or the node is notified of it.
    if !is_loaded {
        assert_eq!(
            next(&mut changes).await,
            Change::Record(Kind::Block, b"slow".to_vec())
        );
    }
}

//! A failover after which the former server still runs: connections to it stay open, and its answers must not be used.

use super::postgres_faults::{session, until};
use super::{postgres, write};
use crate::{Change, Store};
use std::sync::Arc;
use std::time::Duration;
use testudo_core::records::Kind;
use testudo_testkit::postgres::Postgres;
use testudo_testkit::scratch::folder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The part between `@` and `/` of a URL.
fn host(url: &str) -> &str {
    url.split(['@', '/']).nth(3).unwrap()
}

/// A host name that moves from one server to another: new connections reach the other server, existing ones stay open.
async fn name_that_moves(url: &str) -> (String, watch::Sender<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().to_string();
    let (target, current) = watch::channel(host(url).to_owned());
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let target = current.borrow().clone();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(target).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (url.replace(host(url), &here), target)
}

/// The size of the pool.
const CONNECTIONS: usize = 7;

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_answers_of_the_former_server_are_not_used_and_its_connections_not_reused() {
    let successor = Postgres::start(&folder("postgres")).expect("PostgreSQL starts");
    let former_url = postgres().database("exchanged").unwrap();
    let successor_url = successor.database("exchanged").unwrap();
    let on_successor = Store::postgres(&successor_url, None).await.unwrap();
    on_successor.commit(write("on the successor")).await.unwrap();
    let (url, target) = name_that_moves(&former_url).await;
    let store = Arc::new(Store::postgres(&url, None).await.unwrap());
    store.commit(write("on the former")).await.unwrap();
    let mut changes = store.changes().unwrap();

    // Every connection of the pool is in use when the name moves.
    let (admin, other) = (session(&former_url).await, session(&former_url).await);
    let lock = "BEGIN; LOCK TABLE records IN ACCESS EXCLUSIVE MODE";
    other.batch_execute(lock).await.unwrap();
    let reads: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.get(Kind::Client, b"on the former").await })
        })
        .collect();
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'exchanged' AND wait_event_type = 'Lock'";
    until("the reads", async || {
        admin.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == CONNECTIONS as i64
    })
    .await;
    target.send(host(&successor_url).to_owned()).unwrap();
    let end_listener = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE datname = 'exchanged' AND query LIKE 'SELECT tableoid%'";
    assert_eq!(admin.query(end_listener, &[]).await.unwrap().len(), 1);
    let exchanged = async { while changes.recv().await.unwrap() != Change::Everything {} };
    tokio::time::timeout(Duration::from_secs(30), exchanged)
        .await
        .expect("the node detects the other server");
    other.batch_execute("ROLLBACK").await.unwrap();
    for read in reads {
        // Read again from the successor, which does not have it.
        let answer = read.await.unwrap();
        assert!(
            !matches!(answer, Ok(Some(_))),
            "an answer of the former server was used: {answer:?}"
        );
    }
    let reads: Vec<_> = (0..4 * CONNECTIONS)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let former = store.get(Kind::Client, b"on the former").await.unwrap();
                let successor = store.get(Kind::Client, b"on the successor").await.unwrap();
                (former.is_some(), successor.is_some())
            })
        })
        .collect();
    for read in reads {
        assert_eq!(
            read.await.unwrap(),
            (false, true),
            "the former server received another query"
        );
    }
    store.commit(write("later")).await.unwrap();
    assert!(on_successor.get(Kind::Client, b"later").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn read_whose_connection_the_server_ends_is_repeated_on_another_connection() {
    let url = postgres().database("ended").unwrap();
    let store = Arc::new(Store::postgres(&url, None).await.unwrap());
    let keys: Vec<Vec<u8>> = (0..6)
        .map(|number| format!("client {number}").into_bytes())
        .collect();
    for key in &keys {
        store
            .commit(write(std::str::from_utf8(key).unwrap()))
            .await
            .unwrap();
    }
    let (admin, other) = (session(&url).await, session(&url).await);
    // One client is read by a statement for each key, six by one statement.
    for count in [1, 6] {
        other
            .batch_execute("BEGIN; LOCK TABLE records IN ACCESS EXCLUSIVE MODE")
            .await
            .unwrap();
        let wanted = keys[..count]
            .iter()
            .map(|key| (Kind::Client, key.clone()))
            .collect();
        let reading = store.clone();
        let read = tokio::spawn(async move { reading.get_many(wanted).await });
        let waiting = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE datname = 'ended' AND wait_event_type = 'Lock'";
        until("the read waits and its connection ends", async || {
            !admin.query(waiting, &[]).await.unwrap().is_empty()
        })
        .await;
        other.batch_execute("ROLLBACK").await.unwrap();
        let found = read.await.unwrap().unwrap();
        assert!(
            found.len() == count && found.iter().all(Option::is_some),
            "{found:?}"
        );
    }
}

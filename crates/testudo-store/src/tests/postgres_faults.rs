//! How a node behaves while PostgreSQL hangs, waits for a lock, or accepts no writes.

use super::{postgres, write};
use crate::{CommitError, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use testudo_core::records::Kind;
use testudo_testkit::postgres::Postgres;
use testudo_testkit::scratch::folder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A deadline that is long enough for a busy machine.
const SOON: Duration = Duration::from_secs(30);
/// A node whose poll waited behind other statements would be without an answer for their whole deadline (5 s).
const SILENT_MAX: Duration = Duration::from_secs(4);

/// A session of an administrator.
pub(super) async fn session(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(super) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(
            started.elapsed() < SOON,
            "{what}: did not happen within the deadline"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The longest time without an answer of the database while `work` runs.
async fn longest_silence<T>(store: &Store, work: impl Future<Output = T>) -> (T, Duration) {
    let mut longest = Duration::ZERO;
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return (done, longest.max(store.unanswered_for())),
            () = tokio::time::sleep(Duration::from_millis(20)) => longest = longest.max(store.unanswered_for()),
        }
    }
}

/// A proxy to the server whose open connections can be made to hang: no data passes and nothing is closed. Later
/// connections work.
struct Proxy {
    url: String,
    hang: watch::Sender<usize>,
    made: Arc<AtomicUsize>,
}

impl Proxy {
    async fn to(url: &str) -> Proxy {
        let target = url.split(['@', '/']).nth(3).unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().to_string();
        let url = url.replace(&target, &here);
        let (hang, hung) = watch::channel(0);
        let made = Arc::new(AtomicUsize::new(0));
        let count = made.clone();
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                let (target, mut hung) = (target.clone(), hung.clone());
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
                        _ = hung.wait_for(|up_to| number <= *up_to) => {}
                    }
                    std::future::pending::<()>().await;
                });
            }
        });
        Proxy { url, hang, made }
    }

    /// All open connections hang from now on.
    fn hang(&self) {
        self.hang.send(self.made.load(Ordering::SeqCst)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_hang_are_replaced_and_the_store_answers_again() {
    let proxy = Proxy::to(&postgres().database("hang").unwrap()).await;
    let store = Arc::new(Store::postgres(&proxy.url, None).await.unwrap());
    store.commit(write("known")).await.unwrap();
    let read_all_at_once = async || {
        let reads: Vec<_> = (0..30)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.get(Kind::Client, b"known").await.is_ok() })
            })
            .collect();
        let mut good = 0;
        for read in reads {
            good += usize::from(read.await.unwrap());
        }
        good
    };
    assert_eq!(
        read_all_at_once().await,
        30,
        "every connection of the pool is in use"
    );
    proxy.hang();
    let started = Instant::now();
    read_all_at_once().await;
    // After one round of time-outs, every connection is a new one.
    assert_eq!(
        read_all_at_once().await,
        30,
        "a connection that hangs was used again"
    );
    store.commit(write("later")).await.unwrap();
    until("the poll", async || {
        store.unanswered_for() < Duration::from_secs(1)
    })
    .await;
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn table_lock_is_not_taken_for_a_database_that_does_not_answer() {
    let url = postgres().database("table_lock").unwrap();
    let store = Arc::new(Store::postgres(&url, None).await.unwrap());
    store.commit(write("known")).await.unwrap();
    let other = session(&url).await;
    other
        .batch_execute("BEGIN; LOCK TABLE records IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let reads: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.get(Kind::Client, b"known").await })
        })
        .collect();
    let (refused, silence) = longest_silence(&store, async {
        let mut refused = Vec::new();
        for read in reads {
            refused.push(read.await.unwrap().unwrap_err().to_string());
        }
        refused
    })
    .await;
    assert!(silence < SILENT_MAX, "no answer of the database for {silence:?}");
    assert!(
        refused.iter().any(|why| why.contains("statement timeout")),
        "{refused:?}"
    );
    other.batch_execute("ROLLBACK").await.unwrap();
    until("reads", async || store.get(Kind::Client, b"known").await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn advisory_lock_of_a_role_that_may_only_connect_does_not_delay_reads() {
    let url = postgres().database("advisory").unwrap();
    let store = Store::postgres(&url, None).await.unwrap();
    store.commit(write("known")).await.unwrap();
    let admin = session(&url).await;
    admin.batch_execute("CREATE ROLE other_role LOGIN").await.unwrap();
    let other = session(&url.replace("postgres@", "other_role@")).await;
    other
        .batch_execute("SELECT pg_advisory_lock(7308002)")
        .await
        .unwrap();
    let (outcome, silence) = longest_silence(&store, async {
        let (commit, read) = tokio::join!(store.commit(write("waits")), store.get(Kind::Client, b"known"));
        assert!(read.unwrap().is_some());
        commit
    })
    .await;
    let Err(CommitError::Unavailable(why)) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(why.to_string().contains("statement timeout"), "{why}");
    assert!(silence < SILENT_MAX, "no answer of the database for {silence:?}");
    drop(other);
    until("writes", async || store.commit(write("after")).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_synchronous_standby_does_not_delay_reads() {
    let server = Postgres::start(&folder("postgres")).expect("PostgreSQL starts");
    let url = server.database("sync").unwrap();
    let store = Store::postgres(&url, None).await.unwrap();
    store.commit(write("known")).await.unwrap();
    let admin = session(&url).await;
    let standby = async |name: &str| {
        // One statement each, because ALTER SYSTEM cannot run in a transaction.
        for text in [
            format!("ALTER SYSTEM SET synchronous_standby_names TO '{name}'"),
            "SELECT pg_reload_conf()".to_owned(),
        ] {
            admin.batch_execute(&text).await.unwrap();
        }
        until("the setting", async || {
            let row = admin.query_one("SHOW synchronous_standby_names", &[]).await;
            row.unwrap().get::<_, String>(0) == name
        })
        .await;
    };
    standby("missing").await;
    let (outcome, silence) = longest_silence(&store, async {
        let (commit, read) = tokio::join!(store.commit(write("waits")), store.get(Kind::Client, b"known"));
        assert!(read.unwrap().is_some());
        // Another write waits behind the first; reads do not.
        assert!(store.commit(write("waits too")).await.is_err());
        assert!(store.get(Kind::Client, b"known").await.unwrap().is_some());
        commit
    })
    .await;
    assert!(
        matches!(outcome, Err(CommitError::Unavailable(_))),
        "a write must not be confirmed without the standby: {outcome:?}"
    );
    assert!(silence < SILENT_MAX, "no answer of the database for {silence:?}");
    standby("").await;
    let number = AtomicUsize::new(0);
    until("writes", async || {
        let key = format!("after-{}", number.fetch_add(1, Ordering::Relaxed));
        store.commit(write(&key)).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_sessions_are_closed_once_the_database_accepts_writes_again() {
    let url = postgres().database("read_only").unwrap();
    let store = Store::postgres(&url, None).await.unwrap();
    store.commit(write("known")).await.unwrap();
    let admin = session(&postgres().database("read_only_admin").unwrap()).await;
    let set = async |value: &str| {
        let text = format!("ALTER DATABASE read_only SET default_transaction_read_only TO {value}");
        admin.batch_execute(&text).await.unwrap();
    };
    set("on").await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'read_only'";
    admin.batch_execute(end).await.unwrap();
    until("reads", async || store.get(Kind::Client, b"known").await.is_ok()).await;
    let Err(CommitError::Unavailable(why)) = store.commit(write("refused")).await else {
        panic!("a read-only database accepted a write");
    };
    assert!(why.to_string().contains("default_transaction_read_only"), "{why}");
    // The data of a read-only database is current, so the node accepts its answers.
    assert!(store.get(Kind::Client, b"known").await.unwrap().is_some());
    until("the poll", async || {
        store.unanswered_for() < Duration::from_secs(1)
    })
    .await;
    set("off").await;
    let _ = store.commit(write("first")).await;
    store.commit(write("second")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn standby_is_refused_with_the_reason_and_the_primary_is_used_again() {
    let folder = folder("postgres");
    let server = Postgres::start(&folder).expect("PostgreSQL starts");
    let url = server.database("standby").unwrap();
    let store = Store::postgres(&url, None).await.unwrap();
    store.commit(write("known")).await.unwrap();
    let signal = folder.join("data/standby.signal");
    server.crash().unwrap();
    std::fs::write(&signal, "").unwrap();
    std::fs::set_permissions(&signal, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    server.resume().unwrap();
    until("the cause", async || {
        let refused = store.get(Kind::Client, b"known").await;
        refused.is_err_and(|why| why.to_string().contains("is a standby"))
    })
    .await;
    let refused = Store::postgres(&url, None).await.err().unwrap().to_string();
    assert!(refused.contains("is a standby"), "{refused}");
    server.crash().unwrap();
    std::fs::remove_file(&signal).unwrap();
    server.resume().unwrap();
    until("reads", async || store.get(Kind::Client, b"known").await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn default_isolation_level_of_the_database_does_not_refuse_parallel_first_uses() {
    for level in ["repeatable read", "serializable"] {
        let name = level.replace(' ', "_");
        let url = postgres().database(&name).unwrap();
        let text = format!("ALTER DATABASE {name} SET default_transaction_isolation TO '{level}'");
        session(&url).await.batch_execute(&text).await.unwrap();
        let one = Arc::new(Store::postgres(&url, None).await.unwrap());
        let other = Arc::new(Store::postgres(&url, None).await.unwrap());
        let commits: Vec<_> = (0..200)
            .map(|number| {
                let store = [&one, &other][number % 2].clone();
                tokio::spawn(async move { store.commit(write(&format!("k{number}"))).await })
            })
            .collect();
        for commit in commits {
            assert_eq!(commit.await.unwrap(), Ok(()), "{level}");
        }
        assert_eq!(one.counter("n").await.unwrap(), 200, "{level}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serialization_failures_and_deadlocks_are_tried_again_five_times_at_most() {
    let url = postgres().database("again").unwrap();
    let store = Store::postgres(&url, None).await.unwrap();
    let admin = session(&url).await;
    let arguments =
        "INT[], SMALLINT[], SMALLINT[], BYTEA[], BIGINT[], BIGINT[], BYTEA[], BIGINT[], BIGINT[], BOOLEAN[]";
    let fails = async |code: &str, times: i64| {
        // A function that fails this often and then calls the real one. A sequence counts, since it is not undone with
        // a transaction.
        let text = format!(
            "DROP SEQUENCE IF EXISTS tries; CREATE SEQUENCE tries;
             CREATE OR REPLACE FUNCTION testudo_write({arguments}) RETURNS INT[] LANGUAGE plpgsql AS $$ BEGIN
                 IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'undone' USING ERRCODE = '{code}'; END IF;
                 RETURN real_write($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);
             END $$"
        );
        admin.batch_execute(&text).await.unwrap();
    };
    let rename = format!("ALTER FUNCTION testudo_write({arguments}) RENAME TO real_write");
    admin.batch_execute(&rename).await.unwrap();
    for code in ["40001", "40P01"] {
        fails(code, 4).await;
        assert_eq!(store.commit(write(&format!("a{code}"))).await, Ok(()), "{code}");
        fails(code, 1_000).await;
        let outcome = store.commit(write(&format!("b{code}"))).await;
        assert!(matches!(outcome, Err(CommitError::Unavailable(_))), "{outcome:?}");
        let row = admin
            .query_one("SELECT last_value FROM tries", &[])
            .await
            .unwrap();
        assert_eq!(row.get::<_, i64>(0), 5, "{code}");
    }
    // An error that would occur again is not retried.
    fails("53100", 1).await;
    assert!(store.commit(write("c")).await.is_err());
    assert_eq!(store.counter("n").await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn host_that_accepts_connections_without_answering_is_skipped() {
    let url = postgres().database("hosts").unwrap();
    let target = url.split(['@', '/']).nth(3).unwrap();
    // The kernel of a paused server still accepts connections.
    let paused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = paused.local_addr().unwrap().to_string();
    for hosts in [format!("{address},{target}"), format!("{target},{address}")] {
        let several = url.replace(target, &hosts);
        let store = Store::postgres(&several, None).await.unwrap();
        store.commit(write(&hosts)).await.unwrap();
        assert!(store.get(Kind::Client, hosts.as_bytes()).await.unwrap().is_some());
        until("the poll", async || {
            store.unanswered_for() < Duration::from_secs(1)
        })
        .await;
    }
    let refused = Store::postgres(&url.replace(target, &address), None).await;
    let why = refused.err().unwrap().to_string();
    assert!(why.contains(" within 3 s: check host and port"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn database_that_cannot_be_reached_is_refused_with_the_cause() {
    let url = postgres().database("causes").unwrap();
    let closed = format!("127.0.0.1:{}", testudo_testkit::free_port());
    for (url, cause) in [
        (format!("postgres://postgres@{closed}/x"), "refused"),
        (url.replace("/causes", "/absent"), "does not exist"),
        (
            url.replace("postgres@", "unknown_role@"),
            "role \"unknown_role\" does not exist",
        ),
    ] {
        let why = Store::postgres(&url, None).await.err().unwrap().to_string();
        assert!(why.contains(cause), "{why}");
    }
}

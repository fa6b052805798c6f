//! Every engine passes the suite; SQLite and PostgreSQL also keep records across restarts and crashes.

mod postgres_announcements;
mod postgres_connect_faults;
mod postgres_exchanged;
mod postgres_faults;
mod postgres_schema;
mod postgres_sessions;
mod sqlite_marks;

use super::*;
use std::path::PathBuf;
use std::sync::Arc;
use testudo_core::records::{Document, Write};
use testudo_testkit::scratch::folder;

fn scratch(name: &str) -> PathBuf {
    folder(name).join("test.db")
}

fn write(key: &str) -> Batch {
    let document = Document {
        kind: Kind::Client,
        key: key.into(),
        body: b"x".to_vec(),
        expires: None,
    };
    let add = Write::Add {
        counter: "n".into(),
        delta: 1,
        max: None,
    };
    Batch {
        writes: vec![Write::Insert(document), add],
        ..Batch::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_passes_the_suite() {
    suite::run(Arc::new(Store::memory())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_passes_the_suite() {
    suite::run(Arc::new(Store::sqlite(&scratch("suite")).unwrap())).await;
}

#[tokio::test]
async fn sqlite_keeps_what_it_acknowledged_across_a_reopen() {
    let path = scratch("reopen");
    let store = Store::sqlite(&path).unwrap();
    store.commit(write("a")).await.unwrap();
    drop(store);
    let store = Store::sqlite(&path).unwrap();
    assert!(store.get(Kind::Client, b"a").await.unwrap().is_some());
    assert_eq!(store.counter("n").await.unwrap(), 1);
}

/// The files after a crash: they are copied while the database is open and before a checkpoint of the write-ahead log.
#[tokio::test]
async fn sqlite_keeps_what_it_acknowledged_across_a_crash() {
    let path = scratch("crash");
    let store = Store::sqlite(&path).unwrap();
    for number in 0..50 {
        store.commit(write(&format!("k{number}"))).await.unwrap();
    }
    let copy = scratch("crash-copy");
    for suffix in ["", "-wal"] {
        std::fs::copy(
            format!("{}{suffix}", path.display()),
            format!("{}{suffix}", copy.display()),
        )
        .unwrap();
    }
    let reopened = Store::sqlite(&copy).unwrap();
    assert_eq!(reopened.list(Kind::Client, b"", 100).await.unwrap().len(), 50);
    assert_eq!(reopened.counter("n").await.unwrap(), 50);
}

#[tokio::test]
async fn second_server_on_one_sqlite_file_is_refused_for_every_path_of_the_file() {
    let path = scratch("held");
    let folder = path.parent().unwrap();
    let first = Store::sqlite(&path).unwrap();
    let (link, hard_link) = (folder.join("link.db"), folder.join("hard.db"));
    std::os::unix::fs::symlink(&path, &link).unwrap();
    std::fs::hard_link(&path, &hard_link).unwrap();
    let roundabout = folder
        .join("..")
        .join(folder.file_name().unwrap())
        .join("test.db");
    for other in [&path, &link, &hard_link, &roundabout] {
        let error = Store::sqlite(other).err().unwrap().to_string();
        assert!(
            error.contains("another server") && error.contains(other.to_str().unwrap()),
            "{error}"
        );
    }
    // A tool that only reads may open the file, and the first server continues.
    let beside = Store::sqlite_beside_a_server(&path).unwrap();
    first.commit(write("a")).await.unwrap();
    assert!(beside.get(Kind::Client, b"a").await.unwrap().is_some());
    drop(first);
    Store::sqlite(&link).unwrap();
}

#[tokio::test]
async fn sqlite_files_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let path = scratch("private");
    let store = Store::sqlite(&path).unwrap();
    store.commit(write("a")).await.unwrap();
    store.get(Kind::Client, b"a").await.unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let mode = std::fs::metadata(format!("{}{suffix}", path.display()))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "test.db{suffix}");
    }
}

#[tokio::test]
async fn error_of_a_store_that_cannot_be_opened_names_the_store() {
    let error = Store::sqlite(Path::new("/nowhere/at/all.db")).err().unwrap();
    assert!(error.to_string().contains("/nowhere/at/all.db"), "{error}");
}

/// One PostgreSQL server for the tests that do not stop it; each test has its own database.
fn postgres() -> &'static testudo_testkit::postgres::Postgres {
    static SERVER: std::sync::OnceLock<testudo_testkit::postgres::Postgres> = std::sync::OnceLock::new();
    SERVER.get_or_init(|| {
        testudo_testkit::postgres::Postgres::start(&folder("postgres")).expect("PostgreSQL starts")
    })
}

/// A database with the schema of the first version, and two nodes of this version that start on it at the same time.
async fn older_schema_is_migrated(url: &str) {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
        .batch_execute(include_str!("postgres/001.sql"))
        .await
        .unwrap();
    let version =
        "CREATE TABLE testudo_schema (version INTEGER NOT NULL); INSERT INTO testudo_schema VALUES (1)";
    client.batch_execute(version).await.unwrap();
    let old = "INSERT INTO records VALUES (1, 'kept', 1, NULL, 'x')";
    client.batch_execute(old).await.unwrap();
    let (one, other) = tokio::join!(Store::postgres(url, None), Store::postgres(url, None));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!(other.get(Kind::Client, b"kept").await.unwrap().is_some());
    let order = Document {
        kind: Kind::ReloadOrder,
        key: b"configuration".to_vec(),
        body: b"{}".to_vec(),
        expires: None,
    };
    let batch = Batch {
        writes: vec![Write::Insert(order)],
        ..Batch::default()
    };
    one.commit(batch).await.unwrap();
    let row = client
        .query_one("SELECT kind FROM changes ORDER BY id DESC LIMIT 1", &[])
        .await
        .unwrap();
    assert_eq!(
        row.get::<_, i16>(0),
        Kind::ReloadOrder as i16,
        "a change by this version is in the table of changes"
    );
    let row = client
        .query_one("SELECT version FROM testudo_schema", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i32>(0), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_passes_the_suite_and_keeps_what_it_acknowledged() {
    // A separate server, since this test stops it.
    let server = testudo_testkit::postgres::Postgres::start(&folder("postgres")).expect("PostgreSQL starts");
    older_schema_is_migrated(&server.database("older").unwrap()).await;
    let url = server.database("suite").unwrap();
    let store = Arc::new(Store::postgres(&url, None).await.unwrap());
    suite::run(store.clone()).await;
    store.commit(write("acknowledged")).await.unwrap();
    let before = store.counter("n").await.unwrap();

    // A second node on the same database, and the changes of which it is notified.
    let other = Store::postgres(&url, None).await.unwrap();
    let mut changes = other.changes().unwrap();
    let replaced = Document {
        kind: Kind::Client,
        key: b"acknowledged".to_vec(),
        body: b"y".to_vec(),
        expires: None,
    };
    store
        .commit(Batch {
            writes: vec![Write::Replace(replaced, 1)],
            ..Batch::default()
        })
        .await
        .unwrap();
    let started = std::time::Instant::now();
    assert_eq!(
        postgres_announcements::next(&mut changes).await,
        Change::Record(Kind::Client, b"acknowledged".to_vec())
    );
    assert!(
        started.elapsed() < std::time::Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );

    // The database crashes and starts again; the store reconnects without a restart.
    server.crash().unwrap();
    assert!(matches!(
        store.commit(write("lost")).await,
        Err(CommitError::Unavailable(_))
    ));
    assert!(store.get(Kind::Client, b"acknowledged").await.is_err());
    server.resume().unwrap();
    let started = std::time::Instant::now();
    while store.get(Kind::Client, b"acknowledged").await.is_err() {
        assert!(
            started.elapsed() < std::time::Duration::from_secs(20),
            "recovery is automatic"
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    // The store may detect only at one of the next statements that the server was restarted; it then does not use the
    // result.
    postgres_faults::until("the lost write is not stored", async || {
        store.get(Kind::Client, b"lost").await == Ok(None)
    })
    .await;
    postgres_faults::until("the counter is as before", async || {
        store.counter("n").await == Ok(before)
    })
    .await;
    while store
        .commit(write(&format!("after-{}", started.elapsed().as_millis())))
        .await
        .is_err()
    {
        assert!(
            started.elapsed() < std::time::Duration::from_secs(20),
            "writes are possible again"
        );
    }

    // The database is paused: the store answers with an error, and works again after the pause.
    server.signal("STOP").unwrap();
    assert!(matches!(
        store.commit(write("paused")).await,
        Err(CommitError::Unavailable(_))
    ));
    server.signal("CONT").unwrap();
    let started = std::time::Instant::now();
    while store
        .commit(write(&format!("again-{}", started.elapsed().as_millis())))
        .await
        .is_err()
    {
        assert!(
            started.elapsed() < std::time::Duration::from_secs(20),
            "recovery is automatic"
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[test]
fn sqlite_reads_do_not_wait_while_the_blocking_pool_is_full() {
    let folder = folder("readers");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = Store::sqlite(&folder.join("readers.db")).unwrap();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let blocking = tokio::task::spawn_blocking(move || held.recv());
        let reads = async {
            for _ in 0..20 {
                store
                    .get(testudo_core::records::Kind::Client, b"unknown")
                    .await
                    .unwrap();
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), reads)
            .await
            .expect("reads do not wait for other work");
        drop(release);
        let _ = blocking.await;
    });
}

/// The database accepts only TLS, so every connection that opens is encrypted.
#[tokio::test(flavor = "multi_thread")]
async fn certificate_and_name_of_a_database_with_tls_are_verified() {
    use testudo_testkit::x509::web_certificate;
    let server = testudo_testkit::postgres::Postgres::start(&folder("postgres")).expect("PostgreSQL starts");
    let by_address = server.database("tls").unwrap();
    let (own, root) = web_certificate("localhost");
    let (_, foreign) = web_certificate("localhost");
    server.encrypt(&own.chain_pem(), &own.key_pem()).unwrap();
    let by_name = by_address.replace("127.0.0.1", "localhost");
    let (root, foreign) = (root.chain_pem(), foreign.chain_pem());
    let open = async |url: &str, query: &str, ca: Option<&str>| {
        Store::postgres(&format!("{url}{query}"), ca.map(str::as_bytes))
            .await
            .map(drop)
            .map_err(|fault| fault.to_string())
    };
    for query in [
        "",
        "?sslmode=prefer",
        "?sslmode=require",
        "?sslmode=verify-ca",
        "?sslmode=verify-full",
    ] {
        open(&by_name, query, Some(&root)).await.expect(query);
        for (url, ca) in [(&by_name, &foreign), (&by_address, &root)] {
            let refused = open(url, query, Some(ca)).await.unwrap_err();
            assert!(refused.contains("certificate"), "{query}: {refused}");
        }
    }
    let untrusted = open(&by_name, "?sslmode=verify-full", None).await.unwrap_err();
    assert!(untrusted.contains("certificate"), "{untrusted}");
    let plain = open(&by_name, "?sslmode=disable", None).await.unwrap_err();
    assert!(
        plain.contains("no encryption"),
        "the server refuses plain text: {plain}"
    );
    let contradiction = open(&by_name, "?sslmode=disable", Some(&root)).await.unwrap_err();
    assert!(contradiction.contains("store.ca"), "{contradiction}");
}

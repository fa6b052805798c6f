//! Tests of two nodes with a PostgreSQL that answers only some queries.

use crate::nodes::postgres;
use crate::world::{MutualTls, World};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use testudo_server::Running;
use testudo_testkit::http::Answer;
use testudo_testkit::svid_form;

/// Longer than `serve_without_store` of the second node, which is 6 s: a node that wrongly takes the store to be
/// unavailable refuses requests by then.
const TROUBLE: Duration = Duration::from_secs(12);

struct Nodes {
    world: World,
    tls: MutualTls,
    second: Running,
    /// A session of an administrator of the database.
    session: tokio_postgres::Client,
}

impl Nodes {
    async fn start(name: &str) -> Nodes {
        let url = postgres().database(name).unwrap();
        let (world, tls) = World::start_over(&url).await;
        shorten(&world.folder);
        let (second, _) = world.join().await;
        let session = session(&url).await;
        Nodes {
            world,
            tls,
            second,
            session,
        }
    }

    async fn ask(&self, address: SocketAddr, path: &str) -> Answer {
        let mut connection = self.tls.connect(address, None).await.unwrap();
        connection
            .post("/token", svid_form(&self.world.svid(path), &[]))
            .await
    }

    async fn ask_second(&self, path: &str) -> Answer {
        self.ask(self.second.addresses[0], path).await
    }
}

fn shorten(folder: &Path) {
    let path = folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let shorter = text.replace("serve_without_store = \"20s\"", "serve_without_store = \"6s\"");
    assert_ne!(text, shorter);
    std::fs::write(path, shorter).unwrap();
}

pub async fn session(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{what}: did not happen within the deadline"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_writes_wait_known_clients_are_served_and_others_are_read() {
    let nodes = Nodes::start("writes_wait").await;
    // One client is in the memory of the second node, the other only in the database.
    assert_eq!(nodes.ask_second("/x/known").await.status, 200);
    for number in 0..2 {
        let path = format!("/x/away-{number}");
        assert_eq!(nodes.ask(nodes.world.address(), &path).await.status, 200);
    }
    let troubles = [
        (
            "SELECT pg_advisory_lock(7308002)",
            "SELECT pg_advisory_unlock_all()",
        ),
        ("BEGIN; LOCK TABLE records IN EXCLUSIVE MODE", "ROLLBACK"),
    ];
    for (number, (begin, end)) in troubles.into_iter().enumerate() {
        nodes.session.batch_execute(begin).await.unwrap();
        let first_uses = async {
            for attempt in 0..2 {
                let refused = nodes.ask_second(&format!("/x/new-{number}-{attempt}")).await;
                assert_eq!(
                    (refused.status, refused.error().as_str()),
                    (503, "temporarily_unavailable"),
                    "{begin}"
                );
            }
        };
        let read = async {
            let answer = nodes.ask_second(&format!("/x/away-{number}")).await;
            assert_eq!(answer.status, 200, "{begin}: {answer:?}");
        };
        let known = async {
            let started = Instant::now();
            while started.elapsed() < TROUBLE {
                let answer = nodes.ask_second("/x/known").await;
                assert_eq!(answer.status, 200, "{begin}, after {:?}", started.elapsed());
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::join!(first_uses, read, known);
        nodes.session.batch_execute(end).await.unwrap();
        until("first uses", async || {
            nodes.ask_second(&format!("/x/after-{number}")).await.status == 200
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn known_clients_are_served_while_every_connection_of_the_pool_waits_for_a_lock() {
    let nodes = Nodes::start("reads_wait").await;
    assert_eq!(nodes.ask_second("/x/known").await.status, 200);
    nodes
        .session
        .batch_execute("BEGIN; LOCK TABLE records, counters IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let readers = async {
        let started = Instant::now();
        while started.elapsed() < TROUBLE {
            let app = &nodes.second.app;
            let read = || app.store.get(testudo_core::records::Kind::Client, b"unknown");
            let (a, b, c, d, e) = tokio::join!(read(), read(), read(), read(), read());
            let (f, g, h, i, j) = tokio::join!(read(), read(), read(), read(), read());
            for outcome in [a, b, c, d, e, f, g, h, i, j] {
                assert!(outcome.is_err(), "the write must fail while the table is locked");
            }
        }
    };
    let known = async {
        let started = Instant::now();
        while started.elapsed() < TROUBLE {
            assert_eq!(
                nodes.ask_second("/x/known").await.status,
                200,
                "{:?}",
                started.elapsed()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::join!(readers, known);
    nodes.session.batch_execute("ROLLBACK").await.unwrap();
    until("first uses", async || {
        nodes.ask_second("/x/new").await.status == 200
    })
    .await;
}

/// The findings of `doctor` for this database: subject, whether it is good, and the detail.
async fn examine(folder: &Path) -> Vec<(String, bool, String)> {
    let (configuration, _) = testudo_server::config::load(&folder.join("testudo.toml"), 1).unwrap();
    let findings = testudo_server::doctor::examine(&configuration).await;
    findings
        .into_iter()
        .map(|finding| (finding.subject, finding.is_good, finding.detail))
        .collect()
}

fn about<'a>(findings: &'a [(String, bool, String)], subject: &str) -> (bool, &'a str) {
    let found = findings.iter().find(|(found, ..)| found == subject);
    let (_, is_good, detail) = found.unwrap_or_else(|| panic!("{subject}: {findings:?}"));
    (*is_good, detail)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn doctor_creates_nothing_in_an_empty_database_and_finds_what_would_refuse_the_start() {
    let url = postgres().database("doctor").unwrap();
    let (world, _) = World::start_over(&url).await;
    let (folder, database) = (world.folder.clone(), session(&url).await);
    let good = examine(&folder).await;
    assert_eq!(about(&good, "store"), (true, "PostgreSQL"));
    assert!(about(&good, "key-encryption key").0);
    assert_eq!(
        about(&good, "clock of the database"),
        (true, "agrees with the clock of this machine")
    );
    let edit = |from: &str, to: &str| {
        let path = folder.join("testudo.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    };
    let (right, wrong) = ("P4DmWGtsyIpx4YFDV", "Q4DmWGtsyIpx4YFDV");
    edit(right, wrong);
    assert!(!about(&examine(&folder).await, "key-encryption key").0);
    edit(wrong, right);
    for (begin, end, expected) in [
        (
            "UPDATE testudo_schema SET version = version + 90",
            "UPDATE testudo_schema SET version = version - 90",
            "start a newer Testudo",
        ),
        (
            "ALTER DATABASE doctor SET default_transaction_read_only TO on",
            "BEGIN READ WRITE; ALTER DATABASE doctor RESET default_transaction_read_only; COMMIT",
            "default_transaction_read_only is on",
        ),
    ] {
        database.batch_execute(begin).await.unwrap();
        let findings = examine(&folder).await;
        let (is_good, detail) = about(&findings, "store");
        assert!(!is_good && detail.contains(expected), "{detail}");
        database.batch_execute(end).await.unwrap();
    }
    let empty = postgres().database("doctor_empty").unwrap();
    edit("/doctor\"", "/doctor_empty\"");
    let findings = examine(&folder).await;
    let (is_good, detail) = about(&findings, "store");
    assert!(
        is_good && detail.contains("the first start creates them"),
        "{detail}"
    );
    let text = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    let row = session(&empty).await.query_one(text, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0, "doctor must not create tables");
    // The start would be refused for a role that may not create tables.
    database.batch_execute("CREATE ROLE guest LOGIN").await.unwrap();
    edit("postgres@", "guest@");
    let findings = examine(&folder).await;
    let (is_good, detail) = about(&findings, "store");
    assert!(!is_good && detail.contains("may not create tables"), "{detail}");
    edit("/doctor_empty\"", "/doctor\"");
    let findings = examine(&folder).await;
    let (is_good, detail) = about(&findings, "store");
    assert!(
        !is_good && detail.contains("permission denied for table testudo_schema"),
        "{detail}"
    );
    database
        .batch_execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest")
        .await
        .unwrap();
    let findings = examine(&folder).await;
    let (is_good, detail) = about(&findings, "store");
    assert!(!is_good && detail.contains("lacks INSERT on records"), "{detail}");
}

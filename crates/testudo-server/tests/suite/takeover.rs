//! Tests that changes of administrators apply on every node that answers, also on a node that was starting, was
//! disconnected, or whose database was restored to an older state. Decisions 0009, 0011, 0014.

use crate::nodes::{PAY, PAY_ID, postgres, until, until_slowly};
use crate::wire::{State, Wire};
use crate::world::{MutualTls, World};
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use testudo_server::Running;
use testudo_testkit::http::{Answer, over_socket};
use testudo_testkit::postgres::Postgres;
use testudo_testkit::scratch::folder;
use testudo_testkit::svid_form;

/// Two nodes; the second one is connected to the database through a proxy of the test.
struct Pair {
    first: World,
    tls: MutualTls,
    second: Running,
    wire: Wire,
    database: &'static str,
}

impl Pair {
    async fn start(database: &'static str, change: impl FnOnce(String) -> String) -> Pair {
        let url = postgres().database(database).unwrap();
        let (first, tls) = World::start_over(&url).await;
        let target = url.split(['@', '/']).nth(3).unwrap().to_owned();
        let wire = Wire::to(target.parse().unwrap()).await;
        let over_wire = |text: String| change(text).replace(&target, &wire.address.to_string());
        let (second, _) = first.join_with(over_wire).await;
        Pair {
            first,
            tls,
            second,
            wire,
            database,
        }
    }

    async fn ask(&self, node: usize, path: &str) -> Answer {
        let address = [self.first.address(), self.second.addresses[0]][node];
        ask(&self.first, &self.tls, address, path).await
    }

    async fn on_first(&self, path: &str, body: serde_json::Value) {
        self.first.admin("POST", path, body).await;
    }

    fn execute(&self, sql: &str) {
        postgres().execute(self.database, sql).unwrap();
    }

    async fn ready(&self) -> u16 {
        let address = self.second.addresses[0];
        let mut connection = self.tls.connect(address, None).await.unwrap();
        connection.get("/readyz").await.status
    }
}

async fn ask(world: &World, tls: &MutualTls, address: SocketAddr, path: &str) -> Answer {
    let mut connection = tls.connect(address, None).await.unwrap();
    connection.post("/token", svid_form(&world.svid(path), &[])).await
}

fn id(path: &str) -> String {
    format!("spiffe://a.example{path}")
}

/// A bundle source that accepts connections and never answers, so that the start of a node takes longer.
async fn silent_source() -> tokio::net::TcpListener {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_made_on_one_node_while_another_starts_are_in_force_on_it() {
    const STARTS: usize = 5;
    const BLOCKS_PER_START: usize = 18;
    let (first, tls) = World::start_over(&postgres().database("starting").unwrap()).await;
    let source = silent_source().await;
    let port = source.local_addr().unwrap().port();
    let slowly = |text: String| {
        format!(
            "{text}\n[[trust_domains]]\nname = \"slow.example\"\n\
             bundle = {{ url = \"https://slow.example:{port}\", profile = \"https_web\" }}\n\
             [outbound]\nresolve = {{ \"slow.example\" = \"127.0.0.1\" }}\n"
        )
    };
    let mut random: u64 = 20_261_125;
    for start in 0..STARTS {
        let paths: Vec<String> = (0..BLOCKS_PER_START)
            .map(|number| format!("/x/{start}-{number}"))
            .collect();
        for path in &paths {
            assert_eq!(ask(&first, &tls, first.address(), path).await.status, 200);
        }
        let switch = ["disable", "enable"][start % 2];
        let change = async {
            for (number, path) in paths.iter().enumerate() {
                // The changes are made at different moments of the start, which takes about two seconds.
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                tokio::time::sleep(Duration::from_millis(random >> 33 & 0xff)).await;
                first
                    .admin("POST", "/admin/v1/blocks", json!({ "identity": id(path) }))
                    .await;
                if number == BLOCKS_PER_START / 3 {
                    let switched = format!("/admin/v1/trust/o.example/{switch}");
                    first.admin("POST", &switched, json!({})).await;
                }
                if number == BLOCKS_PER_START / 2 {
                    first
                        .admin("POST", "/admin/v1/keys/rotate", json!({ "now": true }))
                        .await;
                }
            }
        };
        let ((second, folder), ()) = tokio::join!(first.join_with(slowly), change);
        let address = second.addresses[0];
        for path in &paths {
            until(async || ask(&first, &tls, address, path).await.status == 400).await;
        }
        let jwks = async |address| {
            let mut connection = tls.connect(address, None).await.unwrap();
            connection.get("/jwks").await.json()
        };
        let of_first = jwks(first.address()).await;
        until(async || jwks(address).await == of_first).await;
        let is_disabled = || !second.app.switches.load().disabled.is_empty();
        until(async || is_disabled() == (switch == "disable")).await;
        // Workloads that are not blocked are served.
        assert_eq!(ask(&first, &tls, address, PAY).await.status, 200);
        second.stop().await;
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn node_that_was_disconnected_until_changes_were_pruned_loads_all_records_again() {
    let pair = Pair::start("pruned", |text| text).await;
    for (number, state) in [State::Held, State::Cut].into_iter().enumerate() {
        let (frozen, blocked, kept) = (
            format!("/x/frozen{number}"),
            format!("/x/blocked{number}"),
            format!("/x/kept{number}"),
        );
        for path in [&frozen, &blocked, &kept] {
            assert_eq!(pair.ask(0, path).await.status, 200);
            assert_eq!(pair.ask(1, path).await.status, 200);
        }
        pair.wire.set(state);
        pair.on_first("/admin/v1/clients/freeze", json!({ "client_id": id(&frozen) }))
            .await;
        pair.on_first("/admin/v1/blocks", json!({ "identity": id(&blocked) }))
            .await;
        pair.on_first("/admin/v1/keys/rotate", json!({})).await;
        // The changes become older than an hour, so that they are pruned.
        pair.execute("UPDATE changes SET at = at - interval '2 hours'");
        let now = pair.first.running.app.now();
        pair.first.running.app.store.drop_expired(now, 1).await.unwrap();
        assert_eq!(
            pair.ask(1, &frozen).await.status,
            200,
            "the node cannot know of the change yet"
        );
        pair.wire.set(State::Whole);
        until_slowly(async || pair.ask(1, &frozen).await.status == 400).await;
        until_slowly(async || pair.ask(1, &blocked).await.status == 400).await;
        let kids = |running: &Running| running.app.keys.load().listed.len();
        until_slowly(async || kids(&pair.second) == kids(&pair.first.running)).await;
        assert_eq!(pair.ask(1, &kept).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn node_that_receives_no_changes_serves_for_serve_without_store_and_then_is_not_ready() {
    let pair = Pair::start("unsure", |text| {
        text.replace("serve_without_store = \"20s\"", "serve_without_store = \"3s\"")
    })
    .await;
    until_slowly(async || pair.ask(1, "/x/known").await.status == 200).await;
    until_slowly(async || pair.ready().await == 200).await;
    // The table of changes cannot be read; all other tables can be read and written.
    let lock = std::thread::spawn(|| {
        let sql = "BEGIN; LOCK TABLE changes IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)";
        postgres().execute("unsure", sql)
    });
    until_slowly(async || pair.ready().await == 503).await;
    for path in ["/x/known", "/x/new"] {
        let refused = pair.ask(1, path).await;
        assert_eq!(
            (refused.status, refused.error().as_str()),
            (503, "temporarily_unavailable"),
            "{path}"
        );
        assert!(refused.header("retry-after").is_some());
    }
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE query LIKE '%pg_sleep(600)%' AND datname = current_database() AND pid <> pg_backend_pid()";
    pair.execute(end);
    assert!(lock.join().unwrap().is_err(), "the session was terminated");
    until_slowly(async || pair.ready().await == 200).await;
    // On a busy machine, the node may be without changes for 3 s again.
    for path in ["/x/known", "/x/new"] {
        until_slowly(async || pair.ask(1, path).await.status == 200).await;
    }
}

/// A database administrator has locked the table of records: only changes can be read.
struct RecordsLocked(std::thread::JoinHandle<Result<(), String>>, &'static str);

impl RecordsLocked {
    async fn take(database: &'static str) -> RecordsLocked {
        let lock = std::thread::spawn(move || {
            let sql = "BEGIN; LOCK TABLE records IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)";
            postgres().execute(database, sql)
        });
        let is_held = "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_locks
            WHERE relation = 'records'::regclass AND mode = 'AccessExclusiveLock' AND granted)
            THEN RAISE EXCEPTION 'not yet'; END IF; END $$";
        until_slowly(async || postgres().execute(database, is_held).is_ok()).await;
        RecordsLocked(lock, database)
    }

    fn release(self) {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE query LIKE '%pg_sleep(600)%' AND datname = current_database() AND pid <> pg_backend_pid()";
        postgres().execute(self.1, end).unwrap();
        assert!(self.0.join().unwrap().is_err(), "the session was terminated");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn known_clients_are_served_while_all_records_must_be_loaded_again_and_cannot_be_read() {
    let pair = Pair::start("unreadable", |text| text).await;
    assert_eq!(pair.ask(1, "/x/known").await.status, 200);
    let locked = RecordsLocked::take(pair.database).await;
    // A change of a kind that this version does not know, after which all records must be loaded again.
    pair.execute("INSERT INTO changes (kind, key) VALUES (0, '')");
    let began = Instant::now();
    // Longer than the time limit of a statement: the node tries to load all records, fails, and tries again.
    while began.elapsed() < Duration::from_secs(8) {
        let answer = pair.ask(1, "/x/known").await;
        assert_eq!(answer.status, 200, "after {:?}: {answer:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    locked.release();
    pair.on_first("/admin/v1/clients/freeze", json!({ "client_id": id("/x/known") }))
        .await;
    until_slowly(async || pair.ask(1, "/x/known").await.status == 400).await;
}

/// Checks a client that both nodes had in memory and that the restored database does not have: it is handled as if it
/// had never been registered.
async fn client_that_the_database_lost_is_registered_again(
    nodes: (&World, &MutualTls, &Running),
    folder_of_second: Option<&PathBuf>,
) {
    let (first, tls, second) = nodes;
    let addresses = [first.address(), second.addresses[0]];
    for address in addresses {
        until_slowly(async || ask(first, tls, address, "/x/lost").await.status == 200).await;
    }
    until_slowly(async || {
        // Each node may have answered from memory before it detected the restore.
        let _ = ask(first, tls, addresses[1], "/x/lost").await;
        // The answer is 503 if the result came from the former database server.
        let clients = first.try_admin("GET", "/admin/v1/clients", json!(null)).await;
        clients.0 == 200 && clients.1.to_string().contains(&format!("\"{}\"", id("/x/lost")))
    })
    .await;
    for path in ["/x/lost", PAY] {
        let frozen = json!({ "client_id": id(path) });
        let socket = folder_of_second.unwrap_or(&first.folder).join("admin.sock");
        // The answer is 503 if the node detects only now that another database server answers.
        until_slowly(async || {
            over_socket(&socket, "POST", "/admin/v1/clients/freeze", frozen.clone())
                .await
                .0
                == 200
        })
        .await;
        let started = Instant::now();
        for address in addresses {
            until_slowly(async || ask(first, tls, address, path).await.status == 400).await;
        }
        println!(
            "{path}: frozen on one node, applied by all after {:?}",
            started.elapsed()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_restored_backup_freezes_apply_and_clients_that_the_database_lost_are_registered_again() {
    let server = Postgres::start(&folder("postgres")).unwrap();
    let (first, tls) = World::start_over(&server.database("back").unwrap()).await;
    let (second, second_folder) = first.join().await;
    let addresses = [first.address(), second.addresses[0]];
    for address in addresses {
        assert_eq!(ask(&first, &tls, address, PAY).await.status, 200);
    }
    server.back_up().unwrap();
    // Both nodes receive changes again.
    let block = json!({ "identity": id("/x/other") });
    let try_to_block = async || {
        let answer = first.try_admin("POST", "/admin/v1/blocks", block.clone()).await;
        answer.0 < 300
    };
    until_slowly(try_to_block).await;
    for address in addresses {
        until_slowly(async || ask(&first, &tls, address, "/x/other").await.status == 400).await;
    }
    for _ in 0..40 {
        // The answer is 503 if the node detects only now that another server answers, and 404 if the client was removed
        // before.
        until_slowly(async || {
            let removed = first
                .try_admin("POST", "/admin/v1/blocks/remove", block.clone())
                .await;
            removed.0 == 200 || removed.0 == 404
        })
        .await;
        until_slowly(try_to_block).await;
    }
    for address in addresses {
        for path in [PAY, "/x/lost"] {
            until_slowly(async || ask(&first, &tls, address, path).await.status == 200).await;
        }
    }
    let remembered = [
        first.running.app.memory.clients.len(),
        second.app.memory.clients.len(),
    ];
    assert!(remembered.iter().all(|clients| *clients >= 2), "{remembered:?}");
    server.restore().unwrap();
    let nodes = (&first, &tls, &second);
    client_that_the_database_lost_is_registered_again(nodes, Some(&second_folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_that_a_database_lost_without_a_restart_are_registered_again() {
    let pair = Pair::start("tail", |text| text).await;
    for node in [0, 1] {
        assert_eq!(pair.ask(node, PAY).await.status, 200);
        assert_eq!(pair.ask(node, "/x/lost").await.status, 200);
    }
    let block = json!({ "identity": PAY_ID });
    for (change, status) in [("/admin/v1/blocks", 400), ("/admin/v1/blocks/remove", 200)] {
        pair.on_first(change, block.clone()).await;
        for node in [0, 1] {
            until(async || pair.ask(node, PAY).await.status == status).await;
        }
    }
    pair.execute(
        "BEGIN;
         DELETE FROM changes WHERE id > (SELECT max(id) FROM changes) - 2;
         SELECT setval(pg_get_serial_sequence('changes', 'id'), (SELECT max(id) FROM changes));
         DELETE FROM records WHERE key LIKE '%/x/lost' AND kind IN (1, 9);
         COMMIT",
    );
    client_that_the_database_lost_is_registered_again((&pair.first, &pair.tls, &pair.second), None).await;
}

/// A node of a later version announces a kind of record that this version does not know. Nodes of this version then
/// load all records again; here they find a block of which they were not notified.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn change_of_an_unknown_kind_makes_every_node_load_all_records_and_refuses_no_other_client() {
    let pair = Pair::start("unknown_kind", |text| text).await;
    for node in [0, 1] {
        assert_eq!(pair.ask(node, PAY).await.status, 200);
        assert_eq!(pair.ask(node, "/x/other").await.status, 200);
    }
    pair.execute(&format!(
        "INSERT INTO records (kind, key, version, body) VALUES
             (3, '{PAY_ID}', 1, convert_to('{{\"identity\":\"{PAY_ID}\",\"by\":\"x\",\"since\":1}}', 'UTF8')),
             (32767, 'spiffe://a.example', 1, '{{}}');
         INSERT INTO changes (kind, key) VALUES (32767, 'spiffe://a.example')"
    ));
    for node in [0, 1] {
        until(async || pair.ask(node, PAY).await.status == 400).await;
        assert_eq!(
            pair.ask(node, "/x/other").await.status,
            200,
            "other clients must still be served"
        );
    }
    assert_eq!(pair.ready().await, 200);
}

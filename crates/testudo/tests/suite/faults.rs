//! Tests of faults with PostgreSQL. Each ends with a reconciliation: every acknowledged client must exist, and exactly
//! once.

use crate::binary::{Server, Site, folder};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use testudo_testkit::http::Connection;
use testudo_testkit::postgres::Postgres;
use testudo_testkit::svid_form;
use tokio::net::{TcpListener, TcpStream};

/// A kind of request that registers a client.
#[derive(Clone, Copy)]
struct RequestKind {
    path: &'static str,
    media: &'static str,
    good: u16,
    body: fn(&str) -> String,
}

const FIRST_USE: RequestKind = RequestKind {
    path: "/token",
    media: "application/x-www-form-urlencoded",
    good: 200,
    body: |svid| svid_form(svid, &[]),
};
const REGISTRATION: RequestKind = RequestKind {
    path: "/register",
    media: "application/json",
    good: 201,
    body: |svid| serde_json::json!({ "software_statement": svid }).to_string(),
};

/// Sends first uses and registrations until it is stopped, and records the acknowledged ones.
struct Load {
    acknowledged: Arc<Mutex<Vec<String>>>,
    refused: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    workers: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(site: &Site, address: Arc<Mutex<SocketAddr>>, tag: &str) -> Load {
        let load = Load {
            acknowledged: Arc::default(),
            refused: Arc::default(),
            stop: Arc::default(),
            workers: Vec::new(),
        };
        let mut workers = Vec::new();
        for worker in 0..4 {
            let kind = if worker % 2 == 0 { FIRST_USE } else { REGISTRATION };
            let bodies: Vec<(String, String)> = (0..3_000)
                .map(|number| {
                    let path = format!("/ns/{tag}/sa/w{worker}-{number}");
                    let body = (kind.body)(&site.svid(&path));
                    (format!("spiffe://prod.example{path}"), body)
                })
                .collect();
            let (acknowledged, refused, stop) =
                (load.acknowledged.clone(), load.refused.clone(), load.stop.clone());
            let address = address.clone();
            workers.push(tokio::spawn(async move {
                let headers = [("content-type", kind.media)];
                let mut connection: Option<Connection> = None;
                for (id, body) in bodies {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    if connection.is_none() {
                        let now = *address.lock().unwrap();
                        connection = Connection::try_open(now).await;
                        // The server may be restarting.
                        if connection.is_none() {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            continue;
                        }
                    }
                    let Some(open) = connection.as_mut() else { continue };
                    match open.try_send("POST", kind.path, &headers, body).await {
                        Some(answer) if answer.status == kind.good => acknowledged.lock().unwrap().push(id),
                        Some(answer) => {
                            assert_eq!(answer.status, 503, "{answer:?}");
                            refused.fetch_add(1, Ordering::SeqCst);
                        }
                        None => connection = None,
                    }
                }
            }));
        }
        Load { workers, ..load }
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Waits until this number of further clients is acknowledged.
    async fn until_more(&self, more: usize) {
        let (goal, started) = (self.acknowledged() + more, Instant::now());
        while self.acknowledged() < goal {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{} of {goal} acknowledged",
                self.acknowledged()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the load. Every acknowledged client must be stored exactly once and counted.
    async fn reconcile(self, site: &Site, what: &str) {
        self.stop.store(true, Ordering::SeqCst);
        for worker in self.workers {
            worker.await.unwrap();
        }
        let acknowledged: HashSet<String> = self.acknowledged.lock().unwrap().drain(..).collect();
        let clients = read(site, &["client", "list"]);
        let stored: Vec<&str> = clients
            .as_array()
            .unwrap()
            .iter()
            .map(|client| client["client_id"].as_str().unwrap())
            .collect();
        let distinct: HashSet<&str> = stored.iter().copied().collect();
        assert_eq!(
            stored.len(),
            distinct.len(),
            "{what}: no client may be stored twice"
        );
        let lost: Vec<&String> = acknowledged
            .iter()
            .filter(|id| !distinct.contains(id.as_str()))
            .collect();
        assert!(
            lost.is_empty(),
            "{what}: {} of {} acknowledged clients are lost",
            lost.len(),
            acknowledged.len()
        );
        let counted = read(site, &["trust", "show", "prod.example"])["clients"]
            .as_u64()
            .unwrap();
        assert_eq!(
            counted as usize,
            stored.len(),
            "{what}: the counter must equal the number of records"
        );
        println!(
            "{what}: {} acknowledged, {} stored, {} answered 503",
            acknowledged.len(),
            stored.len(),
            self.refused.load(Ordering::SeqCst)
        );
    }
}

/// What a command prints with `--json`. A command that reads over a connection which the fault has ended is answered with
/// an error; it is repeated, at most ten times.
#[track_caller]
fn read(site: &Site, arguments: &[&str]) -> serde_json::Value {
    for _ in 0..10 {
        let output = site.run(&[arguments, &["--json"]].concat());
        if output.status.success() {
            return serde_json::from_slice(&output.stdout).unwrap();
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    site.json(arguments)
}

fn shared(server: &Server) -> Arc<Mutex<SocketAddr>> {
    Arc::new(Mutex::new(server.address))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn acknowledged_clients_survive_when_the_server_is_killed_under_load() {
    let postgres = Postgres::start(&folder()).unwrap();
    let site = Site::new().over_postgres(&postgres.database("killed").unwrap());
    let mut server = site.serve();
    let address = shared(&server);
    let load = Load::start(&site, address.clone(), "killed");
    for _ in 0..3 {
        load.until_more(50).await;
        server.kill_9();
        server = site.serve();
        *address.lock().unwrap() = server.address;
    }
    load.until_more(50).await;
    load.reconcile(&site, "testudo killed three times").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn acknowledged_clients_survive_when_postgres_is_stopped_paused_and_restarted_under_load() {
    let postgres = Postgres::start(&folder()).unwrap();
    let site = Site::new().over_postgres(&postgres.database("faults").unwrap());
    let server = site.serve();
    let load = Load::start(&site, shared(&server), "faults");
    load.until_more(50).await;
    postgres.crash().unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    postgres.resume().unwrap();
    load.until_more(50).await;
    postgres.signal("STOP").unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    postgres.signal("CONT").unwrap();
    load.until_more(50).await;
    load.reconcile(&site, "PostgreSQL crashed, restarted and paused")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn acknowledged_clients_survive_when_connections_to_postgres_are_cut_under_load() {
    let postgres = Postgres::start(&folder()).unwrap();
    let url = postgres.database("cut").unwrap();
    let proxy = Proxy::start(
        url.split('@')
            .nth(1)
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .parse()
            .unwrap(),
    )
    .await;
    let through = url.replace(
        url.split('@').nth(1).unwrap().split('/').next().unwrap(),
        &proxy.address.to_string(),
    );
    let site = Site::new().over_postgres(&through);
    let server = site.serve();
    let load = Load::start(&site, shared(&server), "cut");
    for _ in 0..5 {
        load.until_more(40).await;
        proxy.cut();
    }
    load.until_more(40).await;
    load.reconcile(&site, "connections cut five times").await;
}

/// Forwards connections until they are cut.
struct Proxy {
    address: SocketAddr,
    cut: tokio::sync::watch::Sender<u32>,
}

impl Proxy {
    async fn start(target: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, watched) = tokio::sync::watch::channel(0);
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut watched = watched.clone();
                watched.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(target).await else {
                        return;
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = watched.changed() => {}
                    }
                });
            }
        });
        Proxy { address, cut }
    }

    fn cut(&self) {
        self.cut.send_modify(|number| *number += 1);
    }
}

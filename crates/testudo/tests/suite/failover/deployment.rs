//! Two nodes with a failover cluster: one connects through HAProxy, the other through pgbouncer in session mode and
//! HAProxy.

use crate::binary::{ISSUER, Server, Site, folder, now};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testudo_testkit::http::{Answer, Connection, over_socket};
use testudo_testkit::patroni::{Cluster, Network, Tools};
use testudo_testkit::pgbouncer::Pgbouncer;
use testudo_testkit::{svid_form, token};

/// How long known clients are served while the database does not answer. A failover takes about half of this time.
const SERVE_WITHOUT_STORE: Duration = Duration::from_secs(60);

pub struct Deployment {
    pub load: Arc<Load>,
    // The fields are dropped in this order.
    servers: [Server; 2],
    _pooler: Pgbouncer,
    pub cluster: Cluster,
    pub probe_url: String,
}

/// The values that every task of the load needs.
pub struct Load {
    pub site: Site,
    pub nodes: [SocketAddr; 2],
    pub sockets: [PathBuf; 2],
    pub began: Instant,
    stop: AtomicBool,
}

fn installed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/patroni")
}

/// The programs that the tests need. Without them, the tests fail in CI; on other machines they are skipped with a message.
pub fn tools() -> Option<Tools> {
    match Tools::find(&installed()) {
        Ok(tools) => Some(tools),
        Err(missing) if std::env::var_os("CI").is_some() => {
            panic!("CI must test failover, and programs for it are missing:\n{missing}")
        }
        Err(missing) => {
            println!("skipped: programs are missing:\n{missing}");
            None
        }
    }
}

impl Deployment {
    pub fn start(tools: Tools, network: Network) -> Deployment {
        let cluster = Cluster::start(tools, &folder(), network).unwrap();
        let url = cluster.database("testudo").unwrap();
        let probe_url = cluster.database("probe").unwrap();
        // By default pgbouncer waits 15 s after a failed login and refuses all clients meanwhile.
        let settings = "pool_mode = session\nserver_login_retry = 0.2\nserver_connect_timeout = 3\n";
        let pooler = Pgbouncer::start_with(&folder(), cluster.port(), settings).unwrap();
        let site = Site::new().over_postgres(&url);
        let text = std::fs::read_to_string(site.config()).unwrap();
        let seconds = SERVE_WITHOUT_STORE.as_secs();
        let patience = format!("[store]\nserve_without_store = \"{seconds}s\"");
        let text = text.replacen("[store]", &patience, 1);
        site.write("testudo.toml", &text);
        let second = folder();
        std::fs::copy(site.folder.join("bundle.json"), second.join("bundle.json")).unwrap();
        let second_config = second.join("testudo.toml");
        std::fs::write(&second_config, text.replace(&url, &pooler.database("testudo"))).unwrap();
        let servers = [site.serve(), Server::start(&second_config)];
        let load = Load {
            nodes: servers.each_ref().map(|server| server.address),
            sockets: [&site.folder, &second].map(|folder| folder.join("testudo.sock")),
            site,
            began: Instant::now(),
            stop: AtomicBool::new(false),
        };
        Deployment {
            load: Arc::new(load),
            servers,
            _pooler: pooler,
            cluster,
            probe_url,
        }
    }

    /// Warnings and errors in the logs of both nodes, for an assertion message. Failed requests are listed only a few
    /// times.
    pub fn warnings(&self) -> String {
        self.warnings_about(&[])
    }

    /// As [`Deployment::warnings`], before them all lines about these requests, each named by a text with its id.
    pub fn warnings_about(&self, requests: &[String]) -> String {
        let warnings_of = |server: &Server| {
            let log = server.log.lock().unwrap();
            let is_about = |line: &&str| {
                let id = line
                    .split("\"request.id\":\"")
                    .nth(1)
                    .and_then(|rest| rest.split('"').next());
                id.is_some_and(|id| requests.iter().any(|request| request.contains(id)))
            };
            let about: Vec<&str> = log.lines().filter(is_about).collect();
            let mut failed = 0;
            let lines = log
                .lines()
                .filter(|line| !line.contains("\"INFO\""))
                .filter(|line| {
                    failed += usize::from(line.contains("a request failed by our fault"));
                    failed < 15 || !line.contains("a request failed by our fault")
                });
            about
                .into_iter()
                .chain(lines.take(100))
                .collect::<Vec<_>>()
                .join("\n")
        };
        let [first, second] = self.servers.each_ref().map(warnings_of);
        format!("--- first node\n{first}\n--- second node\n{second}")
    }
}

/// If a test fails, its tasks on other threads must end too.
impl Drop for Deployment {
    fn drop(&mut self) {
        self.load.end();
    }
}

impl Load {
    pub fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    pub fn end(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// A body with a new assertion of this identity.
    pub fn body(&self, path: &str) -> String {
        svid_form(&self.site.issuer.svid(path, ISSUER, now()), &[])
    }

    pub async fn connect(&self, node: usize) -> Connection {
        Connection::open(self.nodes[node]).await
    }

    /// One operation of the admin API of a node.
    pub async fn admin(
        &self,
        node: usize,
        (method, path): (&str, &str),
        body: serde_json::Value,
    ) -> (u16, serde_json::Value) {
        over_socket(&self.sockets[node], method, path, body).await
    }

    /// Ids of the keys that a node publishes.
    pub async fn published(&self, node: usize) -> Vec<String> {
        let answer = self.connect(node).await.get("/jwks").await.json();
        let keys = answer["keys"].as_array().unwrap().iter();
        let mut kids: Vec<String> = keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
        kids.sort();
        kids
    }
}

pub fn id(path: &str) -> String {
    format!("spiffe://prod.example{path}")
}

/// The key that signed the token of an answer.
pub fn kid(answer: &Answer) -> String {
    let header = token::header(&answer.access_token());
    header["kid"].as_str().unwrap().to_owned()
}

/// Waits until a condition is true, with a deadline.
pub async fn until(what: &str, patience: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(
            started.elapsed() < patience,
            "deadline exceeded while waiting until {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

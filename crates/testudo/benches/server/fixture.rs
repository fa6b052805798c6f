//! Starts the measured binary, makes request bodies, and measures the CPU time of the server.

use hyper::body::Bytes;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use testudo_testkit::load::{Connector, Outcome, drive_over};
use testudo_testkit::{TestIssuer, svid_form};

/// The issuer identifier of the server.
pub const ISSUER: &str = "https://as.example";
/// Connections of the load driver, which are kept open.
pub const CONNECTIONS: usize = 32;

/// Seconds since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// A JWT-SVID of the benchmark's trust domain.
pub fn svid(issuer: &TestIssuer, path: &str) -> String {
    issuer.sign(&serde_json::json!({
        "sub": format!("spiffe://bench.example{path}"), "aud": [ISSUER], "iat": now(), "exp": now() + 3000,
    }))
}

/// Request bodies, each with another SVID. They are made on two threads before the measurement.
pub fn mint(
    issuer: &Arc<TestIssuer>,
    count: usize,
    path: impl Fn(usize) -> String + Sync,
) -> Arc<Vec<Bytes>> {
    let issuer = &**issuer;
    on_two_threads(count, |number| {
        Bytes::from(svid_form(&svid(issuer, &path(number)), &[]))
    })
}

/// So many request bodies, which two threads make.
pub fn on_two_threads(count: usize, one: impl Fn(usize) -> Bytes + Sync) -> Arc<Vec<Bytes>> {
    let one = &one;
    let halves = std::thread::scope(|scope| {
        let part = |range: std::ops::Range<usize>| scope.spawn(move || range.map(one).collect::<Vec<_>>());
        let workers = [part(0..count / 2), part(count / 2..count)];
        workers.map(|worker| worker.join().unwrap()).concat()
    });
    Arc::new(halves)
}

/// The folder of a configuration and its store. It is removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(issuer: &TestIssuer) -> Folder {
        let path = testudo_testkit::scratch::folder("bench");
        std::fs::write(path.join("bundle.json"), issuer.bundle().to_string()).unwrap();
        let config = format!(
            r#"
issuer = "{ISSUER}"
[server]
listen = ["127.0.0.1:0"]
[store]
url = "sqlite:bench.db"
[[trust_domains]]
name = "bench.example"
bundle = {{ file = "bundle.json" }}
registrations_per_minute = 100000000
clients_max = 100000000
[[rules]]
name = "bench"
identities = ["spiffe://bench.example/ns/{{namespace}}/sa/{{service}}"]
scopes = ["orders.read", "orders.write"]
default_scopes = ["orders.read"]
resources = ["https://api.example.net/orders"]
client_name = "{{service}} in {{namespace}}"
client_idle_lifetime = "30d"
"#
        );
        std::fs::write(path.join("testudo.toml"), config).unwrap();
        Folder(path)
    }

    /// Adds a section to the configuration, and writes the file that it names.
    pub fn append(&self, section: &str, file: &str, content: &str) {
        std::fs::write(self.0.join(file), content).unwrap();
        let path = self.0.join("testudo.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{text}{section}")).unwrap();
    }

    pub fn edit(&self, from: &str, to: &str) {
        let path = self.0.join("testudo.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    pub fn store_bytes(&self) -> u64 {
        ["bench.db", "bench.db-wal"]
            .iter()
            .filter_map(|name| std::fs::metadata(self.0.join(name)).ok())
            .map(|file| file.len())
            .sum()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub struct Server {
    child: Child,
    pub address: std::net::SocketAddr,
    socket: PathBuf,
    pub ready_after: Duration,
}

impl Server {
    /// The binary that was built with this benchmark.
    pub fn start(folder: &Path) -> Server {
        Server::start_binary(Path::new(env!("CARGO_BIN_EXE_testudo")), folder)
    }

    pub fn start_binary(binary: &Path, folder: &Path) -> Server {
        let started = Instant::now();
        let mut child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(folder.join("testudo.toml"))
            .env("RUST_LOG", "warn")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = lines
            .find_map(|line| line.ok().filter(|line| line.contains("ready on ")))
            .expect("ready");
        let ready_after = started.elapsed();
        std::thread::spawn(move || lines.for_each(drop));
        let address = testudo_testkit::ready_address(&ready);
        Server {
            child,
            address,
            socket: folder.join("testudo.sock"),
            ready_after,
        }
    }

    /// CPU time of the process (user and system), seconds.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        ticks / 100.0
    }

    pub fn resident_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    pub async fn batches_written(&self) -> u64 {
        self.status("store_batches_written").await
    }

    pub async fn status(&self, member: &str) -> u64 {
        let (_, status) = testudo_testkit::http::over_socket(
            &self.socket,
            "GET",
            "/admin/v1/status",
            serde_json::Value::Null,
        )
        .await;
        status[member].as_u64().unwrap()
    }

    /// Server CPU time per request, microseconds. All requests must succeed.
    pub async fn measure(&self, name: &str, bodies: Arc<Vec<Bytes>>) -> f64 {
        self.measure_over(name, &Connector::Plain, &[], bodies).await
    }

    /// The same without a line of output; the name stands in the error if a request fails.
    pub async fn measure_quietly(&self, name: &str, connector: &Connector, bodies: Arc<Vec<Bytes>>) -> f64 {
        self.drive(name, connector, &[], bodies).await.0
    }

    /// The same for requests to this server and to `others`, whose CPU time is added. Prints a line if `name` is not empty.
    pub async fn measure_over(
        &self,
        name: &str,
        connector: &Connector,
        others: &[&Server],
        bodies: Arc<Vec<Bytes>>,
    ) -> f64 {
        let (us, outcome) = self.drive(name, connector, others, bodies).await;
        if name.is_empty() {
            return us;
        }
        println!(
            "{name:<26} {us:>6.1} us of server CPU ({:.0} requests per CPU second, {:.0} per second of elapsed time with the driver), p50 {:.2} ms, p99 {:.2} ms",
            1e6 / us,
            outcome.per_second(),
            outcome.percentile(0.5).as_secs_f64() * 1e3,
            outcome.percentile(0.99).as_secs_f64() * 1e3
        );
        us
    }

    async fn drive(
        &self,
        name: &str,
        connector: &Connector,
        others: &[&Server],
        bodies: Arc<Vec<Bytes>>,
    ) -> (f64, Outcome) {
        let servers = || std::iter::once(self).chain(others.iter().copied());
        let addresses: Vec<_> = servers().map(|server| server.address).collect();
        let cpu_seconds = || servers().map(Server::cpu_seconds).sum::<f64>();
        let before = cpu_seconds();
        let outcome: Outcome = drive_over(connector, &addresses, CONNECTIONS, bodies).await;
        let us = (cpu_seconds() - before) * 1e6 / outcome.good.max(1) as f64;
        assert_eq!(outcome.bad, 0, "{name}");
        (us, outcome)
    }

    pub fn stop(&mut self) {
        // A server that was stopped and is then dropped must be stopped only once.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
            let _ = self.child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

//! `cargo xtask bench token`: the built binary over loopback, beside the raw cryptography measured in the same
//! run. `docs/performance.md` says how to read it. `--full` adds a million first uses (some minutes).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a benchmark fails loudly"
)]

use hyper::body::Bytes;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use testudo_protocol::jose::{Algorithm, Jws, KeySet, PublicKey};
use testudo_testkit::load::{Connector, Outcome, drive, drive_over};
use testudo_testkit::postgres::Postgres;
use testudo_testkit::x509::{X509Issuer, web_certificate};
use testudo_testkit::{TestIssuer, form, generate_key, svid_form};

const ISSUER: &str = "https://as.example";
const CONNECTIONS: usize = 32;

fn main() {
    let is_full = std::env::args().any(|argument| argument == "--full");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(is_full));
}

async fn run(is_full: bool) {
    let raw = raw_cryptography();
    let issuer = Arc::new(TestIssuer::new("bench.example"));
    let folder = Folder::new(&issuer);
    let mut server = Server::start(&folder.0);
    println!(
        "ready after start, empty store           {:>9.1} ms",
        server.ready_after.as_secs_f64() * 1e3
    );
    println!(
        "resident memory, idle                    {:>9.1} MB",
        server.resident_mb()
    );

    // Make 100 clients known, then warm the code paths.
    let known = |number: usize| format!("/ns/known/sa/s{}", number % 100);
    let warm = drive(server.address, CONNECTIONS, mint(&issuer, 4_000, known)).await;
    assert_eq!(warm.bad, 0);

    let fresh = server
        .measure("known client, fresh SVID", mint(&issuer, 60_000, known))
        .await;
    let same = Bytes::from(svid_form(&svid(&issuer, &known(0)), &[]));
    let before = server.batches_written().await;
    let repeated = server
        .measure("known client, same SVID", Arc::new(vec![same; 120_000]))
        .await;
    let written = server.batches_written().await - before;
    println!("  store batches for 120,000 repeated tokens: {written}");
    println!(
        "  ratio to raw verify + sign: fresh {:.2}, repeated to raw sign {:.2}",
        fresh / (raw.0 + raw.1),
        repeated / raw.1
    );

    let new = |number: usize| format!("/ns/n{}/sa/s{number}", number % 50);
    server
        .measure("first use, durable", mint(&issuer, 50_000, new))
        .await;

    let resident = server.resident_mb();
    let size = folder.store_bytes();
    let refused = drive(
        server.address,
        CONNECTIONS,
        mint(&issuer, 200_000, |number| format!("/none/{number}")),
    )
    .await;
    assert_eq!(refused.good, 0);
    println!(
        "200,000 distinct refused identities: memory {:+.1} MB, store {:+.2} MB",
        server.resident_mb() - resident,
        (folder.store_bytes() as f64 - size as f64) / 1e6
    );
    if is_full {
        million(&mut server, &issuer, &folder).await;
    }
    drop(server);
    mutual_tls(raw).await;
    postgres(&issuer).await;
}

/// X.509-SVIDs: on kept connections, and with a handshake for each request.
async fn mutual_tls(raw: (f64, f64)) {
    let issuer = TestIssuer::new("bench.example");
    let folder = Folder::new(&issuer);
    let authority = X509Issuer::new("bench.example");
    let (certificate, root) = web_certificate("as.example");
    std::fs::write(folder.0.join("tls.crt"), certificate.chain_pem()).unwrap();
    std::fs::write(folder.0.join("tls.key"), certificate.key_pem()).unwrap();
    std::fs::write(folder.0.join("bundle.json"), authority.bundle().to_string()).unwrap();
    folder.edit(
        "[server]",
        "[server]\ntls = { certificate = \"tls.crt\", private_key = \"tls.key\" }",
    );
    folder.edit("bundle = {", "credentials = [\"x509_svid\"]\nbundle = {");
    let server = Server::start(&folder.0);
    let client = authority.svid("/ns/known/sa/x");
    let id = "spiffe://bench.example/ns/known/sa/x";
    let body = Bytes::from(form(&[("grant_type", "client_credentials"), ("client_id", id)]));
    for (name, is_kept, count) in [
        ("X.509-SVID, kept", true, 60_000),
        ("X.509-SVID, handshake each", false, 4_000),
    ] {
        let roots = root.chain.clone();
        let connector = Connector::MutualTls {
            roots,
            client: client.clone(),
            is_kept,
        };
        let us = server
            .measure_over(name, &connector, &[], Arc::new(vec![body.clone(); count]))
            .await;
        println!(
            "  ratio to raw sign {:.2}, to raw 2 verify + 2 sign {:.2}",
            us / raw.1,
            us / (2.0 * (raw.0 + raw.1))
        );
    }
}

/// First uses on PostgreSQL with one node and with two, and what a known client costs there.
async fn postgres(issuer: &Arc<TestIssuer>) {
    let place = std::env::temp_dir().join(format!("testudo-bench-pg-{}", std::process::id()));
    let database = match Postgres::start(&place) {
        Ok(database) => database,
        Err(why) => {
            println!("PostgreSQL was not measured: {why}");
            return;
        }
    };
    let url = database.database("bench").unwrap();
    let folders = [Folder::new(issuer), Folder::new(issuer)];
    for folder in &folders {
        let key = "ERERERERERERERERERERERERERERERERERERERERERE";
        folder.edit(
            "url = \"sqlite:bench.db\"",
            &format!("url = \"{url}\"\nkey_encryption_key = \"{key}\""),
        );
    }
    let first = Server::start(&folders[0].0);
    let new = |tag: &'static str| move |number: usize| format!("/ns/{tag}{}/sa/s{number}", number % 50);
    first
        .measure("first use, PostgreSQL", mint(issuer, 20_000, new("a")))
        .await;
    let known = mint(issuer, 20_000, |number| {
        format!("/ns/a{}/sa/s{}", number % 50, number % 50)
    });
    drive(
        first.address,
        CONNECTIONS,
        mint(issuer, 50, |number| format!("/ns/a{}/sa/s{number}", number % 50)),
    )
    .await;
    let (reads, written) = (
        first.status("store_reads").await,
        first.status("store_batches_written").await,
    );
    first.measure("known client, PostgreSQL", known).await;
    let reads = first.status("store_reads").await - reads;
    let written = first.status("store_batches_written").await - written;
    println!("  queries for 20,000 tokens to known clients: {reads} reads, {written} batches");
    let second = Server::start(&folders[1].0);
    first
        .measure_over(
            "first use, two nodes",
            &Connector::Plain,
            &[&second],
            mint(issuer, 20_000, new("b")),
        )
        .await;
}

/// Medians of raw verify and raw sign, microseconds, one thread, ES256.
fn raw_cryptography() -> (f64, f64) {
    let key = generate_key(Algorithm::ES256, None);
    let token = key
        .sign_jwt(
            Some("JWT"),
            br#"{"sub":"spiffe://a/b","aud":["x"],"exp":1795000300}"#,
        )
        .unwrap();
    let mut set = KeySet::default();
    set.push(PublicKey::from_jwk(&serde_json::from_value(key.public_jwk("sig", true)).unwrap()).unwrap());
    let message = [7u8; 300];
    let signature = key.sign(&message).unwrap();
    let verify = median(|| {
        assert!(
            set.iter()
                .next()
                .unwrap()
                .verify(Algorithm::ES256, &message, &signature)
        )
    });
    let sign = median(|| drop(key.sign(&message).unwrap()));
    let jws = median(|| Jws::parse(&token).unwrap().verify(&set).unwrap());
    println!("raw ES256 verify {verify:.1} us, sign {sign:.1} us; a JWS parsed and verified {jws:.1} us");
    (verify, sign)
}

fn median(mut work: impl FnMut()) -> f64 {
    let mut samples: Vec<f64> = (0..41)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..100 {
                work();
            }
            started.elapsed().as_secs_f64() * 1e6 / 100.0
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

fn svid(issuer: &TestIssuer, path: &str) -> String {
    issuer.sign(&serde_json::json!({
        "sub": format!("spiffe://bench.example{path}"), "aud": [ISSUER], "iat": now(), "exp": now() + 3000,
    }))
}

/// Request bodies with distinct SVIDs, made on two threads before the clock starts.
fn mint(issuer: &Arc<TestIssuer>, count: usize, path: impl Fn(usize) -> String + Sync) -> Arc<Vec<Bytes>> {
    let (path, issuer) = (&path, &**issuer);
    let halves = std::thread::scope(|scope| {
        let part = |range: std::ops::Range<usize>| {
            scope.spawn(move || {
                let one = |number| Bytes::from(svid_form(&svid(issuer, &path(number)), &[]));
                range.map(one).collect::<Vec<_>>()
            })
        };
        let workers = [part(0..count / 2), part(count / 2..count)];
        workers.map(|worker| worker.join().unwrap()).concat()
    });
    Arc::new(halves)
}

async fn million(server: &mut Server, issuer: &Arc<TestIssuer>, folder: &Folder) {
    for chunk in 0..20 {
        let bodies = mint(issuer, 50_000, |number| {
            format!("/ns/m{}/sa/c{chunk}-{number}", number % 50)
        });
        let outcome = drive(server.address, CONNECTIONS, bodies).await;
        assert_eq!(outcome.bad, 0);
        eprint!("\r{} of 1,000,000 first uses", (chunk + 1) * 50_000);
    }
    eprintln!();
    println!(
        "resident memory after 1,000,000 first uses {:>7.1} MB",
        server.resident_mb()
    );
    server.stop();
    *server = Server::start(&folder.0);
    println!(
        "ready after start, 1,000,000 clients     {:>9.1} ms",
        server.ready_after.as_secs_f64() * 1e3
    );
    let active = mint(issuer, 100_000, |number| {
        format!("/ns/m{}/sa/c{}-{number}", number % 50, number % 2)
    });
    drive(server.address, CONNECTIONS, active).await;
    println!(
        "resident memory, 1,000,000 stored, 100,000 active {:.1} MB",
        server.resident_mb()
    );
}

struct Folder(PathBuf);

impl Folder {
    fn new(issuer: &TestIssuer) -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("testudo-bench-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
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

    fn edit(&self, from: &str, to: &str) {
        let path = self.0.join("testudo.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    fn store_bytes(&self) -> u64 {
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

struct Server {
    child: Child,
    address: std::net::SocketAddr,
    socket: PathBuf,
    ready_after: Duration,
}

impl Server {
    fn start(folder: &Path) -> Server {
        let started = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_testudo"))
            .args(["serve", "--config"])
            .arg(folder.join("testudo.toml"))
            .env("RUST_LOG", "warn")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = lines
            .find_map(|line| line.ok().filter(|line| line.starts_with("ready")))
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

    /// User and system time of the process, seconds.
    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        ticks / 100.0
    }

    fn resident_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    async fn batches_written(&self) -> u64 {
        self.status("store_batches_written").await
    }

    async fn status(&self, member: &str) -> u64 {
        let (_, status) = testudo_testkit::http::over_socket(
            &self.socket,
            "GET",
            "/admin/v1/status",
            serde_json::Value::Null,
        )
        .await;
        status[member].as_u64().unwrap()
    }

    /// Server CPU per good request, microseconds.
    async fn measure(&self, name: &str, bodies: Arc<Vec<Bytes>>) -> f64 {
        self.measure_over(name, &Connector::Plain, &[], bodies).await
    }

    /// Over this server and `others`, whose CPU time counts as well.
    async fn measure_over(
        &self,
        name: &str,
        connector: &Connector,
        others: &[&Server],
        bodies: Arc<Vec<Bytes>>,
    ) -> f64 {
        let servers = || std::iter::once(self).chain(others.iter().copied());
        let addresses: Vec<_> = servers().map(|server| server.address).collect();
        let cpu_seconds = || servers().map(Server::cpu_seconds).sum::<f64>();
        let before = cpu_seconds();
        let outcome: Outcome = drive_over(connector, &addresses, CONNECTIONS, bodies).await;
        let us = (cpu_seconds() - before) * 1e6 / outcome.good.max(1) as f64;
        assert_eq!(outcome.bad, 0, "{name}");
        println!(
            "{name:<26} {us:>6.1} us of server CPU ({:.0}/s per CPU-second, {:.0}/s wall with the driver), p50 {:.2} ms, p99 {:.2} ms",
            1e6 / us,
            outcome.per_second(),
            outcome.percentile(0.5).as_secs_f64() * 1e3,
            outcome.percentile(0.99).as_secs_f64() * 1e3
        );
        us
    }

    fn stop(&mut self) {
        // Stopped by hand and then dropped, it is stopped once.
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

//! Tests of reloads under load: rules, TLS files and bundle change each time. No request may fail, each must be decided
//! with one configuration, and memory must not grow. CI makes 30 reloads, `cargo xtask soak reloads` a thousand.

use crate::binary::{Server, Site, folder, now};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use testudo_protocol::jose::Algorithm;
use testudo_testkit::http::{Connection, TlsClient, over_socket};
use testudo_testkit::postgres::Postgres;
use testudo_testkit::x509::web_certificate;
use testudo_testkit::{generate_key, svid_form};

const TLS: &str = "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }\nwatch = false";
/// Number of connections that request tokens all the time.
const CLIENTS: usize = 4;
/// The number of reloads after which memory is compared, since caches and pools are filled by then.
const WARM_AFTER: usize = 100;

/// Two rules alternate; scope and resource of a token must come from the same rule.
fn rules(reload: usize) -> String {
    let name = variant(reload);
    format!(
        "[[rules]]\nname = \"{name}\"\nidentities = [\"spiffe://prod.example/ns/*/sa/*\"]\n\
         scopes = [\"{name}\"]\ndefault_scopes = [\"{name}\"]\nresources = [\"https://{name}.example/\"]\n"
    )
}

fn variant(reload: usize) -> &'static str {
    ["even", "odd"][reload % 2]
}

struct Reloads {
    site: Arc<Site>,
    /// The URL of a PostgreSQL database; SQLite without it.
    database: Option<String>,
    server: Server,
    ended: Arc<AtomicBool>,
    requests: Arc<AtomicUsize>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Reloads {
    /// `first_uses` clients are registered before.
    async fn start(database: Option<String>, first_uses: usize) -> Reloads {
        let site = Arc::new(Site::new());
        let root = certify(&site);
        configure(&site, database.as_deref(), 0);
        let server = site.serve();
        let mut reloads = Reloads {
            site,
            database,
            server,
            ended: Arc::default(),
            requests: Arc::default(),
            clients: Vec::new(),
        };
        reloads.register(&root, first_uses).await;
        for number in 0..CLIENTS {
            let (connection, _) = TlsClient::new(&root, None)
                .connect(reloads.server.address)
                .await
                .unwrap();
            let (site, ended, requests) = (
                reloads.site.clone(),
                reloads.ended.clone(),
                reloads.requests.clone(),
            );
            reloads.clients.push(tokio::spawn(async move {
                ask_until(&ended, &requests, connection, &site, number).await;
            }));
        }
        reloads
    }

    /// Registers clients by their first token request. The store of a server in use is larger than what SQLite keeps in
    /// memory, 32 MiB at most: then only what reloads themselves keep can add to the memory of the server.
    async fn register(&self, root: &[Vec<u8>], count: usize) {
        let next = Arc::new(AtomicUsize::new(0));
        let clients = (0..CLIENTS).map(|_| {
            let (site, next, address) = (self.site.clone(), next.clone(), self.server.address);
            let client = TlsClient::new(root, None);
            tokio::spawn(async move {
                let (mut connection, _) = client.connect(address).await.unwrap();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let svid = site.svid(&format!("/ns/store/sa/c{number}"));
                    let answer = connection.post("/token", svid_form(&svid, &[])).await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.unwrap();
        }
    }

    /// Changes rules, certificate and bundle, reloads, and connects again with the new certificate.
    async fn reload(&self, number: usize) {
        let root = certify(&self.site);
        let mut bundle = self.site.issuer.bundle();
        let key = generate_key(Algorithm::ES256, Some(&format!("k{number}")));
        bundle["keys"]
            .as_array_mut()
            .unwrap()
            .push(key.public_jwk("jwt-svid", false));
        self.site.write("bundle.json", &bundle.to_string());
        configure(&self.site, self.database.as_deref(), number);
        let socket = self.site.folder.join("testudo.sock");
        let (status, answer) = over_socket(&socket, "POST", "/admin/v1/reload", json!({})).await;
        assert_eq!(status, 200, "reload {number}: {answer}");
        let connected = TlsClient::new(&root, None).connect(self.server.address).await;
        let (mut connection, _) = connected.expect("a handshake with the new certificate");
        let form = svid_form(&self.site.svid("/ns/new/sa/caller"), &[]);
        let answer = connection.post("/token", form).await;
        assert_eq!(answer.status, 200, "reload {number}: {answer:?}");
        let expected = [variant(number)];
        assert_eq!(
            variants(&answer.access_token()),
            expected,
            "after reload {number}"
        );
    }

    async fn end(self) -> usize {
        self.ended.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        self.requests.load(Ordering::Relaxed)
    }
}

fn configure(site: &Site, database: Option<&str>, reload: usize) {
    site.configure(TLS, &rules(reload));
    match database {
        Some(url) => site.move_to_postgres(url),
        None => {
            let text = std::fs::read_to_string(site.config()).unwrap();
            let limits = "registrations_per_minute = 1000000\nbundle = { file";
            site.write("testudo.toml", &text.replacen("bundle = { file", limits, 1));
        }
    }
}

/// Replaces the certificate; returns its root.
fn certify(site: &Site) -> Vec<Vec<u8>> {
    let (certificate, root) = web_certificate("as.example");
    site.write("tls.crt", &certificate.chain_pem());
    site.write("tls.key", &certificate.key_pem());
    root.chain
}

async fn ask_until(
    ended: &AtomicBool,
    requests: &AtomicUsize,
    mut connection: Connection,
    site: &Site,
    number: usize,
) {
    let path = format!("/ns/load/sa/c{number}");
    let mint = || (now(), site.svid(&path));
    let (mut minted, mut svid) = mint();
    while !ended.load(Ordering::Relaxed) {
        // Each SVID is used for some time, as workloads do. Thousands of new SVIDs would fill the cache of verification
        // results.
        if now() - minted > 60 {
            (minted, svid) = mint();
        }
        let answer = connection.post("/token", svid_form(&svid, &[])).await;
        assert_eq!(answer.status, 200, "during a reload: {answer:?}");
        let seen = variants(&answer.access_token());
        assert_eq!(
            seen.len(),
            1,
            "scope and resource of the token are from different configurations: {seen:?}"
        );
        requests.fetch_add(1, Ordering::Relaxed);
    }
}

/// The names of the rules that gave a token its scope and audience.
fn variants(token: &str) -> Vec<&'static str> {
    use base64::Engine as _;
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(claims)
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let text = format!("{} {}", claims["scope"], claims["aud"]);
    ["even", "odd"]
        .into_iter()
        .filter(|name| text.contains(name))
        .collect()
}

/// `first_uses` clients are registered before the reloads.
async fn run(reloads: usize, database: Option<String>, first_uses: usize) {
    let running = Reloads::start(database, first_uses).await;
    let begun = Instant::now();
    let mut warm = None;
    for number in 1..=reloads {
        running.reload(number).await;
        if number == WARM_AFTER {
            warm = Some(running.server.resident_bytes());
        }
    }
    let at_end = running.server.resident_bytes();
    let took = begun.elapsed();
    let requests = running.end().await;
    eprintln!(
        "{reloads} reloads in {took:.1?}, {requests} requests at the same time, all answered with a token"
    );
    assert!(
        requests > reloads,
        "there must be more requests than reloads: {requests}"
    );
    if let Some(warm) = warm.filter(|_| reloads > WARM_AFTER) {
        let ratio = at_end as f64 / warm as f64;
        eprintln!(
            "resident after reload {WARM_AFTER}: {warm} bytes, after {reloads}: {at_end}, ratio {ratio:.3}"
        );
        assert!(ratio < 1.05, "memory grows with reloads: {ratio:.3}");
    }
    assert!(took < Duration::from_secs(3600));
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_under_load_fail_no_request_and_mix_no_configurations() {
    run(30, None, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask soak reloads"]
async fn soak_thousand_reloads() {
    let postgres = Postgres::start(&folder()).unwrap();
    run(1_000, Some(postgres.database("reloads").unwrap()), 0).await;
}

/// Each reload writes events, whose pages SQLite keeps in memory, so its memory is filled before.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask soak reloads"]
async fn soak_thousand_reloads_over_sqlite() {
    run(1_000, None, 30_000).await;
}

//! Tests with many marks of used proofs in the store: requests of other clients stay as fast, no mark is deleted before
//! its time, and one client fills no more than its share. `cargo xtask soak proofs` has a million marks.

use crate::binary::{ISSUER, Server, Site, folder, now};
use crate::listeners::metric;
use hyper::body::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testudo_core::identity::SingleUse;
use testudo_core::records::Batch;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_protocol::{Seconds, Timestamp};
use testudo_store::Store;
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::load::{Connector, Outcome, drive_over};
use testudo_testkit::postgres::Postgres;
use testudo_testkit::token::Draft;
use testudo_testkit::{generate_key, svid_form};

/// How long the marks must be kept: longer than a test takes.
const KEPT: Seconds = Seconds(3_600);
/// Connections of the load driver.
const CONNECTIONS: usize = 16;
/// Clients that send the measured requests.
const CLIENTS: usize = 50;

/// What a test does, and what it requires.
struct Load {
    /// Marks in the store.
    marks: usize,
    /// Requests of each measurement.
    requests: usize,
    /// Most that the median latency may grow by the marks.
    slower_max: f64,
    /// Most that the memory of the server may grow by the marks.
    growth_bytes_max: usize,
    /// Requests of one client that uses more than its share. 0: not tried. A build without optimisations answers too few
    /// requests per second to use up the share.
    flood: usize,
}

const IN_CI: Load = Load {
    marks: 20_000,
    requests: 300,
    // A debug build on a busy machine. The soak test measures it.
    slower_max: 10.0,
    growth_bytes_max: 32 * 1024 * 1024,
    flood: 0,
};

const SOAK: Load = Load {
    marks: 1_000_000,
    requests: 10_000,
    slower_max: 1.5,
    // Over SQLite the marks are in memory, some 40 bytes each.
    growth_bytes_max: 48 * 1024 * 1024,
    flood: 60_000,
};

/// A mark as the server writes it. Each has another key, spread as hashes are.
fn mark(number: usize) -> SingleUse {
    let mut key = [0; 32];
    let spread = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    key[..8].copy_from_slice(&spread.to_be_bytes());
    key[24..].copy_from_slice(&(number as u64).to_be_bytes());
    SingleUse {
        key,
        keep_until: Timestamp(now()) + KEPT,
    }
}

async fn fill(store: &Store, count: usize) {
    for start in (0..count).step_by(1_000) {
        let mut batch = Batch::default();
        (start..count.min(start + 1_000)).for_each(|number| batch.mark(&mark(number)));
        store.commit(batch).await.unwrap();
    }
}

/// Token requests with a proof each.
struct Requests {
    bodies: Arc<Vec<Bytes>>,
    proofs: Vec<String>,
}

impl Requests {
    /// `count` requests of these clients in turn. `name` makes the `jti` of the proofs unique.
    fn of(site: &Site, key: &SigningKey, name: &str, count: usize, clients: &[String]) -> Requests {
        let bodies: Vec<Bytes> = clients
            .iter()
            .map(|path| svid_form(&site.svid(path), &[]).into())
            .collect();
        let uri = format!("{ISSUER}/token");
        let proof = |number: usize| Draft::dpop(key, &uri, &format!("{name}{number}"), now()).sign();
        Requests {
            bodies: Arc::new(
                (0..count)
                    .map(|number| bodies[number % bodies.len()].clone())
                    .collect(),
            ),
            proofs: (0..count).map(proof).collect(),
        }
    }

    async fn send(&self, server: &Server) -> Outcome {
        let fields = self.proofs.iter().map(|proof| vec![("dpop", proof.clone())]);
        let connector = Connector::PlainWithFields(Arc::new(fields.collect()));
        drive_over(&connector, &[server.address], CONNECTIONS, self.bodies.clone()).await
    }

    /// Sends one of the requests once more.
    async fn again(&self, server: &Server, number: usize) -> Answer {
        let mut connection = Connection::open(server.address).await;
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("dpop", &self.proofs[number]),
        ];
        connection
            .send("POST", "/token", &headers, self.bodies[number].clone())
            .await
    }
}

/// The median latency of requests of known clients with new proofs.
async fn measure(site: &Site, server: &Server, name: &str, load: &Load) -> (Duration, Requests) {
    let key = generate_key(Algorithm::ES256, None);
    let clients: Vec<String> = (0..CLIENTS)
        .map(|number| format!("/ns/known/sa/s{number}"))
        .collect();
    let known = Requests::of(site, &key, &format!("{name}-first-"), CLIENTS, &clients)
        .send(server)
        .await;
    assert_eq!(known.bad, 0);
    let requests = Requests::of(site, &key, name, load.requests, &clients);
    let outcome = requests.send(server).await;
    assert_eq!(outcome.bad, 0, "{name}");
    let median = outcome.percentile(0.5);
    eprintln!(
        "{name}: {:.0} tokens per second, median {median:?}, p99 {:?}; server {} MiB",
        outcome.per_second(),
        outcome.percentile(0.99),
        server.resident_bytes() / 1024 / 1024
    );
    (median, requests)
}

/// `open` opens the store of the site.
async fn run(load: Load, site: Site, open: impl AsyncFn() -> Store) {
    let server = site.serve();
    let (without, _) = measure(&site, &server, "no marks", &load).await;
    let memory = server.resident_bytes();
    drop(server);

    let store = open().await;
    let before = store.count_marks().await.unwrap();
    assert_eq!(before, CLIENTS + load.requests, "each used proof has one mark");
    fill(&store, load.marks).await;
    drop(store);

    let mut server = site.serve();
    let (with, requests) = measure(&site, &server, &format!("{} marks", load.marks), &load).await;
    let slower = with.as_secs_f64() / without.as_secs_f64();
    let grown = server.resident_bytes().saturating_sub(memory);
    eprintln!(
        "the marks make the median {slower:.2} times as long, and the server {} KiB larger",
        grown / 1024
    );
    for number in [0, load.requests / 2, load.requests - 1] {
        let answer = requests.again(&server, number).await;
        assert_eq!(answer.error(), "invalid_dpop_proof");
        let description = answer.json()["error_description"].to_string();
        assert!(description.contains("used"), "{description}");
    }
    let flooded = flood(&load, &site, &server).await;

    server.log_until_end();
    let expected = before + load.marks + CLIENTS + load.requests + flooded;
    assert_eq!(
        open().await.count_marks().await.unwrap(),
        expected,
        "a mark was deleted before its time"
    );
    assert!(slower <= load.slower_max, "{slower}");
    assert!(grown <= load.growth_bytes_max, "{grown}");
}

/// The share of a client: `SHARE` of the server (`state/proof_shares.rs`).
const SHARE_AT_ONCE: f64 = 30_000.0;
const SHARE_PER_SECOND: f64 = 500.0;
/// Proofs that are signed together and then sent. If all were signed before the first is sent, a slow server would refuse
/// most of them because they are too old.
const SIGNED_AT_ONCE: usize = 2_000;

/// One client sends proofs as fast as it can, while others request tokens. Returns how many marks this wrote.
async fn flood(load: &Load, site: &Site, server: &Server) -> usize {
    if load.flood == 0 {
        return 0;
    }
    let key = generate_key(Algorithm::ES256, None);
    // The proofs of a portion are signed when it is sent.
    let send = async |name: &str, count: usize, clients: &[String]| {
        let (started, mut all) = (Instant::now(), Outcome::default());
        for first in (0..count).step_by(SIGNED_AT_ONCE) {
            let portion = SIGNED_AT_ONCE.min(count - first);
            let requests = Requests::of(site, &key, &format!("{name}{first}-"), portion, clients);
            all.add(requests.send(server).await);
        }
        (all, started.elapsed())
    };
    let others: Vec<String> = (0..CLIENTS)
        .map(|number| format!("/ns/known/sa/s{number}"))
        .collect();
    let client = ["/ns/known/sa/flood".to_owned()];
    let (flood, beside) = (
        send("flood", load.flood, &client),
        send("beside", load.requests, &others),
    );
    let ((flooded, took), (beside, _)) = tokio::join!(flood, beside);
    eprintln!(
        "one client: {} tokens and refusals {:?} in {took:?}; beside it {} tokens, median {:?}, p99 {:?}",
        flooded.good,
        flooded.refused,
        beside.good,
        beside.percentile(0.5),
        beside.percentile(0.99)
    );
    assert_eq!(beside.bad, 0, "other clients were refused: {:?}", beside.refused);
    let share = SHARE_AT_ONCE + SHARE_PER_SECOND * (took.as_secs_f64() + 1.0);
    assert!(
        flooded.good as f64 <= share,
        "one client got more tokens than its share"
    );
    assert!(
        flooded.bad > 0,
        "the share was not used up: this build is too slow"
    );
    // Each refusal was one by the share, and was counted as such.
    assert_eq!(flooded.refused, BTreeMap::from([(429, flooded.bad)]));
    let refused = "testudo_requests_total{route=\"token\",status=\"429\"}";
    assert_eq!(metric(server.admin_address(), refused).await, flooded.bad as f64);
    flooded.good + beside.good
}

async fn over_sqlite(load: Load) {
    let site = Site::new();
    let path = site.folder.join("testudo.db");
    run(load, site, async || Store::sqlite(&path).unwrap()).await;
}

async fn over_postgres(load: Load) {
    let database = Postgres::start(&folder()).unwrap();
    let url = database.database("proofs").unwrap();
    let site = Site::new().over_postgres(&url);
    run(load, site, async || Store::postgres(&url, None).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_of_used_proofs_are_kept_and_do_not_slow_other_requests() {
    over_sqlite(IN_CI).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a million marks; `cargo xtask soak proofs`"]
async fn soak_sqlite() {
    over_sqlite(SOAK).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a million marks; `cargo xtask soak proofs`"]
async fn soak_postgres() {
    over_postgres(SOAK).await;
}

//! Many trust domains, each with a bundle endpoint: start, memory, refresh traffic, and the latency of tokens.
//! `cargo xtask soak domains` has a thousand of them.

use crate::binary::{ISSUER, Server, Site, now};
use std::time::{Duration, Instant};
use testudo_testkit::http::Connection;
use testudo_testkit::web::DocumentServer;
use testudo_testkit::{TestIssuer, svid_form};

/// Longest time until all bundles are in force.
const FRESH_MAX: Duration = Duration::from_secs(60);
/// Most memory for each trust domain, bytes: its bundle, policy and loop, and what the first fetches leave behind.
const BYTES_MAX: usize = 128 * 1024;
/// Requests of each measurement.
const REQUESTS: usize = 200;

/// A configuration with this many trust domains, whose bundles one server publishes.
fn configure(site: &Site, publisher: &DocumentServer, issuers: &[TestIssuer]) {
    let port = publisher.address.port();
    let domains: String = issuers
        .iter()
        .map(|issuer| {
            let name = &issuer.trust_domain;
            format!(
                "[[trust_domains]]\nname = \"{name}\"\nbundle = {{ url = \"https://localhost:{port}/{name}\", ca = \"publisher.pem\" }}\n\
                 [[rules]]\nname = \"{name}\"\nidentities = [\"spiffe://{name}/w/*\"]\n"
            )
        })
        .collect();
    site.configure("", &domains);
}

/// The state of each trust domain in force.
fn fresh(site: &Site) -> usize {
    let list = site.json(&["trust", "list"]);
    let list = list.as_array().unwrap();
    list.iter().filter(|shown| shown["state"] == "fresh").count()
}

/// The median latency of token requests of the last trust domain.
async fn latency(server: &Server, issuer: &TestIssuer) -> Duration {
    let mut connection = Connection::open(server.address).await;
    let mut times = Vec::new();
    for _ in 0..REQUESTS {
        let body = svid_form(&issuer.svid("/w/1", ISSUER, now()), &[]);
        let started = Instant::now();
        assert_eq!(connection.post("/token", body).await.status, 200);
        times.push(started.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

async fn measure(domains: usize) {
    let publisher = DocumentServer::start("localhost").await;
    let issuers: Vec<TestIssuer> = (0..domains)
        .map(|number| TestIssuer::new(&format!("d{number}.example")))
        .collect();
    for issuer in &issuers {
        let path = format!("/{}", issuer.trust_domain);
        publisher.answers_at(&path, 200, &issuer.bundle().to_string());
    }
    let mut of_one = (Duration::ZERO, 0);
    for number in [1, domains] {
        let site = Site::new();
        site.write("publisher.pem", &publisher.root_pem);
        let issuers = &issuers[..number];
        configure(&site, &publisher, issuers);
        let before = publisher.connections();
        let started = Instant::now();
        let server = Server::start(&site.config());
        let ready = started.elapsed();
        // The trust domain of the site has its bundle in a file.
        while fresh(&site) < number + 1 {
            assert!(
                started.elapsed() < FRESH_MAX,
                "{} of {number} are fresh",
                fresh(&site)
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let all = started.elapsed();
        let connections = publisher.connections() - before;
        assert_eq!(
            connections, number,
            "each bundle must be fetched once at the start"
        );
        let median = latency(&server, issuers.last().unwrap()).await;
        let memory = server.resident_bytes();
        println!(
            "{number} trust domains: ready after {ready:?}, all fresh after {all:?}, {} MiB, token {median:?} (median)",
            memory / 1024 / 1024
        );
        assert_eq!(
            publisher.connections() - before,
            number,
            "requests for tokens must not cause fetches"
        );
        if number == 1 {
            of_one = (median, memory);
        } else {
            let growth = memory.saturating_sub(of_one.1) / number;
            println!("{growth} bytes for each trust domain");
            assert!(growth < BYTES_MAX, "{growth} bytes for each trust domain");
            assert!(
                median < of_one.0 * 3,
                "{median:?} with {number}, {:?} with one",
                of_one.0
            );
            let shown = site.json(&["trust", "show", "d0.example"]);
            let interval = shown["refresh_interval_seconds"].as_f64().unwrap();
            println!("{:.1} fetches per second", number as f64 / interval);
            assert!(interval >= 300.0, "{shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hundred_trust_domains_are_fetched_once_at_the_start_and_cost_bounded_memory() {
    measure(100).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a soak test: cargo xtask soak domains"]
async fn soak_a_thousand_trust_domains_are_fetched_once_at_the_start_and_cost_bounded_memory() {
    measure(1_000).await;
}

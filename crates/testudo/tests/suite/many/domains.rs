//! Many trust domains, each with a bundle endpoint.

use super::{ANSWER_TIME, Crowd, IN_CI, Load, NEXT_FETCH_AFTER, SOAK, check_latency, check_memory};
use crate::binary::{ISSUER, Site, now};
use serde_json::json;
use std::time::{Duration, Instant};
use testudo_testkit::web::DocumentServer;
use testudo_testkit::{TestIssuer, svid_form};

/// `spiffe_refresh_hint` of the bundles, seconds: the shortest that the server follows.
const HINT: usize = 60;

/// A site with this many trust domains, whose bundles one server publishes.
fn site(publisher: &DocumentServer, issuers: &[TestIssuer]) -> Site {
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
    let site = Site::new();
    site.write("publisher.pem", &publisher.root_pem);
    site.configure("", &domains);
    site
}

async fn measure(load: &Load) {
    let publisher = DocumentServer::start("localhost").await;
    publisher.takes(ANSWER_TIME);
    let issuers: Vec<TestIssuer> = (0..load.authorities)
        .map(|number| TestIssuer::new(&format!("d{number}.example")))
        .collect();
    for issuer in &issuers {
        let mut bundle = issuer.bundle();
        bundle["spiffe_refresh_hint"] = json!(HINT);
        let path = format!("/{}", issuer.trust_domain);
        publisher.answers_at(&path, 200, &bundle.to_string());
    }
    // Both have the trust domain whose workload sends the requests.
    let (last, number) = (&issuers[load.authorities - 1..], load.authorities);
    let one = Crowd::start(site(&publisher, last), &publisher, 1, "trust domain").await;
    let many = Crowd::start(site(&publisher, &issuers), &publisher, number, "trust domains").await;
    let started = Instant::now();
    check_memory(&one, &many, load);
    many.check_traffic(number, HINT as f64);
    let body = |_| svid_form(&last[0].svid("/w/1", ISSUER, now()), &[]);
    let before = publisher.connections();
    check_latency(&one, &many, load, body).await;
    if started.elapsed() < NEXT_FETCH_AFTER {
        let fetched = publisher.connections() - before;
        assert!(
            fetched <= 1,
            "{fetched} fetches: requests for tokens must not cause any"
        );
    }
    if number >= SOAK.authorities {
        check_spread(&publisher, number, started).await;
    }
}

/// The fetches after the start must be spread over the interval.
async fn check_spread(publisher: &DocumentServer, number: usize, started: Instant) {
    let (mut before, mut most) = (publisher.connections(), 0);
    let first = before;
    while started.elapsed() < Duration::from_secs(HINT as u64 * 2) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = publisher.connections();
        most = most.max(now - before);
        before = now;
    }
    println!("{} fetches since, at most {most} in a second", before - first);
    assert!(most < number / 8, "{most} fetches in a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn hundred_trust_domains_are_fetched_once_at_the_start_and_cost_bounded_memory() {
    measure(&IN_CI).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a soak test: cargo xtask soak domains"]
async fn soak_a_thousand_trust_domains_are_fetched_once_at_the_start_and_cost_bounded_memory() {
    measure(&SOAK).await;
}

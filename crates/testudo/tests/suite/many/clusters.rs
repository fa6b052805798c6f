//! Many clusters with one issuer string, each with its key set at a URL.

use super::{ANSWER_TIME, Crowd, IN_CI, Load, SOAK, check_latency, check_memory};
use crate::binary::{ISSUER, Server, Site, now};
use crate::chains::cpu;
use serde_json::json;
use std::time::Instant;
use testudo_protocol::jose::{Algorithm, PublicKey, SigningKey};
use testudo_testkit::http::Connection;
use testudo_testkit::kubernetes::DEFAULT_ISSUER;
use testudo_testkit::token::Draft;
use testudo_testkit::web::DocumentServer;
use testudo_testkit::{assertion_form, generate_key};

/// A token is verified with at most so many keys.
const VERIFICATIONS_MAX: usize = 8;
/// An account that each cluster has, with the key that has the same `kid` in all of them.
const EVERYWHERE: &str = "pay/everywhere";
/// Refused requests of one measurement: CPU time is counted in hundredths of a second.
const REFUSED: usize = 300;
/// Seconds between two fetches of a key set.
const INTERVAL: f64 = 300.0;

/// A site with clusters of these numbers, whose key sets one server publishes. The workload is in the last one. Each cluster
/// has an account of the same name beside it.
fn site(publisher: &DocumentServer, clusters: std::ops::Range<usize>) -> Site {
    let port = publisher.address.port();
    let last = clusters.end - 1;
    let everywhere: Vec<String> = clusters
        .clone()
        .map(|number| format!("\"c{number}:{EVERYWHERE}\""))
        .collect();
    let entries: String = clusters
        .map(|number| {
            format!(
                "[[issuers]]\nname = \"c{number}\"\nkind = \"kubernetes\"\nuse = [\"client\"]\nissuer = \"{DEFAULT_ISSUER}\"\n\
                 jwks = {{ url = \"https://localhost:{port}/{number}\", ca = \"publisher.pem\" }}\n"
            )
        })
        .collect();
    let rule = format!(
        "[[rules]]\nname = \"pods\"\nidentities = [\"c{last}:pay/worker\"]\nscopes = [\"r\"]\ndefault_scopes = [\"r\"]\n\
         [[rules]]\nname = \"everywhere\"\nidentities = [{}]\nscopes = [\"r\"]\ndefault_scopes = [\"r\"]\n",
        everywhere.join(", ")
    );
    let site = Site::new();
    site.write("publisher.pem", &publisher.root_pem);
    site.configure("", &format!("{entries}{rule}"));
    site
}

/// The time of one verification on this machine, microseconds.
fn verification(key: &SigningKey) -> f64 {
    let jwk = serde_json::from_value(key.public_jwk("sig", true)).unwrap();
    let public = PublicKey::from_jwk(&jwk).unwrap();
    let (message, rounds) = ([7; 300], 2_000);
    let signature = key.sign(&message).unwrap();
    let began = Instant::now();
    for _ in 0..rounds {
        assert!(public.verify(key.algorithm(), &message, &signature));
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(rounds)
}

/// CPU time of the server for each request, microseconds.
async fn cost(server: &Server, status: u16, body: impl Fn(usize) -> String) -> f64 {
    let bodies: Vec<String> = (0..REFUSED).map(body).collect();
    let mut connection = Connection::open(server.address).await;
    let before = cpu(server);
    for body in bodies {
        let answer = connection.post("/token", body).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    (cpu(server) - before) * 1e6 / REFUSED as f64
}

async fn measure(load: &Load) {
    let publisher = DocumentServer::start("localhost").await;
    publisher.takes(ANSWER_TIME);
    let number = load.authorities;
    // Every cluster has a key of its own, and one more key under the `kid` that all of them use.
    let key = |kid: &str| generate_key(Algorithm::ES256, Some(kid));
    let keys: Vec<SigningKey> = (0..number).map(|number| key(&format!("of-{number}"))).collect();
    let shared: Vec<SigningKey> = (0..number).map(|_| key("everywhere")).collect();
    for (number, (own, shared)) in keys.iter().zip(&shared).enumerate() {
        let both = [own.public_jwk("sig", true), shared.public_jwk("sig", true)];
        let document = json!({ "keys": both }).to_string();
        publisher.answers_at(&format!("/{number}"), 200, &document);
    }
    let one = Crowd::start(site(&publisher, number - 1..number), &publisher, 1, "cluster").await;
    let many = Crowd::start(site(&publisher, 0..number), &publisher, number, "clusters").await;
    check_memory(&one, &many, load);
    many.check_traffic(number, INTERVAL);
    let last = &keys[number - 1];
    let token_of = |key: &SigningKey, account: &str, jti: usize| {
        let draft = Draft::service_account(key, DEFAULT_ISSUER, account, ISSUER, now());
        assertion_form(&draft.claim("jti", jti.to_string()).sign(), &[])
    };
    let token = |key: &SigningKey, jti: usize| token_of(key, "pay/worker", jti);
    check_latency(&one, &many, load, |jti| token(last, jti)).await;

    // Of the tokens that each of the keys with the same `kid` signed, those of eight keys are accepted: so many keys are
    // tried for a token, and no more for one that none of them verifies.
    let mut connection = Connection::open(many.server.address).await;
    let mut tried = 0;
    for (number, key) in shared.iter().enumerate() {
        let body = token_of(key, EVERYWHERE, 2_000_000 + number);
        let answer = connection.post("/token", body).await;
        match answer.status {
            200 => tried += 1,
            _ => assert_eq!(answer.error(), "invalid_client", "{answer:?}"),
        }
    }
    println!("{tried} keys are tried for a token whose `kid` all {number} clusters have");
    assert_eq!(tried, VERIFICATIONS_MAX);

    // What the refusal costs, beside that.
    let raw = verification(last);
    let forger = key("everywhere");
    let granted = cost(&many.server, 200, |jti| token(last, 1_000_000 + jti)).await;
    let refused = cost(&many.server, 400, |jti| token(&forger, jti)).await;
    println!(
        "CPU time: {granted:.0} us for a granted token, {refused:.0} us for a refused one whose `kid` all clusters have; one verification {raw:.1} us"
    );
    let most = granted * 3.0 + VERIFICATIONS_MAX as f64 * raw;
    assert!(refused < most, "{refused} us, and at most {most} us are allowed");

    // Key ids that no cluster has: the key sets of eight clusters are fetched, at most every 30 seconds.
    let before = publisher.connections();
    let unknown = cost(&many.server, 400, |jti| {
        token(&key(&format!("invented-{jti}")), jti)
    })
    .await;
    let fetched = publisher.connections() - before;
    println!(
        "{unknown:.0} us for a token with an unknown `kid`; {fetched} key sets were fetched for {REFUSED} of them"
    );
    assert!(fetched <= 16, "{fetched} fetches");
}

#[tokio::test(flavor = "multi_thread")]
async fn hundred_clusters_with_one_issuer_are_fetched_once_and_a_refused_token_costs_eight_verifications() {
    measure(&IN_CI).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a soak test: cargo xtask soak clusters"]
async fn soak_a_thousand_clusters_with_one_issuer_cost_no_more_for_each_token_than_one() {
    measure(&SOAK).await;
}

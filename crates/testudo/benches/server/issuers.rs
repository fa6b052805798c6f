//! `cargo xtask bench issuers`: measures token requests with tokens of Kubernetes service accounts, and registrations with
//! verifiable credentials, and compares them with the cryptographic operations alone, whose CPU time is measured before and
//! after each row.

use crate::credentials;
use crate::fixture::{CONNECTIONS, Folder, ISSUER, Server, now, on_two_threads};
use crate::raw::Signatures;
use hyper::body::Bytes;
use std::sync::Arc;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::kubernetes::{DEFAULT_ISSUER, ReviewServer};
use testudo_testkit::load::drive;
use testudo_testkit::token::Draft;
use testudo_testkit::{TestIssuer, assertion_form, generate_key, key_set};

/// Requests of one measurement. Tokens are signed before it, which takes long with RSA.
const REQUESTS: usize = 10_000;
/// Accounts whose pods send them.
const ACCOUNTS: usize = 100;

fn clusters(review_url: &str) -> String {
    let entry = |name: &str, issuer: &str, more: &str| {
        format!(
            "[[issuers]]\nname = \"{name}\"\nkind = \"kubernetes\"\nuse = [\"client\"]\nissuer = \"{issuer}\"\n\
             jwks = {{ file = \"clusters.json\" }}\nregistrations_per_minute = 100000000\n{more}\n"
        )
    };
    let review = format!("token_review = {{ url = \"{review_url}\", token = \"reviewer\", cache = \"5m\" }}");
    let rule = "[[rules]]\nname = \"pods\"\nidentities = [\"plain:{namespace}/{account}\", \"reviewed:{namespace}/{account}\"]\n\
        scopes = [\"orders.read\"]\ndefault_scopes = [\"orders.read\"]\nresources = [\"https://api.example.net/orders\"]\n";
    [
        entry("plain", DEFAULT_ISSUER, ""),
        entry("reviewed", REVIEWED_ISSUER, &review),
        rule.to_owned(),
    ]
    .concat()
}

const REVIEWED_ISSUER: &str = "https://reviewed.example";

/// Requests with new tokens.
fn bodies(key: &SigningKey, count: usize) -> Arc<Vec<Bytes>> {
    on_two_threads(count, |number| request(&token(key, DEFAULT_ISSUER, number)))
}

/// A token of one of the accounts, which no request carried before.
fn token(key: &SigningKey, issuer: &str, number: usize) -> String {
    let account = format!("known/s{}", number % ACCOUNTS);
    let draft = Draft::service_account(key, issuer, &account, ISSUER, now());
    draft.claim("jti", number.to_string()).sign()
}

fn request(token: &str) -> Bytes {
    Bytes::from(assertion_form(token, &[]))
}

pub async fn run() {
    let api = ReviewServer::start().await;
    let key = generate_key(Algorithm::RS256, Some("cluster"));
    let folder = Folder::new(&TestIssuer::new("bench.example"));
    let key_set = key_set(&[&key]);
    folder.append(&clusters(&api.url), "clusters.json", &key_set.to_string());
    let server = Server::start(&folder.0);
    let raw = Signatures::of(&key, 700);
    let warm = drive(server.address, CONNECTIONS, bodies(&key, 1_000)).await;
    assert_eq!(warm.bad, 0);
    let written = server.batches_written().await;

    let same = request(&token(&key, DEFAULT_ISSUER, 0));
    let reviewed = request(&token(&key, REVIEWED_ISSUER, 0));
    for (name, verifications, bodies) in [
        ("Kubernetes RS256, new token", 1.0, bodies(&key, REQUESTS)),
        (
            "Kubernetes RS256, same token",
            0.0,
            Arc::new(vec![same; REQUESTS]),
        ),
        (
            "the same, TokenReview cached",
            0.0,
            Arc::new(vec![reviewed; REQUESTS]),
        ),
    ] {
        raw.compare((verifications, 1.0), server.measure(name, bodies))
            .await;
    }
    println!("  reviews: {}", api.take_requests().len());
    // The first request of the reviewed account registers its client.
    println!("  store batches: {}", server.batches_written().await - written);
    drop(server);
    credentials::run().await;
}

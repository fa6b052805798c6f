//! `cargo xtask bench issuers`: measures token requests with tokens of Kubernetes service accounts, and registrations with
//! verifiable credentials, and compares them with the cryptographic operations alone, whose CPU time is measured before and
//! after each row.

use crate::credentials;
use crate::fixture::{CONNECTIONS, Folder, ISSUER, Server, now, on_two_threads};
use crate::raw;
use hyper::body::Bytes;
use std::sync::Arc;
use testudo_protocol::jose::{Algorithm, KeySet, PublicKey, SigningKey};
use testudo_testkit::kubernetes::{DEFAULT_ISSUER, ReviewServer};
use testudo_testkit::load::drive;
use testudo_testkit::token::Draft;
use testudo_testkit::{TestIssuer, assertion_form, generate_key};

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

/// The operations that a row cannot do without, microseconds of CPU time.
struct Raw<'k> {
    key: &'k SigningKey,
    keys: KeySet,
    signing: SigningKey,
}

impl Raw<'_> {
    fn of(key: &SigningKey) -> Raw<'_> {
        let jwk = serde_json::from_value(key.public_jwk("sig", true)).unwrap();
        let mut keys = KeySet::default();
        keys.push(PublicKey::from_jwk(&jwk).unwrap());
        let signing = generate_key(Algorithm::ES256, None);
        Raw { key, keys, signing }
    }

    /// RS256 verification and ES256 signature.
    fn measure(&self) -> (f64, f64) {
        let message = [7; 700];
        let signature = self.key.sign(&message).unwrap();
        let public = self.keys.iter().next().unwrap();
        let verify = raw::cpu_time(|| assert!(public.verify(Algorithm::RS256, &message, &signature)));
        let sign = raw::cpu_time(|| drop(self.signing.sign(&message).unwrap()));
        (verify, sign)
    }
}

pub async fn run() {
    let api = ReviewServer::start().await;
    let key = generate_key(Algorithm::RS256, Some("cluster"));
    let folder = Folder::new(&TestIssuer::new("bench.example"));
    let key_set = serde_json::json!({ "keys": [key.public_jwk("sig", true)] });
    folder.append(&clusters(&api.url), "clusters.json", &key_set.to_string());
    let server = Server::start(&folder.0);
    let raw = Raw::of(&key);
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
        let before = raw.measure();
        let us = server.measure(name, bodies).await;
        let after = raw.measure();
        let [verify, sign] = [(before.0 + after.0) / 2.0, (before.1 + after.1) / 2.0];
        println!(
            "  {:.2} times the raw {verifications} RS256 verify ({verify:.1} us) + ES256 sign ({sign:.1} us)",
            us / (verifications * verify + sign)
        );
    }
    println!("  reviews: {}", api.take_requests().len());
    // The first request of the reviewed account registers its client.
    println!("  store batches: {}", server.batches_written().await - written);
    drop(server);
    credentials::run().await;
}

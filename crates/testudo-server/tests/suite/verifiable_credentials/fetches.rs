//! Documents of issuers and holders: what a document can make the server fetch, and how much of it.

use super::keys::{DID_JSON, HOST, Issuer, METADATA};
use super::{AGENTS, INVALID, Site, TYPE, VCT};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use testudo_protocol::limits::{CREDENTIAL_ISSUER_METADATA_BYTES_MAX, DID_DOCUMENT_BYTES_MAX};
use testudo_server::{NameLookup, Network};
use testudo_testkit::hostile::{ODD_URLS, PRIVATE_URLS};
use testudo_testkit::http::Answer;
use testudo_testkit::token::Draft;
use testudo_testkit::web::DocumentServer;

/// More than the buffers between a publisher and the server hold.
const BUFFERS: u64 = 16 * 1024 * 1024;

/// The names that were looked up, of which each has these addresses.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<Vec<String>>>);

impl Names {
    fn network(&self, addresses: &'static [&'static str]) -> Network {
        let names = self.clone();
        Network {
            lookup: NameLookup::new(move |name| {
                names.0.lock().unwrap().push(name.to_owned());
                Ok(addresses
                    .iter()
                    .map(|text| text.parse::<IpAddr>().unwrap())
                    .collect())
            }),
            ..Network::default()
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

// Rows DID-10, DID-27.
#[tokio::test]
async fn document_of_a_holder_is_not_fetched_and_its_name_is_not_looked_up() {
    let mut site = Site::start().await;
    let names = Names::default();
    let private = &["127.0.0.1", "169.254.169.254", "fd00::1"];
    site.world = site.world.on(names.network(private)).await;
    for did in [
        "did:web:holder.example",
        "did:web:holder.example%3A8443",
        "did:web:holder.example:agents:7",
    ] {
        let sd_jwt = || Draft::sd_jwt_vc(&site.issuer, [AGENTS, VCT, did], &site.holder, site.now());
        let vc = || Draft::vc_jwt(&site.issuer, [AGENTS, TYPE, did], &site.holder, site.now());
        let kid = format!("{did}#key-1");
        let without_key = sd_jwt().without_claim("cnf");
        let held = site
            .held_with(&without_key, &[], |proof| proof.header("kid", kid.as_str()))
            .await;
        Site::assert_refused(&site.register(&held).await, INVALID, did);
        let presented = site
            .presented_with(&vc().without_claim("cnf"), |proof| {
                proof.header("kid", kid.as_str())
            })
            .await;
        Site::assert_refused(&site.register(&presented).await, INVALID, did);
        // With the key in the credential, the DID is a name as any other.
        for statement in [site.held(&sd_jwt(), &[]).await, site.presented(&vc()).await] {
            let answer = site.register(&statement).await;
            assert_eq!(answer.status, 201, "{did}: {answer:?}");
        }
    }
    assert_eq!(names.take(), Vec::<String>::new());
}

// Row DID-27.
#[tokio::test]
async fn key_set_on_another_server_is_looked_up_once_for_each_fetch_and_not_at_an_address_of_this_network() {
    let mut issuer = Issuer::start(&format!("https://{HOST}:PORT/t/1"), FROM_METADATA).await;
    // With keys, the server fetches again after minutes, or when an administrator asks for it.
    let keys = testudo_testkit::key_set(&[&issuer.key]);
    let good = json!({ "issuer": issuer.name, "jwks": keys }).to_string();
    issuer.web.answers_at(METADATA, 200, &good);
    let names = Names::default();
    // One of the addresses is public: it must not matter which of them a connection would use.
    issuer.site.world = issuer
        .site
        .world
        .on(names.network(&["8.8.8.8", "127.0.0.1"]))
        .await;
    assert_eq!(register(&issuer, false).await.status, 201);
    let metadata = |jwks_uri: &str| json!({ "issuer": issuer.name, "jwks_uri": jwks_uri }).to_string();
    issuer
        .web
        .answers_at(METADATA, 200, &metadata("https://elsewhere.example/keys"));
    names.take();
    let shown = issuer.refresh().await;
    let error = shown["last_error"].as_str().unwrap_or_default();
    assert!(error.contains("an address that is not public"), "{shown}");
    assert_eq!(names.take(), ["elsewhere.example"]);
    issuer.web.take_requests();
    for url in PRIVATE_URLS.iter().chain(&ODD_URLS) {
        issuer.web.answers_at(METADATA, 200, &metadata(url));
        let shown = issuer.refresh().await;
        let error = shown["last_error"].as_str().unwrap_or_default();
        let reasons = ["not public", "is not an https URL", "has user information"];
        assert!(
            reasons.iter().any(|reason| error.contains(reason)),
            "{url}: {shown}"
        );
        assert_eq!(issuer.paths(), [METADATA], "{url}");
    }
    let addresses = names.take();
    assert_eq!(addresses, Vec::<String>::new(), "no name was looked up");
}

const OF_DID: &str = "did = true, ca = \"ca.pem\"";
const FROM_METADATA: &str = "jwt_vc_issuer = true, ca = \"ca.pem\"";

/// Registers with a credential of the issuer whose `kid` is as its kind of issuer demands.
async fn register(issuer: &Issuer, is_did: bool) -> Answer {
    let kid = match is_did {
        true => issuer.kid(&issuer.key),
        false => issuer.key.kid().to_owned(),
    };
    issuer
        .register_with(&issuer.key, |draft| draft.header("kid", kid))
        .await
}

// Rows DID-14, DID-15, SD-27.
#[tokio::test]
async fn document_that_redirects_or_does_not_end_is_given_up_wherever_the_keys_of_the_issuer_are() {
    let target = DocumentServer::start("evil.example").await;
    let elsewhere = format!("https://{}/", target.address);
    for (case, name, jwks, path, limit) in [
        (
            "DID",
            "did:web:HOST%3APORT",
            OF_DID,
            DID_JSON,
            DID_DOCUMENT_BYTES_MAX,
        ),
        (
            "metadata",
            "https://HOST:PORT/t/1",
            FROM_METADATA,
            METADATA,
            CREDENTIAL_ISSUER_METADATA_BYTES_MAX,
        ),
        (
            "key set of the metadata",
            "https://HOST:PORT/t/1",
            FROM_METADATA,
            "/keys",
            1024 * 1024,
        ),
    ] {
        let issuer = Issuer::start(&name.replace("HOST", HOST), jwks).await;
        let port = issuer.web.address.port();
        let keys = testudo_testkit::key_set(&[&issuer.key]);
        let own = format!("https://{HOST}:{port}{path}");
        let metadata = match case {
            "key set of the metadata" => json!({ "issuer": issuer.name, "jwks_uri": own }),
            _ => json!({ "issuer": issuer.name, "jwks": keys }),
        };
        let publish = || {
            issuer.publish(&[&issuer.key]);
            issuer.web.answers_at(METADATA, 200, &metadata.to_string());
            issuer.web.answers_at("/keys", 200, &keys.to_string());
        };
        let is_did = case == "DID";
        publish();
        issuer.refresh().await;
        assert_eq!(register(&issuer, is_did).await.status, 201, "{case}");
        issuer.web.take_requests();
        for status in [300, 301, 302, 303, 307, 308] {
            for location in [&elsewhere, &own, "http://127.0.0.1/", "http://169.254.169.254/"] {
                issuer.web.redirects_at(path, status, location);
                let shown = issuer.refresh().await;
                let error = shown["last_error"].as_str().unwrap_or_default();
                assert!(
                    error.contains("redirects are not followed"),
                    "{case} {location}: {shown}"
                );
                let fetched = issuer.paths();
                let count = fetched.iter().filter(|fetched| *fetched == path).count();
                assert_eq!(count, 1, "{case} {status} {location}: {fetched:?}");
            }
        }
        issuer
            .web
            .streams(path, "application/json", 10 * 1024 * 1024 * 1024);
        let shown = issuer.refresh().await;
        let error = shown["last_error"].as_str().unwrap_or_default();
        assert!(error.contains("the body is larger than"), "{case}: {shown}");
        let made = issuer.web.made();
        assert!(
            (limit as u64..limit as u64 + BUFFERS).contains(&made),
            "{case}: {made} bytes"
        );
        // The last keys are used meanwhile, and the good document afterwards.
        assert_eq!(register(&issuer, is_did).await.status, 201, "{case}");
        publish();
        let shown = issuer.refresh().await;
        assert_eq!(shown["last_error"], Value::Null, "{case}: {shown}");
        assert_eq!(register(&issuer, is_did).await.status, 201, "{case}");
    }
    assert_eq!(target.connections(), 0);
}

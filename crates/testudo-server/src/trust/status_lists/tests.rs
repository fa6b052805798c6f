//! Tests of fetched status lists with a publisher over TLS on loopback.

mod trusted;

use super::*;
use crate::config::{BundleOrigin, BundleSource, KeyChanges};
use crate::state::metrics::Metrics;
use serde_json::{Value, json};
use std::collections::HashMap;
use testudo_core::Authority;
use testudo_core::doors::ListAge;
use testudo_core::policy::{StatusPolicy, StatusUse};
use testudo_core::rejection::StatusReason;
use testudo_fetch::{FetcherOptions, Network};
use testudo_protocol::credentials::status::StatusReference;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_protocol::limits::STATUS_LIST_TOKEN_BYTES_MAX;
use testudo_testkit::generate_key;
use testudo_testkit::status_list::{BITSTRING_LIST, TOKEN_LIST};
use testudo_testkit::token::Draft;
use testudo_testkit::web::DocumentServer;

const HOST: &str = "status.example";
const ISSUER: &str = "https://issuer.example";

/// A publisher of lists, the key that signs them, and the lists of a server.
struct Publisher {
    web: DocumentServer,
    key: SigningKey,
    anchor: Arc<Anchor>,
    authority: Authority,
    clock: Clock,
    lists: StatusLists,
    metrics: Metrics,
    max_stale: i64,
}

impl Publisher {
    async fn start() -> Publisher {
        let web = DocumentServer::start(HOST).await;
        let fetcher = Fetcher::new(FetcherOptions {
            extra_roots_pem: Some(web.root_pem.clone().into_bytes()),
            resolve: HashMap::from([(HOST.to_owned(), "127.0.0.1".parse().unwrap())]),
            network: Network::default(),
            ..FetcherOptions::default()
        });
        let fetcher = Arc::new(ArcSwap::from_pointee(fetcher.unwrap()));
        let metrics = Metrics::default();
        let authority = Authority::issuer("agents").unwrap();
        let anchor = Arc::new(Anchor::new(
            BundleSource {
                authority: authority.clone(),
                origin: BundleOrigin::File("absent.json".into()),
                max_staleness: Seconds(86_400),
                key_changes: KeyChanges::default(),
            },
            Arc::default(),
        ));
        let publisher = Publisher {
            web,
            key: generate_key(Algorithm::ES256, Some("k1")),
            anchor,
            authority,
            clock: Clock::default(),
            lists: StatusLists::new(fetcher, metrics.status_list_fetches.clone()),
            metrics,
            max_stale: 0,
        };
        publisher.trusts(&[&publisher.key]);
        publisher
    }

    /// Sets the keys of the issuer.
    fn trusts(&self, keys: &[&SigningKey]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.public_jwk("sig", true)).collect();
        let document = json!({ "keys": keys }).to_string().into_bytes();
        let read = self.anchor.read(document).unwrap();
        self.anchor.put_in_force(read, Moment::now(&self.clock));
    }

    fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.web.address.port())
    }

    fn draft(&self, path: &str, values: &[u8]) -> Draft<'_> {
        Draft::token_list(&self.key, &self.url(path), values, self.clock.now().0)
    }

    fn publish(&self, path: &str, draft: &Draft<'_>) {
        self.web.publishes(path, TOKEN_LIST, &draft.sign());
    }

    /// The decision about a credential with this entry of the list at `path`.
    async fn decide(&self, path: &str, index: u64) -> Result<ListAge, StatusReason> {
        let url = self.url(path);
        self.decide_by(StatusReference::TokenList { url, index }).await
    }

    async fn decide_by(&self, reference: StatusReference) -> Result<ListAge, StatusReason> {
        let policy = StatusPolicy {
            r#use: StatusUse::Required,
            origins: vec![self.url("")],
            max_stale: Seconds(self.max_stale),
        };
        let references = [reference];
        let needed = StatusNeeded::of(&self.authority, ISSUER, &policy, &references)?;
        let keys = self.anchor.current(Moment::now(&self.clock)).unwrap();
        let lists = &self.lists;
        let answer = lists.get(&self.clock, &needed[0], &self.anchor, &keys).await;
        needed[0].decide(&answer.found, self.clock.now())
    }

    fn fetches(&self, outcome: &'static str) -> u64 {
        let label = FetchLabel { outcome };
        self.metrics.status_list_fetches.get_or_create(&label).get()
    }
}

fn is_refused(decided: &Result<ListAge, StatusReason>) -> bool {
    matches!(decided, Err(StatusReason::ListRefused { .. }))
}

fn is_unavailable(decided: &Result<ListAge, StatusReason>) -> bool {
    matches!(decided, Err(StatusReason::ListUnavailable { .. }))
}

// Rows TSL-39, TSL-40.
#[tokio::test]
async fn list_is_fetched_once_until_its_ttl_is_over() {
    let publisher = Publisher::start().await;
    publisher.publish("/1", &publisher.draft("/1", &[0, 1]));
    for _ in 0..100 {
        assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Fresh));
        assert!(publisher.decide("/1", 1).await.is_err());
    }
    // Requests, and not connections, which are used again.
    assert_eq!(publisher.web.take_requests().len(), 1);
    publisher.clock.shift(40);
    assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Fresh));
    assert_eq!(publisher.web.take_requests().len(), 0);
    publisher.clock.shift(20);
    publisher.publish("/1", &publisher.draft("/1", &[1]));
    let revoked = publisher.decide("/1", 0).await;
    assert!(
        matches!(revoked, Err(StatusReason::Revoked { .. })),
        "{revoked:?}"
    );
    assert_eq!(
        (publisher.web.take_requests().len(), publisher.fetches("fetched")),
        (1, 2)
    );
}

#[tokio::test]
async fn many_requests_wait_for_one_fetch() {
    let publisher = Publisher::start().await;
    publisher.publish("/1", &publisher.draft("/1", &[0]));
    let mut waiting: Vec<_> = (0..50).map(|_| Box::pin(publisher.decide("/1", 0))).collect();
    let all = std::future::poll_fn(|context| {
        waiting.retain_mut(|request| match request.as_mut().poll(context) {
            std::task::Poll::Ready(decided) => {
                assert_eq!(decided, Ok(ListAge::Fresh));
                false
            }
            std::task::Poll::Pending => true,
        });
        match waiting.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    });
    all.await;
    assert_eq!(publisher.web.take_requests().len(), 1);
}

// Row VC-33.
#[tokio::test]
async fn list_that_cannot_be_fetched_refuses_and_is_asked_for_again_after_a_pause() {
    let publisher = Publisher::start().await;
    publisher.publish("/1", &publisher.draft("/1", &[0]));
    assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Fresh));
    for status in [404, 410, 429, 500, 503, 302] {
        let path = format!("/{status}");
        publisher.web.answers_at(&path, status, "");
        let decided = publisher.decide(&path, 0).await;
        assert!(is_unavailable(&decided), "{status}: {decided:?}");
    }
    publisher.web.take_requests();
    assert!(is_unavailable(&publisher.decide("/500", 0).await));
    assert_eq!(publisher.web.take_requests().len(), 0, "within the pause");
    publisher.publish("/500", &publisher.draft("/500", &[0]));
    publisher.clock.shift(15);
    assert!(is_unavailable(&publisher.decide("/500", 0).await));
    publisher.clock.shift(15);
    assert_eq!(publisher.decide("/500", 0).await, Ok(ListAge::Fresh));
    assert_eq!(
        (publisher.fetches("failed"), publisher.fetches("fetched")),
        (6, 2)
    );
}

// Rows TSL-43, VC-30.
#[tokio::test]
async fn redirect_is_not_followed() {
    let publisher = Publisher::start().await;
    publisher.publish("/2", &publisher.draft("/1", &[0]));
    for location in [publisher.url("/2"), publisher.url("/1")] {
        publisher.web.answers(302, Some(&location), "");
        assert!(is_unavailable(&publisher.decide("/1", 0).await), "{location}");
        publisher.clock.shift(30);
    }
    let requests = publisher.web.take_requests();
    let paths: Vec<&str> = requests.iter().map(|request| &*request.path).collect();
    assert_eq!(paths, ["/1", "/1"]);
}

// Rows TSL-41, TSL-42.
#[tokio::test]
async fn last_list_is_used_for_max_stale_while_fetches_fail() {
    let mut publisher = Publisher::start().await;
    publisher.max_stale = 100;
    publisher.publish("/1", &publisher.draft("/1", &[0, 1]));
    assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Fresh));
    publisher.web.answers_at("/1", 500, "");
    publisher.clock.shift(60);
    assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Stale));
    assert!(matches!(
        publisher.decide("/1", 1).await,
        Err(StatusReason::Revoked { .. })
    ));
    publisher.clock.shift(80);
    assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Stale));
    // What the publisher signed with another key is no list of the issuer: the last list stays.
    let other = generate_key(Algorithm::ES256, Some("k1"));
    publisher.publish(
        "/1",
        &Draft::token_list(&other, &publisher.url("/1"), &[0], publisher.clock.now().0),
    );
    publisher.clock.shift(20);
    assert!(
        is_unavailable(&publisher.decide("/1", 0).await),
        "within the pause after a failure"
    );
    publisher.clock.shift(30);
    assert!(is_refused(&publisher.decide("/1", 0).await));
    publisher.publish("/1", &publisher.draft("/1", &[0]));
    publisher.clock.shift(30);
    assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Fresh));
}

#[tokio::test]
async fn stale_list_is_news_once_until_a_fetch_succeeds() {
    let mut publisher = Publisher::start().await;
    publisher.max_stale = 1_000;
    let (url, authority) = (publisher.url("/1"), publisher.authority.clone());
    let policy = StatusPolicy {
        r#use: StatusUse::Required,
        origins: vec![publisher.url("")],
        max_stale: Seconds(1_000),
    };
    let references = [StatusReference::TokenList { url, index: 0 }];
    let needed = StatusNeeded::of(&authority, ISSUER, &policy, &references).unwrap();
    let mut news = Vec::new();
    for shift in [0, 60, 40, 40] {
        publisher.clock.shift(shift);
        match shift {
            0 => publisher.publish("/1", &publisher.draft("/1", &[0])),
            _ => publisher.web.answers_at("/1", 500, ""),
        }
        let keys = publisher.anchor.current(Moment::now(&publisher.clock)).unwrap();
        let (lists, clock) = (&publisher.lists, &publisher.clock);
        let answer = lists.get(clock, &needed[0], &publisher.anchor, &keys).await;
        let decided = needed[0].decide(&answer.found, publisher.clock.now());
        news.push((decided == Ok(ListAge::Stale)) && answer.is_news());
    }
    assert_eq!(news, [false, true, false, false]);
}

// Rows TSL-21, TSL-22, TSL-23, TSL-24, TSL-26, TSL-27, SD-30.
#[tokio::test]
async fn what_is_no_valid_list_of_the_issuer_is_refused() {
    let publisher = Publisher::start().await;
    publisher.publish("/good", &publisher.draft("/good", &[0]));
    assert_eq!(publisher.decide("/good", 0).await, Ok(ListAge::Fresh));
    let other = generate_key(Algorithm::ES256, Some("k1"));
    let now = publisher.clock.now().0;
    let draft = |path: &str| publisher.draft(path, &[0]);
    let public = publisher.key.public_jwk("sig", true)["x"].to_string();
    for (path, list) in [
        ("/typ", draft("/typ").header("typ", "JWT").sign()),
        ("/no-sub", draft("/no-sub").without_claim("sub").sign()),
        ("/no-iat", draft("/no-iat").without_claim("iat").sign()),
        ("/no-list", draft("/no-list").without_claim("status_list").sign()),
        ("/sub", draft("/other").sign()),
        ("/slash", draft("/slash/").sign()),
        ("/exp", draft("/exp").claim("exp", now - 31).sign()),
        ("/ttl", draft("/ttl").claim("ttl", 0).sign()),
        ("/none", draft("/none").header("alg", "none").sign()),
        ("/hs256", draft("/hs256").mac(public.as_bytes()).sign()),
        (
            "/jwk",
            draft("/jwk").header("jku", "https://evil.example/").sign(),
        ),
        ("/x5c", draft("/x5c").header("x5c", json!(["AA=="])).sign()),
        (
            "/signer",
            Draft::token_list(&other, &publisher.url("/signer"), &[0], now).sign(),
        ),
        ("/text", "no list".to_owned()),
        ("/empty", String::new()),
    ] {
        publisher.web.publishes(path, TOKEN_LIST, &list);
        let decided = publisher.decide(path, 0).await;
        assert!(is_refused(&decided), "{path}: {decided:?}");
    }
    assert_eq!(
        (publisher.fetches("refused"), publisher.fetches("fetched")),
        (15, 1)
    );
}

#[tokio::test]
async fn other_media_type_is_refused() {
    let publisher = Publisher::start().await;
    for (path, media_type, is_good) in [
        ("/1", TOKEN_LIST, true),
        ("/2", "Application/StatusList+JWT; charset=utf-8", true),
        ("/3", "text/html", false),
        ("/4", "application/statuslist+cwt", false),
        ("/5", BITSTRING_LIST, false),
        ("/6", "", false),
    ] {
        publisher
            .web
            .publishes(path, media_type, &publisher.draft(path, &[0]).sign());
        let decided = publisher.decide(path, 0).await;
        assert_eq!(decided.is_ok(), is_good, "{media_type}: {decided:?}");
        assert_eq!(is_refused(&decided), !is_good, "{media_type}");
        let says_why = decided.is_err_and(|refused| refused.to_string().contains("is a CWT, which"));
        assert_eq!(says_why, media_type.ends_with("+cwt"), "{media_type}");
    }
}

// Rows VC-25, VC-26, VC-27, VC-29, VC-31.
#[tokio::test]
async fn bitstring_list_is_verified_and_read() {
    use testudo_protocol::credentials::status::Purpose;
    let publisher = Publisher::start().await;
    let reference = |path: &str, index| StatusReference::Bitstring {
        url: publisher.url(path),
        index,
        purpose: Purpose::Revocation,
    };
    let now = publisher.clock.now().0;
    let draft = |issuer: &str, path: &str| {
        Draft::bitstring_list(&publisher.key, issuer, &publisher.url(path), &[94_567], now)
    };
    publisher
        .web
        .publishes("/1", BITSTRING_LIST, &draft(ISSUER, "/1").sign());
    assert_eq!(
        publisher.decide_by(reference("/1", 94_560)).await,
        Ok(ListAge::Fresh)
    );
    let revoked = publisher.decide_by(reference("/1", 94_567)).await;
    assert!(
        matches!(revoked, Err(StatusReason::Revoked { .. })),
        "{revoked:?}"
    );
    assert_eq!(publisher.web.take_requests().len(), 1);
    let mut bomb = draft(ISSUER, "/bomb");
    let zeros = vec![0; 64 * 1024 * 1024];
    bomb.claims["credentialSubject"]["encodedList"] =
        testudo_testkit::status_list::encoded_list(&zeros).into();
    for (path, list) in [
        ("/issuer", draft("https://other.example", "/issuer").sign()),
        ("/id", draft(ISSUER, "/other").sign()),
        ("/over", draft(ISSUER, "/over").claim("exp", now - 1).sign()),
        (
            "/type",
            draft(ISSUER, "/type")
                .claim("type", json!(["VerifiableCredential"]))
                .sign(),
        ),
        ("/bomb", bomb.sign()),
    ] {
        publisher.web.publishes(path, BITSTRING_LIST, &list);
        let decided = publisher.decide_by(reference(path, 94_560)).await;
        assert!(is_refused(&decided), "{path}: {decided:?}");
    }
    // A token list at the place of a bitstring list, and the other way round.
    publisher
        .web
        .publishes("/2", BITSTRING_LIST, &publisher.draft("/2", &[0]).sign());
    assert!(is_refused(&publisher.decide_by(reference("/2", 0)).await));
    publisher
        .web
        .publishes("/3", TOKEN_LIST, &draft(ISSUER, "/3").sign());
    assert!(is_refused(&publisher.decide("/3", 0).await));
}

#[tokio::test]
async fn list_larger_than_the_limit_is_not_read() {
    let publisher = Publisher::start().await;
    let large = "a".repeat(STATUS_LIST_TOKEN_BYTES_MAX + 1);
    publisher.web.publishes("/1", TOKEN_LIST, &large);
    let decided = publisher.decide("/1", 0).await;
    assert!(is_unavailable(&decided), "{decided:?}");
}

#[tokio::test]
async fn list_is_fetched_again_after_the_keys_of_its_issuer_changed() {
    let publisher = Publisher::start().await;
    publisher.publish("/1", &publisher.draft("/1", &[0]));
    assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Fresh));
    let other = generate_key(Algorithm::ES256, Some("k2"));
    publisher.trusts(&[&other]);
    let decided = publisher.decide("/1", 0).await;
    assert!(
        is_refused(&decided),
        "signed with a key that was withdrawn: {decided:?}"
    );
    let now = publisher.clock.now().0;
    publisher.publish("/1", &Draft::token_list(&other, &publisher.url("/1"), &[0], now));
    publisher.clock.shift(30);
    assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Fresh));
}

#[tokio::test]
async fn issuers_with_the_same_url_do_not_share_a_list() {
    let mut publisher = Publisher::start().await;
    publisher.publish("/1", &publisher.draft("/1", &[0]));
    assert_eq!(publisher.decide("/1", 0).await, Ok(ListAge::Fresh));
    publisher.authority = Authority::issuer("others").unwrap();
    publisher.trusts(&[&generate_key(Algorithm::ES256, Some("k1"))]);
    assert!(is_refused(&publisher.decide("/1", 0).await));
}

#[tokio::test]
async fn lists_in_memory_are_bounded_in_bytes() {
    let publisher = Publisher::start().await;
    let values = vec![0u8; 4 * 1024 * 1024];
    let lst = testudo_testkit::status_list::lst(&values);
    for number in 0..20 {
        let path = format!("/{number}");
        let mut draft = publisher.draft(&path, &[]);
        draft.claims["status_list"]["lst"] = lst.clone().into();
        publisher.publish(&path, &draft);
        assert_eq!(publisher.decide(&path, 0).await, Ok(ListAge::Fresh), "{number}");
    }
    let weight = publisher.lists.entries.weight();
    assert!(weight > BYTES_MAX / 2 && weight <= BYTES_MAX, "{weight}");
}

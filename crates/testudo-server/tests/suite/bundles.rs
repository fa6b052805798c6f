//! Tests of bundle sources that fail or misbehave. Rows I-02 to I-06, I-14 to I-20, decisions 0008 and 0013.

use crate::world::{ISSUER, World};
use serde_json::json;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use testudo_testkit::token::Draft;
use testudo_testkit::{TestIssuer, generate_key, svid_form};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[derive(Clone)]
pub enum Behaviour {
    Document(String),
    /// The document, after a delay.
    Slow(String),
    Hang,
    Drip,
    Huge,
    Redirect,
    Status(u16),
}

/// A bundle endpoint whose behaviour a test can change.
pub struct Endpoint {
    behaviour: Arc<Mutex<Behaviour>>,
    requests: Arc<AtomicUsize>,
    pub url: String,
}

impl Endpoint {
    pub async fn start(behaviour: Behaviour) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/bundle", listener.local_addr().unwrap());
        let (behaviour, requests) = (Arc::new(Mutex::new(behaviour)), Arc::new(AtomicUsize::new(0)));
        let (shared, count) = (behaviour.clone(), requests.clone());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let behaviour = shared.lock().unwrap().clone();
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    let _ = stream.read(&mut buffer).await;
                    answer(&mut stream, behaviour).await;
                });
            }
        });
        Endpoint {
            behaviour,
            requests,
            url,
        }
    }

    pub fn set(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn answer(stream: &mut tokio::net::TcpStream, behaviour: Behaviour) {
    let head = |status: &str, length: usize| format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
    match behaviour {
        Behaviour::Document(text) => {
            let _ = stream
                .write_all(format!("{}{text}", head("200 OK", text.len())).as_bytes())
                .await;
        }
        Behaviour::Slow(text) => {
            tokio::time::sleep(Duration::from_millis(700)).await;
            let _ = stream
                .write_all(format!("{}{text}", head("200 OK", text.len())).as_bytes())
                .await;
        }
        Behaviour::Hang => tokio::time::sleep(Duration::from_secs(600)).await,
        Behaviour::Drip => {
            let _ = stream.write_all(head("200 OK", 1000).as_bytes()).await;
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Behaviour::Huge => {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                .await;
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(65_536));
            for _ in 0..320 {
                if stream.write_all(chunk.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
        Behaviour::Redirect => {
            let text = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
            let _ = stream.write_all(text.as_bytes()).await;
        }
        Behaviour::Status(status) => {
            let _ = stream.write_all(head(&format!("{status} X"), 0).as_bytes()).await;
        }
    }
}

pub async fn world_of(endpoint: &Endpoint) -> World {
    let domains = format!(
        "[[trust_domains]]\nname = \"z.example\"\nbundle = {{ url = \"{}\" }}\n\
         [[trust_domains]]\nname = \"b.example\"\nbundle = {{ file = \"b.json\" }}\n",
        endpoint.url
    );
    let rules =
        "[[rules]]\nname = \"Z\"\nidentities = [\"spiffe://z.example/w/*\", \"spiffe://b.example/x/*\"]\n";
    World::start_with(&domains, rules).await
}

pub async fn ask(world: &World, issuer: &TestIssuer, path: &str) -> u16 {
    world
        .send(&svid_form(&issuer.svid(path, ISSUER, world.now()), &[]))
        .await
        .status
}

pub async fn refresh(world: &World) -> (u16, serde_json::Value) {
    world
        .try_admin("POST", "/admin/v1/trust/z.example/refresh", serde_json::json!({}))
        .await
}

fn hint(answer: &serde_json::Value) -> &str {
    answer["hint"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn failed_refresh_of_an_authority_without_a_bundle_states_that_there_is_none() {
    let endpoint = Endpoint::start(Behaviour::Status(500)).await;
    let world = world_of(&endpoint).await;
    let (status, answer) = refresh(&world).await;
    assert_eq!(status, 502, "{answer}");
    let hint = hint(&answer);
    assert!(
        hint.contains("has no bundle of this authority, so every credential") && !hint.contains("earlier"),
        "{answer}"
    );
}

// Decision 0008. Rows I-03, I-15, I-18, I-19.
#[tokio::test]
async fn failing_bundle_source_keeps_the_last_good_bundle_until_its_maximum_age() {
    let issuer = TestIssuer::new("z.example");
    let endpoint = Endpoint::start(Behaviour::Document(issuer.bundle().to_string())).await;
    let world = world_of(&endpoint).await;
    assert_eq!(ask(&world, &issuer, "/w/1").await, 200);
    for behaviour in [
        Behaviour::Huge,
        Behaviour::Redirect,
        Behaviour::Status(500),
        Behaviour::Status(404),
        Behaviour::Status(204),
        Behaviour::Document("<html>".into()),
        Behaviour::Document("{}".into()),
        Behaviour::Document("[]".into()),
    ] {
        endpoint.set(behaviour);
        let (status, answer) = refresh(&world).await;
        assert_eq!(status, 502, "{answer}");
        let said = answer["error_description"].as_str().unwrap();
        assert!(
            said.starts_with("z.example: the keys could not be fetched: "),
            "{said}"
        );
        assert!(
            hint(&answer).contains("the earlier bundle stays in force"),
            "{answer}"
        );
        assert_eq!(ask(&world, &issuer, "/w/1").await, 200);
    }
    world.running.app.clock.shift(3601);
    let (_, answer) = refresh(&world).await;
    assert!(
        hint(&answer).contains("older than its maximum age, so every credential"),
        "{answer}"
    );
    let svid = issuer.svid("/w/1", ISSUER, world.now());
    let answer = world.send(&svid_form(&svid, &[])).await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (503, "temporarily_unavailable"),
        "the bundle is older than its maximum age"
    );
    assert_eq!(answer.header("retry-after"), Some("5"));
    let shown = world
        .admin("GET", "/admin/v1/trust/z.example", serde_json::Value::Null)
        .await;
    assert_eq!(shown["state"], "expired");
    assert!(shown["last_error"].is_string());
    endpoint.set(Behaviour::Document(issuer.bundle().to_string()));
    refresh(&world).await;
    assert_eq!(ask(&world, &issuer, "/w/1").await, 200);
    assert!(!world.events("authority.bundle_stale").await.is_empty());
}

// Rows I-02, I-04.
#[tokio::test]
async fn removed_bundle_keys_are_refused_at_once() {
    let mut issuer = TestIssuer::new("z.example");
    let endpoint = Endpoint::start(Behaviour::Document(issuer.bundle().to_string())).await;
    let world = world_of(&endpoint).await;
    let remembered = svid_form(&issuer.svid("/w/1", ISSUER, world.now()), &[]);
    assert_eq!(world.send(&remembered).await.status, 200);
    issuer.rotate();
    let old_key = issuer.keys.pop().unwrap();
    endpoint.set(Behaviour::Document(issuer.bundle().to_string()));
    refresh(&world).await;
    assert_eq!(
        world.send(&remembered).await.error(),
        "invalid_client",
        "a cached verification result must end with its bundle"
    );
    let signed_by_old = Draft::svid(&old_key, "spiffe://z.example/w/1", ISSUER, world.now()).sign();
    assert_eq!(
        world.send(&svid_form(&signed_by_old, &[])).await.error(),
        "invalid_client"
    );
    assert_eq!(ask(&world, &issuer, "/w/1").await, 200);
    endpoint.set(Behaviour::Document("{\"keys\":[],\"spiffe_sequence\":9}".into()));
    refresh(&world).await;
    assert_eq!(ask(&world, &issuer, "/w/1").await, 400);
}

// Row I-06.
#[tokio::test]
async fn bundle_with_a_lower_sequence_is_refused_and_recorded() {
    let mut issuer = TestIssuer::new("z.example");
    let old = issuer.bundle().to_string();
    issuer.rotate();
    let endpoint = Endpoint::start(Behaviour::Document(issuer.bundle().to_string())).await;
    let world = world_of(&endpoint).await;
    endpoint.set(Behaviour::Document(old));
    let (status, _) = refresh(&world).await;
    assert_eq!(status, 400);
    assert_eq!(ask(&world, &issuer, "/w/1").await, 200);
    assert_eq!(world.events("authority.bundle_rolled_back").await.len(), 1);
}

// Rows I-05, I-20.
#[tokio::test]
async fn unknown_kids_cause_one_bundle_fetch_per_30_seconds() {
    let mut issuer = TestIssuer::new("z.example");
    let endpoint = Endpoint::start(Behaviour::Document(issuer.bundle().to_string())).await;
    let world = world_of(&endpoint).await;
    let before = endpoint.requests();
    issuer.rotate();
    endpoint.set(Behaviour::Document(issuer.bundle().to_string()));
    assert_eq!(
        ask(&world, &issuer, "/w/1").await,
        200,
        "a new key is found before the next poll"
    );
    assert_eq!(endpoint.requests(), before + 1);
    let unknown_key = generate_key(testudo_protocol::jose::Algorithm::ES256, None);
    let mut connection = world.connect().await;
    let began = Instant::now();
    for number in 0..500 {
        let draft = Draft::svid(&unknown_key, "spiffe://z.example/w/1", ISSUER, world.now());
        let body = svid_form(&draft.header("kid", format!("random-{number}")).sign(), &[]);
        assert_eq!(connection.post("/token", body).await.status, 400);
    }
    // On a busy machine the requests may take longer than 30 s.
    let most = before + 1 + began.elapsed().as_secs() as usize / 30;
    let fetched = endpoint.requests();
    assert!((before + 1..=most).contains(&fetched), "{fetched} of {most}");
    world.running.app.clock.shift(31);
    let draft =
        Draft::svid(&unknown_key, "spiffe://z.example/w/1", ISSUER, world.now()).header("kid", "again");
    world.send(&svid_form(&draft.sign(), &[])).await;
    assert_eq!(endpoint.requests(), fetched + 1);
}

// Row C-04.
#[tokio::test]
async fn svid_of_an_unconfigured_trust_domain_causes_no_fetch() {
    let issuer = TestIssuer::new("z.example");
    let endpoint = Endpoint::start(Behaviour::Document(issuer.bundle().to_string())).await;
    let world = world_of(&endpoint).await;
    let before = endpoint.requests();
    let other = TestIssuer::new("c.example");
    assert_eq!(ask(&world, &other, "/w/1").await, 400);
    assert_eq!(endpoint.requests(), before);
}

/// A fetch of a bundle ends after this time.
const FETCH_DEADLINE: Duration = Duration::from_secs(10);

// Row I-18.
#[tokio::test]
async fn bundle_source_that_hangs_or_sends_slowly_does_not_delay_other_trust_domains() {
    for behaviour in [Behaviour::Hang, Behaviour::Drip] {
        let issuer = TestIssuer::new("z.example");
        let endpoint = Endpoint::start(behaviour).await;
        let started = Instant::now();
        let world = world_of(&endpoint).await;
        assert!(
            started.elapsed() < FETCH_DEADLINE,
            "the server must be ready although a bundle is missing"
        );
        let waiting = tokio::spawn({
            let address = world.address();
            let body = svid_form(&issuer.svid("/w/1", ISSUER, world.now()), &[]);
            async move {
                let mut connection = testudo_testkit::http::Connection::open(address).await;
                let sent = Instant::now();
                (connection.post("/token", body).await.status, sent.elapsed())
            }
        });
        let mut worst = Duration::ZERO;
        for number in 0..50 {
            let sent = Instant::now();
            assert_eq!(ask(&world, &world.b, &format!("/x/{number}")).await, 200);
            worst = worst.max(sent.elapsed());
        }
        let (status, waited) = waiting.await.unwrap();
        assert_eq!(status, 503, "the request must be answered");
        assert!(worst < waited / 2, "{worst:?}, and {waited:?} for the source");
    }
}

#[tokio::test]
async fn bundle_with_a_key_that_is_also_listed_for_oidc_is_accepted() {
    let issuer = TestIssuer::new("z.example");
    let mut bundle = issuer.bundle();
    let mut same_key = bundle["keys"][0].clone();
    same_key["use"] = "sig".into();
    bundle["keys"].as_array_mut().unwrap().insert(0, same_key);
    let endpoint = Endpoint::start(Behaviour::Document(bundle.to_string())).await;
    let world = world_of(&endpoint).await;
    assert_eq!(ask(&world, &issuer, "/w/1").await, 200);
}

/// Sends an assertion whose `kid` is in no bundle.
async fn ask_with_unknown_kid(world: &World) -> u16 {
    let unknown_key = generate_key(testudo_protocol::jose::Algorithm::ES256, Some("unknown"));
    let draft = Draft::svid(&unknown_key, "spiffe://z.example/w/1", ISSUER, world.now());
    world.send(&svid_form(&draft.sign(), &[])).await.status
}

fn failures(world: &World) -> u64 {
    let text = testudo_server::scrape::scrape(&world.running.app);
    let line = text
        .lines()
        .find(|line| line.starts_with("testudo_bundle_failures_total{authority=\"spiffe://z.example\"}"));
    line.and_then(|line| line.rsplit(' ').next())
        .map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn early_fetch_of_a_bundle_is_recorded_like_a_scheduled_one() {
    let mut issuer = TestIssuer::new("z.example");
    let endpoint = Endpoint::start(Behaviour::Document(issuer.bundle().to_string())).await;
    let world = world_of(&endpoint).await;
    let told = async || {
        let events = world.events("authority.bundle_updated").await;
        let of_z = |event: &&serde_json::Value| event["authority"].as_str().unwrap().contains("z.example");
        events.iter().filter(of_z).count()
    };
    assert_eq!(told().await, 1);
    issuer.rotate();
    endpoint.set(Behaviour::Document(issuer.bundle().to_string()));
    assert_eq!(
        ask(&world, &issuer, "/w/1").await,
        200,
        "the new key must be fetched before the next scheduled fetch"
    );
    assert_eq!(told().await, 2);
}

#[tokio::test]
async fn outage_of_a_bundle_source_is_recorded_once_by_early_or_scheduled_fetch() {
    let issuer = TestIssuer::new("z.example");
    let endpoint = Endpoint::start(Behaviour::Document(issuer.bundle().to_string())).await;
    let world = world_of(&endpoint).await;
    endpoint.set(Behaviour::Status(500));
    assert_eq!(ask_with_unknown_kid(&world).await, 400);
    assert_eq!(
        world.events("authority.bundle_stale").await.len(),
        1,
        "the early fetch records the outage"
    );
    assert_eq!(failures(&world), 1);
    assert_eq!(refresh(&world).await.0, 502);
    assert_eq!(failures(&world), 2);
    world.running.app.clock.shift(31);
    assert_eq!(ask_with_unknown_kid(&world).await, 400);
    assert_eq!(failures(&world), 3);
    assert_eq!(
        world.events("authority.bundle_stale").await.len(),
        1,
        "the same outage must not be recorded again"
    );
    endpoint.set(Behaviour::Document(issuer.bundle().to_string()));
    assert_eq!(refresh(&world).await.0, 200);
    endpoint.set(Behaviour::Status(500));
    assert_eq!(refresh(&world).await.0, 502);
    assert_eq!(
        world.events("authority.bundle_stale").await.len(),
        2,
        "the next outage must be recorded"
    );
}

#[tokio::test]
async fn caller_that_closes_its_connection_does_not_end_the_early_fetch() {
    let mut issuer = TestIssuer::new("z.example");
    let endpoint = Endpoint::start(Behaviour::Document(issuer.bundle().to_string())).await;
    let world = world_of(&endpoint).await;
    issuer.rotate();
    let before = endpoint.requests();
    endpoint.set(Behaviour::Slow(issuer.bundle().to_string()));
    // An unauthenticated request with an unknown `kid` starts a fetch, and its caller closes the connection before the
    // source answers.
    let unknown_key = generate_key(testudo_protocol::jose::Algorithm::ES256, Some("unknown"));
    let draft = Draft::svid(&unknown_key, "spiffe://z.example/w/1", ISSUER, world.now());
    let body = svid_form(&draft.sign(), &[]);
    let mut connection = world.connect().await;
    let request = tokio::spawn(async move { connection.post("/token", body).await.status });
    let started = Instant::now();
    while endpoint.requests() == before {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "no fetch began within the deadline"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    request.abort();
    let started = Instant::now();
    while ask(&world, &issuer, "/w/1").await != 200 {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "the new key was not used within the deadline"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        endpoint.requests(),
        before + 1,
        "there must be exactly one early fetch"
    );
}

#[tokio::test]
async fn configured_maximum_age_limits_the_refresh_hint_and_both_are_shown() {
    let issuer = TestIssuer::new("z.example");
    let endpoint = Endpoint::start(Behaviour::Document(issuer.bundle().to_string())).await;
    let domains = format!(
        "[[trust_domains]]\nname = \"z.example\"\nbundle = {{ url = \"{}\", max_staleness = \"20s\" }}\n",
        endpoint.url
    );
    let rules = "[[rules]]\nname = \"Z\"\nidentities = [\"spiffe://z.example/w/*\"]\n";
    let world = World::start_with(&domains, rules).await;
    assert_eq!(ask(&world, &issuer, "/w/1").await, 200);
    let shown = async || {
        world
            .admin("GET", "/admin/v1/trust/z.example", serde_json::Value::Null)
            .await
    };
    let now = shown().await;
    assert_eq!(now["max_staleness_seconds"], 20, "{now}");
    assert_eq!(now["refresh_hint_seconds"], 300, "{now}");
    assert_eq!(now["refresh_interval_seconds"], 10.0, "{now}");
    endpoint.set(Behaviour::Status(500));
    world.running.app.clock.shift(21);
    assert_eq!(shown().await["state"], "expired");
    assert_eq!(ask(&world, &issuer, "/w/1").await, 503);
    endpoint.set(Behaviour::Document(issuer.bundle().to_string()));
    assert_eq!(refresh(&world).await.0, 200);
    assert_eq!(ask(&world, &issuer, "/w/1").await, 200);
}

#[tokio::test]
async fn refresh_accepts_a_reason_or_no_body_and_refuses_unknown_members() {
    let world = World::start().await;
    let refresh = "/admin/v1/trust/a.example/refresh";
    for (body, status) in [
        (serde_json::Value::Null, 200),
        (json!({}), 200),
        (json!({ "reason": null }), 200),
        (json!({ "reason": "incident 7" }), 200),
        (json!({ "raeson": "incident 7" }), 400),
    ] {
        let (found, answer) = world.try_admin("POST", refresh, body.clone()).await;
        assert_eq!(found, status, "{body}: {answer}");
    }
}

#[tokio::test]
async fn clock_that_is_set_back_does_not_keep_a_stale_bundle_in_use() {
    let issuer = TestIssuer::new("z.example");
    let endpoint = Endpoint::start(Behaviour::Document(issuer.bundle().to_string())).await;
    let world = world_of(&endpoint).await;
    endpoint.set(Behaviour::Status(500));
    world.running.app.clock.step(-86_400);
    assert_eq!(ask(&world, &issuer, "/w/1").await, 200, "an hour has not passed");
    world.running.app.clock.shift(3601);
    assert_eq!(
        ask(&world, &issuer, "/w/1").await,
        503,
        "an hour has passed, independent of the wall clock"
    );
    let shown = world
        .admin("GET", "/admin/v1/trust/z.example", serde_json::Value::Null)
        .await;
    assert_eq!(shown["state"], "expired");
    assert!(shown["age_seconds"].as_i64().unwrap() >= 3601, "{shown}");
}

#[tokio::test]
async fn bundle_source_with_one_dead_address_is_fetched_from_the_other() {
    let issuer = TestIssuer::new("z.example");
    let endpoint = Endpoint::start(Behaviour::Document(issuer.bundle().to_string())).await;
    let domain = format!(
        "[[trust_domains]]\nname = \"z.example\"\nbundle = {{ url = \"{}\" }}\n",
        endpoint.url.replace("127.0.0.1", "localhost")
    );
    let rules = "[[rules]]\nname = \"Z\"\nidentities = [\"spiffe://z.example/w/*\"]\n";
    let addresses: Vec<std::net::IpAddr> = ["::1", "127.0.0.9", "127.0.0.1"]
        .map(|text| text.parse().unwrap())
        .to_vec();
    let network = testudo_server::Network {
        lookup: testudo_server::NameLookup::new(move |_| Ok(addresses.clone())),
        ..Default::default()
    };
    let world = World::start_with(&domain, rules).await.on(network).await;
    assert_eq!(ask(&world, &issuer, "/w/1").await, 200);
}

#[tokio::test]
async fn disabled_trust_domain_without_a_bundle_is_refused_without_a_retry() {
    let issuer = TestIssuer::new("z.example");
    let endpoint = Endpoint::start(Behaviour::Status(500)).await;
    let world = world_of(&endpoint).await;
    let svid = svid_form(&issuer.svid("/w/1", ISSUER, world.now()), &[]);
    assert_eq!(
        world.send(&svid).await.status,
        503,
        "the fault is in this server: the client may retry"
    );
    world
        .admin("POST", "/admin/v1/trust/z.example/disable", serde_json::json!({}))
        .await;
    assert_eq!(world.send(&svid).await.error(), "invalid_client");
}

//! `cargo xtask bench people`: measures each step of a sign-in that needs no person in front of a page, and what clients and
//! resource servers do with the tokens that follow. Beside each step stands the raw cryptography that it cannot do without.

use crate::fixture::{CONNECTIONS, Folder, Server, now};
use crate::raw::Signatures;
use hyper::body::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::person::{Person, forms};
use testudo_testkit::{TestIssuer, form, free_port};
use url::Url;

/// Requests of each step.
const REQUESTS: usize = 10_000;
/// Applications, whose requests are sent in turn: one alone may push only 3,000 requests at once.
const CLIENTS: usize = 50;

/// [RFC7636 B]
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

const RULES: &str = r#"
[login]
development = ["alice"]
[[rules]]
name = "web"
identities = ["spiffe://bench.example/web/{name}"]
grant_types = ["authorization_code", "refresh_token"]
redirect_uris = ["https://{name}.apps.example/cb"]
scopes = ["orders.read"]
default_scopes = ["orders.read"]
resources = ["https://orders.example/"]
[[rules]]
name = "api"
identities = ["spiffe://bench.example/api"]
introspects = ["https://orders.example/"]
"#;

/// One request of a step.
struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

/// What is measured.
struct Step {
    name: &'static str,
    /// Verifications and signatures that each request needs.
    operations: (f64, f64),
    /// The status of every answer.
    status: u16,
}

impl Step {
    fn new(name: &'static str, operations: (f64, f64), status: u16) -> Step {
        Step {
            name,
            operations,
            status,
        }
    }
}

/// The server, and who asks it.
struct Bench {
    server: Server,
    issuer: TestIssuer,
    url: String,
    /// The cookies of a person who consented to all applications.
    cookie: String,
}

pub async fn run() {
    let issuer = TestIssuer::new("bench.example");
    let url = format!("http://127.0.0.1:{}", free_port());
    let folder = Folder::new(&issuer);
    folder.edit("https://as.example", &url);
    let listen = url.trim_start_matches("http://");
    folder.edit("127.0.0.1:0", listen);
    folder.append(RULES, "unused.json", "{}");
    let server = Server::start(&folder.0);
    let mut bench = Bench {
        server,
        issuer,
        url,
        cookie: String::new(),
    };
    bench.sign_in().await;
    let key = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, None);
    let raw = Signatures::of(&key, 400);

    let pushes = (0..REQUESTS).map(|number| bench.push(number)).collect();
    let pushed = bench
        .step(&raw, Step::new("pushed request", (1.0, 0.0), 201), pushes)
        .await;
    let visits = pushed
        .iter()
        .enumerate()
        .map(|(number, answer)| bench.visit(number, answer));
    let visits = visits.collect();
    let sent_on = bench
        .step(
            &raw,
            Step::new("authorize with a session", (0.0, 0.0), 303),
            visits,
        )
        .await;
    let redemptions = sent_on
        .iter()
        .enumerate()
        .map(|(number, answer)| bench.redemption(number, answer));
    let redemptions = redemptions.collect();
    let redeemed = bench
        .step(
            &raw,
            Step::new("redemption of a code", (1.0, 1.0), 200),
            redemptions,
        )
        .await;
    let refreshes = redeemed
        .iter()
        .enumerate()
        .map(|(number, answer)| bench.refresh(number, answer));
    let refreshes = refreshes.collect();
    let refreshed = bench
        .step(&raw, Step::new("refresh", (1.0, 1.0), 200), refreshes)
        .await;
    for (name, accept, operations) in [
        ("introspection, plain", "application/json", (2.0, 0.0)),
        (
            "introspection, signed",
            "application/token-introspection+jwt",
            (2.0, 1.0),
        ),
    ] {
        let questions = refreshed
            .iter()
            .map(|answer| bench.question(answer, accept))
            .collect();
        bench
            .step(&raw, Step::new(name, operations, 200), questions)
            .await;
    }
    println!(
        "resident memory {:.1} MB, store {:.1} MB",
        bench.server.resident_mb(),
        folder.store_bytes() as f64 / 1e6
    );
}

fn client(number: usize) -> String {
    format!("spiffe://bench.example/web/s{}", number % CLIENTS)
}

fn text(answer: &Answer, member: &str) -> String {
    answer.json()[member].as_str().expect("a text member").to_owned()
}

impl Bench {
    /// A person signs in and consents to every application.
    async fn sign_in(&mut self) {
        let mut person = Person::new(&self.url, self.server.address);
        for number in 0..CLIENTS {
            let push = self.push(number);
            let mut connection = Connection::open(self.server.address).await;
            let answer = send(&mut connection, &push).await;
            assert_eq!(answer.status, 201, "{answer:?}");
            let sent_on = person.walk(&visit_of(number, &answer)).await;
            sent_on.expect("a code");
        }
        let page = person.open("/account").await;
        let page = String::from_utf8_lossy(&page.body);
        assert!(!forms(&page).is_empty(), "{page}");
        let pairs = person
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        self.cookie = pairs.collect::<Vec<_>>().join("; ");
    }

    /// A request with an SVID that was not sent before.
    fn post(&self, path: &str, subject: &str, fields: &[(&str, &str)]) -> Request {
        let claims = serde_json::json!({
            "sub": subject, "aud": [self.url], "iat": now(), "exp": now() + 3000,
        });
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
        let svid = self.issuer.sign(&claims);
        let own = [
            ("client_assertion_type", kind),
            ("client_assertion", svid.as_str()),
        ];
        Request {
            method: "POST",
            path: path.to_owned(),
            headers: vec![("content-type", "application/x-www-form-urlencoded".to_owned())],
            body: form(&[&own, fields].concat()).into(),
        }
    }

    fn push(&self, number: usize) -> Request {
        let asked = [
            ("response_type", "code"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("scope", "orders.read"),
        ];
        self.post("/par", &client(number), &asked)
    }

    fn visit(&self, number: usize, pushed: &Answer) -> Request {
        Request {
            method: "GET",
            path: visit_of(number, pushed),
            headers: vec![
                ("cookie", self.cookie.clone()),
                ("host", self.url.trim_start_matches("http://").to_owned()),
            ],
            body: Bytes::new(),
        }
    }

    fn redemption(&self, number: usize, sent_on: &Answer) -> Request {
        let url = Url::parse(sent_on.header("location").expect("a redirect")).expect("a URL");
        let found = url.query_pairs().find(|(name, _)| name == "code");
        let (_, code) = found.expect("a code");
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("code_verifier", VERIFIER),
        ];
        self.post("/token", &client(number), &fields)
    }

    fn refresh(&self, number: usize, tokens: &Answer) -> Request {
        let token = text(tokens, "refresh_token");
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
        self.post("/token", &client(number), &fields)
    }

    fn question(&self, tokens: &Answer, accept: &str) -> Request {
        let token = text(tokens, "access_token");
        let mut request = self.post("/introspect", "spiffe://bench.example/api", &[("token", &token)]);
        request.headers.push(("accept", accept.to_owned()));
        request
    }

    /// Sends all requests of a step. Prints the CPU time of the server for each,
    /// and the batches that it wrote. Returns the answers in the order of the requests.
    async fn step(&self, raw: &Signatures<'_>, step: Step, requests: Vec<Request>) -> Vec<Answer> {
        let Step {
            name,
            operations,
            status,
        } = step;
        let count = requests.len();
        let written = self.server.batches_written().await;
        let mut answers = Vec::new();
        let measured = async {
            let (before, started) = (self.server.cpu_seconds(), Instant::now());
            let mut sent = send_all(&self.server, requests).await;
            let us = (self.server.cpu_seconds() - before) * 1e6 / count as f64;
            let elapsed = started.elapsed();
            let mut latencies: Vec<Duration> = sent.iter().map(|(latency, _)| *latency).collect();
            latencies.sort();
            println!(
                "{name:<26} {us:>6.1} us of server CPU ({:.0} per second of elapsed time with the driver), p50 {:.2} ms, p99 {:.2} ms",
                count as f64 / elapsed.as_secs_f64(),
                latencies[count / 2].as_secs_f64() * 1e3,
                latencies[count * 99 / 100].as_secs_f64() * 1e3,
            );
            answers.extend(sent.drain(..).map(|(_, answer)| answer));
            us
        };
        match operations {
            // No signature is made or verified.
            (0.0, 0.0) => raw.compare((1.0, 0.0), measured).await,
            operations => raw.compare(operations, measured).await,
        }
        for answer in &answers {
            assert_eq!(answer.status, status, "{name}: {answer:?}");
        }
        let written = self.server.batches_written().await - written;
        println!("  {written} store batches for {count} requests");
        answers
    }
}

fn visit_of(number: usize, pushed: &Answer) -> String {
    let request_uri = text(pushed, "request_uri");
    let client = client(number);
    let parameters = [
        ("client_id", client.as_str()),
        ("request_uri", request_uri.as_str()),
    ];
    format!("/authorize?{}", form(&parameters))
}

/// Sends the requests over kept connections; returns latencies and answers in the order of the requests.
async fn send_all(server: &Server, requests: Vec<Request>) -> Vec<(Duration, Answer)> {
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (requests, next, address) = (requests.clone(), next.clone(), server.address);
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await;
                let mut answers = Vec::new();
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    let Some(request) = requests.get(position) else {
                        return answers;
                    };
                    let sent = Instant::now();
                    let answer = send(&mut connection, request).await;
                    answers.push((position, sent.elapsed(), answer));
                }
            })
        })
        .collect();
    let mut answers = Vec::new();
    for worker in workers {
        answers.extend(worker.await.expect("a worker"));
    }
    answers.sort_by_key(|(position, ..)| *position);
    answers
        .into_iter()
        .map(|(_, latency, answer)| (latency, answer))
        .collect()
}

async fn send(connection: &mut Connection, request: &Request) -> Answer {
    let headers: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    connection
        .send(request.method, &request.path, &headers, request.body.clone())
        .await
}

//! A test server on loopback with its own trust domains.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use testudo_core::doors::AuthorityKeys;
use testudo_core::{Actor, Authority};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_server::config::{Configuration, Report};
use testudo_server::serve::{Options, start_server};
use testudo_server::{Network, Note};
use testudo_server::{Running, config};
use testudo_testkit::http::{Answer, Connection, TlsClient};
use testudo_testkit::scratch::folder;
use testudo_testkit::token::Draft;
use testudo_testkit::x509::{X509Chain, X509Issuer, web_certificate};
use testudo_testkit::{TestIssuer, assertion_form, generate_key, key_set, svid_form};
use tokio::sync::Barrier;

pub const ISSUER: &str = "https://as.example";
pub const TLS: &str = "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }";

pub struct World {
    pub folder: PathBuf,
    pub a: TestIssuer,
    pub b: TestIssuer,
    pub o: TestIssuer,
    pub f: TestIssuer,
    pub c6: SigningKey,
    pub running: Running,
}

/// Trust domains a and b (on), o (observe), f (off); R1 to R5; the configured client C6.
pub const RULES: &str = r#"
[[rules]]
name = "R1"
identities = ["spiffe://a.example/ns/{namespace}/sa/{service}"]
scopes = ["r", "w"]
default_scopes = ["r"]
resources = ["https://api.example/"]
redirect_uris = ["https://{service}.{namespace}.apps.example/cb"]
client_name = "{service} in {namespace}"
client_idle_lifetime = "30d"
[[rules]]
name = "R2"
identities = ["spiffe://a.example/fleet/{name}/{instance}"]
[[rules]]
name = "R3"
identities = ["spiffe://a.example/each/{name}/{instance}"]
client = "instance"
[[rules]]
name = "R4"
identities = ["spiffe://b.example/x/*"]
[[rules]]
name = "R5"
identities = ["spiffe://o.example/ns/{namespace}/sa/{service}", "spiffe://f.example/ns/{namespace}/sa/{service}"]
scopes = ["r", "w"]
default_scopes = ["r"]
[[rules]]
name = "W"
identities = ["spiffe://a.example/x/*"]
[[rules]]
name = "opaque"
identities = ["spiffe://a.example/opaque/*"]
client_id = "opaque"
[[rules]]
name = "template"
identities = ["spiffe://a.example/t/*/{name}"]
client_id = "workload-{name}"
[[rules]]
name = "mortal"
identities = ["spiffe://a.example/mortal/*"]
client_lifetime = "1h"
[[rules]]
name = "small"
identities = ["spiffe://a.example/small/*"]
clients_max = 3
[[rules]]
name = "ten"
identities = ["spiffe://a.example/ten/*"]
clients_max = 10
[[rules]]
name = "slow"
identities = ["spiffe://a.example/slow/*"]
registrations_per_minute = 60
registrations_burst = 5
"#;

/// [`RULES`], where the rule `slow` gives one more registration every ten seconds and not every second: on a busy
/// machine, some requests take a second.
pub fn slower_rules() -> String {
    RULES.replace("registrations_per_minute = 60", "registrations_per_minute = 6")
}

pub fn domains(more: &str) -> String {
    let domain = |name: &str, first_use: &str, more: &str| {
        format!(
            "[[trust_domains]]\nname = \"{name}.example\"\nbundle = {{ file = \"{name}.json\" }}\n\
             first_use = \"{first_use}\"\nregistrations_per_minute = 1000000\n{more}\n"
        )
    };
    [
        domain("a", "on", more),
        domain("b", "on", ""),
        domain("o", "observe", ""),
        domain("f", "off", ""),
    ]
    .concat()
}

impl World {
    /// A server with TLS that accepts X.509-SVIDs of `a.example` and `b.example`.
    pub async fn start_with_tls(rules: &str, server: &str) -> (World, MutualTls) {
        World::start_with_tls_and(rules, server, |_| {}).await
    }

    /// The same server, whose configuration names files that `more` writes.
    pub async fn start_with_tls_and(
        rules: &str,
        server: &str,
        more: impl FnOnce(&std::path::Path),
    ) -> (World, MutualTls) {
        let tls = MutualTls::new();
        let domains = domains("credentials = [\"jwt_svid\", \"x509_svid\"]").replacen(
            "name = \"b.example\"\n",
            "name = \"b.example\"\ncredentials = [\"x509_svid\"]\n",
            1,
        );
        let world = World::prepare(&domains, rules, server, |folder| {
            tls.write(folder);
            more(folder);
        })
        .await;
        world.publish(&tls).await;
        (world, tls)
    }

    /// The same server behind a proxy that terminates TLS.
    pub async fn start_with_tls_off(server: &str) -> (World, MutualTls) {
        World::start_with_tls(RULES, server).await
    }

    /// Publishes the X.509 authorities together with the JWT keys.
    pub async fn publish(&self, tls: &MutualTls) {
        for (name, issuer, x509) in [("a", &self.a, &tls.a), ("b", &self.b, &tls.b)] {
            let mut bundle = issuer.bundle();
            bundle["keys"].as_array_mut().unwrap().push(x509.jwk());
            std::fs::write(self.folder.join(format!("{name}.json")), bundle.to_string()).unwrap();
            self.admin(
                "POST",
                &format!("/admin/v1/trust/{name}.example/refresh"),
                serde_json::json!({}),
            )
            .await;
        }
    }

    /// Writes the key set of an issuer to its file.
    pub fn write_keys(&self, name: &str, keys: &[&SigningKey]) {
        let path = self.folder.join(format!("{name}.json"));
        std::fs::write(path, key_set(keys).to_string()).unwrap();
    }

    /// Writes the key set of an issuer and has it read.
    pub async fn publish_keys(&self, name: &str, keys: &[&SigningKey]) {
        self.write_keys(name, keys);
        let path = format!("/admin/v1/trust/{name}/refresh");
        self.admin("POST", &path, serde_json::json!({})).await;
    }

    pub async fn start() -> World {
        World::start_with(&domains(""), RULES).await
    }

    pub async fn start_with(domains: &str, rules: &str) -> World {
        World::prepare(domains, rules, "", |_| {}).await
    }

    /// A server without TLS, whose configuration names files that `more` writes.
    pub async fn start_with_files(rules: &str, more: impl FnOnce(&Path)) -> World {
        World::prepare(&domains(""), rules, "", more).await
    }

    async fn prepare(domains: &str, rules: &str, server: &str, more: impl FnOnce(&Path)) -> World {
        let issuer = TestIssuer::new;
        let (a, b, o, f) = (
            issuer("a.example"),
            issuer("b.example"),
            issuer("o.example"),
            issuer("f.example"),
        );
        let c6 = generate_key(Algorithm::ES256, Some("c6"));
        let folder = folder("node");
        for (name, issuer) in [("a", &a), ("b", &b), ("o", &o), ("f", &f)] {
            std::fs::write(folder.join(format!("{name}.json")), issuer.bundle().to_string()).unwrap();
        }
        let jwks = key_set(&[&c6]);
        std::fs::write(folder.join("c6.json"), jwks.to_string()).unwrap();
        more(&folder);
        write_config(&folder, domains, rules, server);
        let running = run(&folder, Network::default()).await;
        World {
            folder,
            a,
            b,
            o,
            f,
            c6,
            running,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.running.addresses[0]
    }

    /// A node with PostgreSQL; [`World::join`] starts further nodes.
    pub async fn start_over(database_url: &str) -> (World, MutualTls) {
        let server = format!("{TLS}\n[registration]\nopen = {{ grant_types = [\"client_credentials\"] }}");
        let (mut world, tls) = World::start_with_tls(RULES, &server).await;
        world.running.stop().await;
        let path = world.folder.join("testudo.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let key = "P4DmWGtsyIpx4YFDV-kWotaK7o9RQT54KpalCx2qcl0";
        let store = format!(
            "url = \"{database_url}\"\nkey_encryption_key = \"{key}\"\nserve_without_store = \"20s\""
        );
        std::fs::write(path, text.replace("url = \"sqlite:test.db\"", &store)).unwrap();
        world.running = run(&world.folder, Network::default()).await;
        (world, tls)
    }

    /// Another node of the same cluster, with a copy of the files in its own folder.
    pub async fn join(&self) -> (Running, PathBuf) {
        self.join_with(|text| text).await
    }

    /// Another node with a changed configuration.
    pub async fn join_with(&self, change: impl FnOnce(String) -> String) -> (Running, PathBuf) {
        let folder = folder("node");
        for entry in std::fs::read_dir(&self.folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| {
                ["json", "toml", "crt", "key"]
                    .iter()
                    .any(|known| extension == *known)
            }) {
                std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
            }
        }
        let path = folder.join("testudo.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, change(text)).unwrap();
        (run(&folder, Network::default()).await, folder)
    }

    /// Restarts the server with this network for outbound requests.
    pub async fn on(mut self, network: Network) -> World {
        self.running.stop().await;
        self.running = run(&self.folder, network).await;
        self
    }

    /// Stops the server and starts it again with the same store.
    pub async fn restart(self) -> World {
        self.restart_after(|_| {}).await
    }

    /// The same, with a change of the files in its folder in between: the first server does not read them any more.
    pub async fn restart_after(mut self, change: impl FnOnce(&Path)) -> World {
        self.running.stop().await;
        change(&self.folder);
        self.running = run(&self.folder, Network::default()).await;
        self
    }

    pub async fn reload_with(&self, domains: &str, rules: &str) {
        write_config(&self.folder, domains, rules, "");
        testudo_server::reload::reload(&self.running.app, Note::by(&Actor::Signal))
            .await
            .expect("a configuration without errors");
    }

    pub fn svid(&self, path: &str) -> String {
        self.a.svid(path, ISSUER, self.now())
    }

    /// The current keys of an authority.
    pub fn authority_keys(&self, authority: &Authority) -> Option<AuthorityKeys> {
        let app = &self.running.app;
        app.in_force.load().authority_keys(authority, app.moment())
    }

    pub fn now(&self) -> i64 {
        self.running.app.now().0
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(self.address()).await
    }

    /// A token request of a workload of `a.example`.
    pub async fn ask(&self, path: &str, more: &[(&str, &str)]) -> Answer {
        self.send(&svid_form(&self.svid(path), more)).await
    }

    pub async fn send(&self, body: &str) -> Answer {
        let answer = self.connect().await.post("/token", body.to_owned()).await;
        assert_answer_form(&answer);
        answer
    }

    pub async fn ask_as_c6(&self, jti: &str, more: &[(&str, &str)]) -> Answer {
        self.ask_with(Draft::assertion(&self.c6, "c6", ISSUER, jti, self.now()), more)
            .await
    }

    /// A token request by `private_key_jwt`.
    pub async fn ask_with(&self, assertion: Draft<'_>, more: &[(&str, &str)]) -> Answer {
        self.send(&assertion_form(&assertion.sign(), more)).await
    }

    /// Sends JSON with a bearer token; without a body if it is `null`.
    pub async fn send_as(&self, token: &str, method: &str, path: &str, body: &serde_json::Value) -> Answer {
        let authorization = format!("Bearer {token}");
        let headers = [
            ("content-type", "application/json"),
            ("authorization", authorization.as_str()),
        ];
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.connect().await.send(method, path, &headers, body).await
    }

    /// The clients, as the listener of the admin API answers this bearer token.
    pub async fn clients_over_http(&self, token: &str) -> Answer {
        let mut admin = Connection::open(self.running.admin_address.unwrap()).await;
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str())];
        admin.send("GET", "/admin/v1/clients", &headers, "").await
    }

    /// Sends all token requests at the same moment, each on its own connection.
    pub async fn at_once(&self, requests: Vec<TokenRequest>) -> Vec<Answer> {
        let gate = Arc::new(Barrier::new(requests.len()));
        let address = self.address();
        let racers: Vec<_> = requests
            .into_iter()
            .map(|(fields, form)| {
                let gate = gate.clone();
                tokio::spawn(async move {
                    let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
                    headers.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
                    let mut connection = Connection::open(address).await;
                    gate.wait().await;
                    connection.send("POST", "/token", &headers, form).await
                })
            })
            .collect();
        let mut answers = Vec::new();
        for racer in racers {
            let answer = racer.await.unwrap();
            assert_answer_form(&answer);
            answers.push(answer);
        }
        answers
    }

    /// The admin API, as the command line uses it.
    pub async fn admin(&self, method: &str, path: &str, body: serde_json::Value) -> serde_json::Value {
        let (status, answer) = self.try_admin(method, path, body).await;
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    pub async fn try_admin(
        &self,
        method: &str,
        path: &str,
        body: serde_json::Value,
    ) -> (u16, serde_json::Value) {
        testudo_testkit::http::over_socket(&self.folder.join("admin.sock"), method, path, body).await
    }

    /// The number of reads of the store during a piece of work. Background work may read at the same moment, such as the
    /// regular refresh of a bundle, so the work is done five times, and the smallest number counts.
    pub async fn reads_of(&self, mut work: impl AsyncFnMut()) -> u64 {
        let store = &self.running.app.store;
        let mut fewest = u64::MAX;
        for _ in 0..5 {
            let before = store.reads();
            work().await;
            fewest = fewest.min(store.reads() - before);
        }
        fewest
    }

    /// The answer of `/metrics`.
    pub async fn metrics(&self) -> String {
        let socket = self.folder.join("admin.sock");
        let path = "/metrics";
        let answer =
            testudo_testkit::http::answer_over_socket(&socket, "GET", path, serde_json::Value::Null).await;
        String::from_utf8(answer.body).unwrap()
    }

    pub async fn clients(&self) -> Vec<serde_json::Value> {
        let page = self
            .admin("GET", "/admin/v1/clients", serde_json::Value::Null)
            .await;
        page["clients"].as_array().unwrap().clone()
    }

    pub async fn client_ids(&self) -> Vec<String> {
        self.clients()
            .await
            .iter()
            .map(|client| client["client_id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// All events of a kind, the oldest first.
    pub async fn events(&self, kind: &str) -> Vec<serde_json::Value> {
        self.events_with(&format!("type={kind}")).await
    }

    /// The event of a refused request.
    pub async fn refusal(&self, refused: &Answer) -> serde_json::Value {
        let id = refused.header("request-id").unwrap();
        let mut events = self.events("client.refused").await.into_iter();
        let found = events.find(|event| event["request_id"] == id);
        found.unwrap_or_else(|| panic!("no event of {refused:?}"))
    }

    /// The reason in the event of a refused request.
    pub async fn reason_of(&self, refused: &Answer) -> String {
        let event = self.refusal(refused).await;
        event["reason"].as_str().unwrap().to_owned()
    }

    /// All events that match a filter, the oldest first: an answer may end before the last event, and then has a cursor.
    pub async fn events_with(&self, filter: &str) -> Vec<serde_json::Value> {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/admin/v1/events?{filter}&limit=1000&order=oldest&after={after}");
            let page = self.admin("GET", &path, serde_json::Value::Null).await;
            found.extend(page["events"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = next.to_owned(),
                None => return found,
            }
        }
    }
}

/// The further header fields of a token request, and its form.
pub type TokenRequest = (Vec<(&'static str, String)>, String);

/// Checks that a token request was granted.
#[track_caller]
pub fn assert_granted(answer: &Answer, case: &str) {
    assert_eq!(answer.status, 200, "{case}: {}", answer.json());
}

/// Checks that a token request was refused with this error code.
#[track_caller]
pub fn assert_refused(answer: &Answer, code: &str, case: &str) {
    let found = (answer.status, answer.error());
    assert_eq!(found, (400, code.to_owned()), "{case}: {}", answer.json());
}

/// Checks that one request was granted, and each of the others refused with this error code.
#[track_caller]
pub fn assert_one_is_granted(answers: &[Answer], code: &str, case: &str) {
    let (granted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(granted.len(), 1, "{case}");
    for answer in refused {
        assert_refused(answer, code, case);
    }
}

/// Checks that the answers are this error code, and that their status and body do not tell which fault a request has.
#[track_caller]
pub fn assert_same_answers(code: &str, answers: &[(&str, Answer)]) {
    let (_, first) = &answers[0];
    for (fault, answer) in answers {
        assert_eq!(answer.error(), code, "{fault}");
        assert_eq!(
            (answer.status, &answer.body),
            (first.status, &first.body),
            "{fault}"
        );
    }
}

/// Checks the common form of every answer.
pub fn assert_answer_form(answer: &Answer) {
    assert!(
        answer.status < 500 || answer.status == 503,
        "no 5xx except 503 is allowed: {answer:?}"
    );
    assert!(answer.header("request-id").is_some(), "Request-Id");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    if answer.status != 200 {
        assert!(answer.json()["access_token"].is_null());
        assert!(
            !answer.error().is_empty(),
            "the answer must have an OAuth error: {answer:?}"
        );
        if answer.error() == "invalid_client" {
            assert_eq!(answer.json()["error_description"], "client authentication failed");
        }
        if answer.status == 401 {
            assert!(answer.header("www-authenticate").is_some(), "[RFC9110 §15.5.2]");
        }
    }
}

/// X.509 authorities of the trust domains, and the server's own certificate.
pub struct MutualTls {
    pub a: X509Issuer,
    pub b: X509Issuer,
    root: X509Chain,
    server: X509Chain,
}

impl MutualTls {
    pub fn new() -> MutualTls {
        let (server, root) = web_certificate("as.example");
        MutualTls {
            a: X509Issuer::new("a.example"),
            b: X509Issuer::new("b.example"),
            root,
            server,
        }
    }

    /// Writes the files that [`TLS`] names.
    pub fn write(&self, folder: &Path) {
        std::fs::write(folder.join("tls.crt"), self.server.chain_pem()).unwrap();
        std::fs::write(folder.join("tls.key"), self.server.key_pem()).unwrap();
    }

    /// A client that resumes its TLS sessions.
    pub fn client(&self, client: &X509Chain) -> TlsClient {
        TlsClient::new(&self.root.chain, Some(client))
    }

    /// How a browser connects, without a certificate.
    pub fn browser(&self) -> TlsClient {
        TlsClient::new(&self.root.chain, None)
    }

    pub async fn connect(&self, address: SocketAddr, client: Option<&X509Chain>) -> Option<Connection> {
        Connection::open_tls(address, &self.root.chain, client).await
    }
}

fn write_config(folder: &Path, domains: &str, rules: &str, server: &str) {
    let text = format!(
        r#"
issuer = "{ISSUER}"
[server]
listen = ["127.0.0.1:0"]
{server}
[store]
url = "sqlite:test.db"
[admin]
socket = "admin.sock"
{domains}
{rules}
[[clients]]
client_id = "c6"
jwks = {{ file = "c6.json" }}
scopes = ["r", "w"]
default_scopes = ["r"]
"#
    );
    std::fs::write(folder.join("testudo.toml"), text).unwrap();
}

/// Loads a configuration with these entries, which names files of this folder, without a server.
pub fn load_with(folder: &Path, entries: &str) -> Result<(Configuration, Report), Report> {
    let path = folder.join("entries.toml");
    let text = format!("issuer = \"{ISSUER}\"\n[store]\nurl = \"memory:\"\n{entries}");
    std::fs::write(&path, text).unwrap();
    config::load(&path, 1)
}

async fn run(folder: &Path, network: Network) -> Running {
    try_to_run(folder, network).await.unwrap()
}

/// Starts a server with the files of this folder; the error is why it does not start.
pub async fn run_in(folder: &Path) -> Result<Running, String> {
    try_to_run(folder, Network::default()).await
}

async fn try_to_run(folder: &Path, network: Network) -> Result<Running, String> {
    let path = folder.join("testudo.toml");
    let (configuration, _) = config::load(&path, 1).unwrap_or_else(|report| panic!("{report}"));
    let options = Options {
        config_path: Some(path),
        network,
        ..Options::default()
    };
    start_server(configuration, options).await
}

/// A moment as the admin API writes it, in seconds since the epoch.
#[track_caller]
pub fn moment(text: &serde_json::Value) -> i64 {
    let text = text.as_str().unwrap_or_else(|| panic!("{text} is not text"));
    testudo_protocol::Timestamp::parse(text).unwrap().0
}

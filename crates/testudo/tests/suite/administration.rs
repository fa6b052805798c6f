//! The admin API over HTTP and the signing keys, as an attacker and an administrator meet them: the built binary, two
//! nodes over one PostgreSQL.

use crate::binary::{ISSUER, Server, Site, folder, stderr};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::postgres::Postgres;
use testudo_testkit::{svid_form, token};

const ADMINISTRATORS: &str = "administrators = [\"spiffe://prod.example/ops/*\"]\n";
const RULES: &str = r#"
[[rules]]
name = "people"
identities = ["spiffe://prod.example/ops/*", "spiffe://prod.example/audit/*", "spiffe://prod.example/dev/*"]
scopes = ["admin.read", "admin.write", "orders.read"]
default_scopes = ["admin.write"]
"#;
/// How soon the other node must feel a change. Five other suites may load the machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A site whose administrators are the workloads under `/ops/`.
fn site() -> Site {
    let site = Site::new();
    site.configure("", RULES);
    edit(
        &site,
        "[[trust_domains]]",
        &format!("{ADMINISTRATORS}[[trust_domains]]"),
    );
    site
}

/// Changes the configuration file of a site.
fn edit(site: &Site, from: &str, to: &str) {
    let text = std::fs::read_to_string(site.config()).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    std::fs::write(site.config(), text.replacen(from, to, 1)).unwrap();
}

/// Two nodes over one database, each with a folder of its own.
struct Nodes {
    sites: [Site; 2],
    servers: Vec<Server>,
    _postgres: Postgres,
}

impl Nodes {
    fn start() -> Nodes {
        let postgres = Postgres::start(&folder()).unwrap();
        let url = postgres.database("nodes").unwrap();
        let first = site().over_postgres(&url);
        let second = Site::new();
        for name in ["testudo.toml", "bundle.json"] {
            std::fs::copy(first.folder.join(name), second.folder.join(name)).unwrap();
        }
        let sites = [first, second];
        let servers = sites.iter().map(Site::serve).collect();
        Nodes {
            sites,
            servers,
            _postgres: postgres,
        }
    }

    /// A token of this identity, for the issuer.
    async fn token(&self, path: &str) -> String {
        let svid = self.sites[0].svid(path);
        let answer = self.servers[0]
            .token(svid_form(&svid, &[("resource", ISSUER)]))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.access_token()
    }

    /// Waits until both nodes answer a token with this status; how long that took.
    async fn until_both_answer(&self, token: &str, status: u16) -> Duration {
        let started = Instant::now();
        for server in &self.servers {
            while show(server, token).await.status != status {
                assert!(
                    started.elapsed() < Duration::from_secs(20),
                    "waited in vain for {status}"
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        started.elapsed()
    }

    fn restart(&mut self) {
        self.servers.clear();
        self.servers = self.sites.iter().map(Site::serve).collect();
    }
}

/// What the admin API of a node says to a token.
async fn show(server: &Server, token: &str) -> Answer {
    call(server, "GET", "/admin/v1/status", token, "").await
}

async fn call(server: &Server, method: &str, path: &str, token: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let mut connection = Connection::open(server.admin_address()).await;
    connection.send(method, path, &headers, body.to_owned()).await
}

async fn published(server: &Server) -> Vec<String> {
    let keys = Connection::open(server.address).await.get("/jwks").await.json();
    let keys = keys["keys"].as_array().unwrap();
    keys.iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

fn kid_of(token: &str) -> String {
    token::header(token)["kid"].as_str().unwrap().to_owned()
}

fn events(site: &Site, kind: &str) -> Vec<Value> {
    let events = site.json(&["event", "list", "--limit", "1000"]);
    let is_of_kind = |event: &&Value| event["event"] == kind;
    events
        .as_array()
        .unwrap()
        .iter()
        .filter(is_of_kind)
        .cloned()
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stolen_key_is_refused_on_both_nodes_at_once_and_after_a_restart() {
    let mut nodes = Nodes::start();
    let old = nodes.token("/ops/alice").await;
    nodes.until_both_answer(&old, 200).await;

    let rotated = nodes.sites[1].run(&["key", "rotate", "--now", "--reason", "incident 7"]);
    assert!(rotated.status.success(), "{}", stderr(&rotated));
    let took = nodes.until_both_answer(&old, 401).await;
    println!("old key refused on both nodes {took:?} after `key rotate --now` had returned");
    assert!(took < AT_ONCE, "{took:?}");
    let new = nodes.token("/ops/alice").await;
    nodes.until_both_answer(&new, 200).await;
    for server in &nodes.servers {
        assert_eq!(
            published(server).await,
            [kid_of(&new)],
            "the new key and no other"
        );
    }
    let event = &events(&nodes.sites[0], "key.revoked")[0];
    assert_eq!(event["reason"], "incident 7");
    assert!(
        event["detail"].as_str().unwrap().contains(&kid_of(&old)),
        "{event}"
    );

    nodes.restart();
    for server in &nodes.servers {
        assert_eq!(
            show(server, &old).await.status,
            401,
            "a restart does not bring it back"
        );
        assert_eq!(show(server, &new).await.status, 200);
        assert_eq!(published(server).await, [kid_of(&new)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn key_revoke_takes_one_key_out_on_both_nodes_and_makes_a_new_one_for_the_one_that_signs() {
    let nodes = Nodes::start();
    let old = nodes.token("/ops/alice").await;
    nodes.sites[0].ok(&["key", "rotate"]);
    let keys = nodes.sites[0].json(&["key", "list"]);
    let in_state = |state: &str| {
        let mut keys = keys.as_array().unwrap().iter();
        let key = keys.find(|key| key["state"] == state).unwrap();
        key["kid"].as_str().unwrap().to_owned()
    };
    let (active, next) = (in_state("active"), in_state("next"));
    assert_eq!(active, kid_of(&old));

    // The key that does not sign yet: the one that does stays as it is.
    nodes.sites[1].ok(&["key", "revoke", &next]);
    for server in &nodes.servers {
        assert_eq!(published(server).await, [active.as_str()]);
        assert_eq!(show(server, &old).await.status, 200);
    }

    nodes.sites[0].ok(&["key", "revoke", &active, "--reason", "seen in a log"]);
    let took = nodes.until_both_answer(&old, 401).await;
    println!("old key refused on both nodes {took:?} after `key revoke` had returned");
    assert!(took < AT_ONCE, "{took:?}");
    let new = nodes.token("/ops/alice").await;
    nodes.until_both_answer(&new, 200).await;
    for server in &nodes.servers {
        assert_eq!(published(server).await, [kid_of(&new)]);
    }

    let again = nodes.sites[0].run(&["key", "revoke", &active]);
    assert!(!again.status.success());
    assert!(stderr(&again).contains("withdrawn already"), "{}", stderr(&again));
    let unknown = nodes.sites[0].run(&["key", "revoke", "nothing"]);
    assert!(!unknown.status.success());
    assert!(
        stderr(&unknown).contains("hint: `testudo key list`"),
        "{}",
        stderr(&unknown)
    );
    assert_eq!(events(&nodes.sites[0], "key.revoked").len(), 2);
    let status = show(&nodes.servers[0], &new).await.json();
    assert_eq!(status["store"], json!("postgres"));
}

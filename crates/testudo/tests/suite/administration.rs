//! Tests of the admin API over HTTP and of signing keys, for attackers and administrators, with the built binary and
//! two nodes with one PostgreSQL.

use crate::binary::{ISSUER, Server, Site, folder, stderr};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::postgres::Postgres;
use testudo_testkit::{svid_form, token};

const ADMINISTRATORS: &str = "administrators = [\"spiffe://prod.example/ops/*\"]";
const AUDITORS: &str = "auditors = [\"spiffe://prod.example/audit/*\"]";
const RULES: &str = r#"
[[rules]]
name = "people"
identities = ["spiffe://prod.example/ops/*", "spiffe://prod.example/audit/*", "spiffe://prod.example/dev/*"]
scopes = ["admin.read", "admin.write", "orders.read"]
default_scopes = ["admin.write"]
"#;
/// Time within which the other node must apply a change. Other test suites may load the machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A site whose administrators are the workloads under `/ops/`.
pub(crate) fn site() -> Site {
    let site = Site::new();
    site.configure("", RULES);
    let listed = format!("{ADMINISTRATORS}\n{AUDITORS}\n[[trust_domains]]");
    edit(&site, "[[trust_domains]]", &listed);
    site
}

/// Replaces a part of the configuration of a site.
#[track_caller]
pub(crate) fn edit(site: &Site, from: &str, to: &str) {
    let text = std::fs::read_to_string(site.config()).unwrap();
    assert!(text.contains(from), "{from:?} is not in\n{text}");
    std::fs::write(site.config(), text.replacen(from, to, 1)).unwrap();
}

/// Two nodes that use one database, each with its own folder.
pub(crate) struct Nodes {
    pub(crate) sites: [Site; 2],
    pub(crate) servers: Vec<Server>,
    _postgres: Postgres,
}

impl Nodes {
    pub(crate) fn start() -> Nodes {
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

    /// A token of this identity, for the issuer, with the scope that its rule gives by default.
    pub(crate) async fn token(&self, path: &str) -> String {
        token_of(&self.sites[0], &self.servers[0], path, "").await
    }

    /// Changes the configuration file of every node, and orders a reload on one of them.
    fn reload_with(&self, from: &str, to: &str) {
        self.sites.iter().for_each(|site| edit(site, from, to));
        self.sites[0].ok(&["reload"]);
    }

    /// Waits until both nodes answer a request with this token with this status. Returns how long that took.
    pub(crate) async fn until_both_answer(&self, token: &str, status: u16) -> Duration {
        let started = Instant::now();
        for server in &self.servers {
            while show(server, token).await.status != status {
                assert!(
                    started.elapsed() < Duration::from_secs(20),
                    "a node did not answer with status {status} within the deadline"
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        started.elapsed()
    }

    pub(crate) fn restart(&mut self) {
        self.servers.clear();
        self.servers = self.sites.iter().map(Site::serve).collect();
    }
}

/// A token for the issuer.
pub(crate) async fn token_of(site: &Site, server: &Server, path: &str, scope: &str) -> String {
    let mut more = vec![("resource", ISSUER)];
    if !scope.is_empty() {
        more.push(("scope", scope));
    }
    let answer = server.token(svid_form(&site.svid(path), &more)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.access_token()
}

/// The answer of a node's admin API to a request with this token.
async fn show(server: &Server, token: &str) -> Answer {
    call(server, "GET", "/admin/v1/status", token, "").await
}

pub(crate) async fn call(server: &Server, method: &str, path: &str, token: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let mut connection = Connection::open(server.admin_address()).await;
    connection.send(method, path, &headers, body.to_owned()).await
}

pub(crate) async fn published(server: &Server) -> Vec<String> {
    let keys = Connection::open(server.address).await.get("/jwks").await.json();
    let keys = keys["keys"].as_array().unwrap();
    keys.iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn kid_of(token: &str) -> String {
    token::header(token)["kid"].as_str().unwrap().to_owned()
}

pub(crate) fn events(site: &Site, kind: &str) -> Vec<Value> {
    let events = site.events(&["--oldest-first", "--limit", "1000"]);
    events
        .into_iter()
        .filter(|event| event["event"] == kind)
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
            "only the new key must be published"
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
            "the withdrawn key must not be used after a restart"
        );
        assert_eq!(show(server, &new).await.status, 200);
        assert_eq!(published(server).await, [kid_of(&new)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn key_revoke_withdraws_one_key_on_both_nodes_and_replaces_the_signing_key() {
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

    // Withdraws the next key; the signing key is not affected.
    nodes.sites[1].ok(&["key", "revoke", &next]);
    for server in &nodes.servers {
        // The other node applies it shortly afterwards.
        let deadline = Instant::now() + Duration::from_secs(20);
        while published(server).await != [active.as_str()] {
            assert!(Instant::now() < deadline, "{:?}", published(server).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
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
    assert!(stderr(&again).contains("already withdrawn"), "{}", stderr(&again));
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

const ALICE: &str = "spiffe://prod.example/ops/alice";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn admin_request_of_a_frozen_blocked_or_disabled_administrator_is_refused_on_both_nodes_at_once() {
    let nodes = Nodes::start();
    let alice = nodes.token("/ops/alice").await;
    nodes.until_both_answer(&alice, 200).await;
    let changes: [(&str, &[&str], &[&str]); 3] = [
        ("frozen", &["client", "freeze", ALICE], &["client", "thaw", ALICE]),
        (
            "blocked",
            &["identity", "block", ALICE],
            &["identity", "unblock", ALICE],
        ),
        (
            "of a disabled trust domain",
            &["trust", "disable", "prod.example"],
            &["trust", "enable", "prod.example"],
        ),
    ];
    for (what, off, on) in changes {
        nodes.sites[1].ok(off);
        let took = nodes.until_both_answer(&alice, 401).await;
        println!(
            "an administrator who is {what}: refused on both nodes {took:?} after the command had returned"
        );
        assert!(took < AT_ONCE, "{what}: {took:?}");
        // The administrator cannot undo the change herself.
        let thaw = json!({ "client_id": ALICE }).to_string();
        for server in &nodes.servers {
            let answer = call(server, "POST", "/admin/v1/clients/thaw", &alice, &thaw).await;
            assert_eq!(answer.status, 401, "{what}");
            assert!(
                answer
                    .header("www-authenticate")
                    .unwrap()
                    .contains("invalid_token")
            );
        }
        nodes.sites[0].ok(on);
        nodes.until_both_answer(&alice, 200).await;
    }

    nodes.reload_with("name = \"people\"", "name = \"people\"\nenabled = false");
    let took = nodes.until_both_answer(&alice, 401).await;
    println!("an administrator whose rule is disabled: refused on both nodes {took:?} after the reload");
    assert!(took < AT_ONCE, "{took:?}");
    nodes.reload_with("enabled = false", "enabled = true");
    nodes.until_both_answer(&alice, 200).await;

    nodes.sites[0].ok(&["client", "delete", ALICE]);
    let took = nodes.until_both_answer(&alice, 401).await;
    println!("an administrator whose client is deleted: refused on both nodes {took:?} after the command");
    assert!(took < AT_ONCE, "{took:?}");
    // A token from before the deletion is refused also after the client is registered again. Tokens contain times in
    // whole seconds, so the new registration must be more than a second later.
    let deleted_at = Instant::now();
    while deleted_at.elapsed() < Duration::from_millis(1100) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let again = nodes.token("/ops/alice").await;
    nodes.until_both_answer(&again, 200).await;
    nodes.until_both_answer(&alice, 401).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn removal_from_administrators_and_auditors_applies_with_the_reload_on_both_nodes() {
    let nodes = Nodes::start();
    let (alice, audit) = (nodes.token("/ops/alice").await, nodes.token("/audit/carol").await);
    for token in [&alice, &audit] {
        nodes.until_both_answer(token, 200).await;
    }
    for (listed, token) in [(ADMINISTRATORS, &alice), (AUDITORS, &audit)] {
        let key = listed.split(' ').next().unwrap();
        nodes.reload_with(listed, &format!("{key} = []"));
        let took = nodes.until_both_answer(token, 403).await;
        println!("removed from {key}: refused on both nodes {took:?} after the reload");
        assert!(took < AT_ONCE, "{took:?}");
        nodes.reload_with(&format!("{key} = []"), listed);
        nodes.until_both_answer(token, 200).await;
    }
    // An administrator becomes an auditor: the same token can read but not change anything.
    nodes.reload_with("audit/*\"", "ops/*\"");
    nodes.reload_with(ADMINISTRATORS, "administrators = []");
    let block = json!({ "identity": "spiffe://prod.example/x" }).to_string();
    let started = Instant::now();
    for server in &nodes.servers {
        while call(server, "POST", "/admin/v1/blocks", &alice, &block)
            .await
            .status
            != 403
        {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "an auditor must not be able to block"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(show(server, &alice).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admin_operation_is_refused_without_the_scope_value_admin_read_or_admin_write() {
    let site = site();
    let server = site.serve();
    let block = json!({ "identity": "spiffe://prod.example/x" }).to_string();
    let show = json!({ "client_id": ALICE }).to_string();
    let test = json!({ "identities": [ALICE] }).to_string();
    let read = [
        ("GET", "/admin/v1/status", ""),
        ("GET", "/admin/v1/clients", ""),
        ("POST", "/admin/v1/clients/show", show.as_str()),
        ("POST", "/admin/v1/rules/test", test.as_str()),
    ];
    let write = [
        ("POST", "/admin/v1/blocks", block.as_str()),
        ("POST", "/admin/v1/blocks/remove", block.as_str()),
        ("POST", "/admin/v1/reload", ""),
        ("POST", "/admin/v1/trust/prod.example/refresh", ""),
    ];
    // Path, scope of the token, may read, may write.
    let cases = [
        ("/ops/alice", "admin.write", true, true),
        ("/ops/alice", "admin.read admin.write", true, true),
        ("/ops/alice", "admin.read", true, false),
        ("/ops/alice", "orders.read", false, false),
        ("/audit/carol", "admin.read", true, false),
        ("/audit/carol", "admin.read admin.write", true, false),
        ("/audit/carol", "orders.read", false, false),
        ("/dev/bob", "admin.read admin.write", false, false),
    ];
    // The identity must be a client, so that it can be shown.
    token_of(&site, &server, "/ops/alice", "admin.read").await;
    for (path, scope, may_read, may_write) in cases {
        let token = token_of(&site, &server, path, scope).await;
        for (operations, may, name) in [(read, may_read, "admin.read"), (write, may_write, "admin.write")] {
            for (method, operation, body) in operations {
                let answer = call(&server, method, operation, &token, body).await;
                let what = format!("{path} with {scope}: {operation}: {answer:?}");
                if may {
                    assert_eq!(answer.status, 200, "{what}");
                    continue;
                }
                assert_eq!(answer.status, 403, "{what}");
                let challenge = answer.header("www-authenticate").unwrap();
                assert!(challenge.contains("error=\"insufficient_scope\""), "{what}");
                assert!(challenge.contains(&format!("scope=\"{name}\"")), "{what}");
            }
        }
    }
    assert_eq!(
        site.json(&["identity", "list"]),
        json!([]),
        "the block must not be removed"
    );

    // A token for an API is refused at the admin API, with any scope.
    let svid = site.svid("/ops/alice");
    edit(
        &site,
        "[[rules]]",
        "[[rules]]\nresources = [\"https://as.example\", \"https://api.example.net\"]",
    );
    site.ok(&["reload"]);
    let more = [("resource", "https://api.example.net"), ("scope", "admin.write")];
    let token = server.token(svid_form(&svid, &more)).await.access_token();
    assert_eq!(
        call(&server, "GET", "/admin/v1/status", &token, "").await.status,
        401
    );
    // The current rule applies: scope values that it no longer gives are not accepted.
    let token = token_of(&site, &server, "/ops/alice", "admin.write").await;
    assert_eq!(
        call(&server, "GET", "/admin/v1/status", &token, "").await.status,
        200
    );
    edit(&site, "\"admin.write\", ", "");
    edit(
        &site,
        "default_scopes = [\"admin.write\"]",
        "default_scopes = [\"admin.read\"]",
    );
    site.ok(&["reload"]);
    assert_eq!(
        call(&server, "POST", "/admin/v1/blocks", &token, &block)
            .await
            .status,
        403
    );
    assert_eq!(
        call(&server, "GET", "/admin/v1/status", &token, "").await.status,
        200
    );
}

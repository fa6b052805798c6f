//! Tests of the incident runbook: every command of `docs/operations/incidents.md` is run unchanged, on two nodes with one
//! PostgreSQL, and the effects that the page states are checked.

use crate::administration::{Nodes, events, kid_of, published, site};
use crate::binary::{Site, run, stderr};
use crate::pages::{blocks, operations, shell};
use crate::people;
use serde_json::json;
use std::time::{Duration, Instant};
use testudo_testkit::http::Connection;
use testudo_testkit::svid_form;

const PAGE: &str = "incidents.md";
/// Time within which the other node must apply a change. Other suites may load the machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Checks that the events of these kinds contain the reason of the change.
#[track_caller]
fn assert_events_have_the_reason(site: &Site, kinds: &[&str]) {
    for kind in kinds {
        let recorded = events(site, kind);
        let has_reason = |event: &serde_json::Value| event["reason"] == "incident 7";
        assert!(
            !recorded.is_empty() && recorded.iter().all(has_reason),
            "{kind}: {recorded:?}"
        );
    }
}

#[test]
fn every_command_of_the_runbook_that_changes_something_has_a_reason() {
    let path = operations(PAGE);
    let page = std::fs::read_to_string(path).unwrap();
    let scripts = page
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let commands: Vec<&str> = scripts.flat_map(str::lines).collect();
    assert!(commands.len() > 8, "{commands:?}");
    for command in commands
        .iter()
        .filter(|command| !command.starts_with("testudo trust show "))
    {
        assert!(command.ends_with(" --reason \"incident 7\""), "{command}");
    }
}

const API: &str = "/ns/pay/sa/api";

/// Nodes whose rules admit the administrators and a workload.
fn nodes() -> Nodes {
    let rule = "[[rules]]\nname = \"pay\"\nidentities = [\"spiffe://prod.example/ns/{namespace}/sa/{service}\"]\n\
        scopes = [\"orders.read\"]\ndefault_scopes = [\"orders.read\"]\nresources = [\"https://api.example.net/orders\"]\n";
    let mut nodes = Nodes::start();
    for site in &nodes.sites {
        let text = std::fs::read_to_string(site.config()).unwrap();
        site.write("testudo.toml", &format!("{text}\n{rule}"));
    }
    nodes.restart();
    nodes
}

/// How many of the two nodes issue a token for this SVID.
async fn admitting(nodes: &Nodes, svid: &str) -> usize {
    let mut admitting = 0;
    for server in &nodes.servers {
        let status = server.token(svid_form(svid, &[])).await.status;
        assert!([200, 400, 401].contains(&status), "{status}");
        admitting += usize::from(status == 200);
    }
    admitting
}

/// Waits until this number of nodes issue a token. Fails if that takes longer than the page states.
async fn until(nodes: &Nodes, svid: &str, wanted: usize) {
    let started = Instant::now();
    while admitting(nodes, svid).await != wanted {
        assert!(
            started.elapsed() < AT_ONCE,
            "{} nodes issue a token",
            admitting(nodes, svid).await
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn runbook_of_a_stolen_signing_key_withdraws_it() {
    let nodes = nodes();
    let [rotate, revoke] = blocks(PAGE, "A signing key was stolen").try_into().unwrap();
    let old = nodes.token("/ops/alice").await;
    shell(&nodes.sites[0], &rotate, &[]);
    assert!(nodes.until_both_answer(&old, 401).await < AT_ONCE);
    let second = nodes.token("/ops/alice").await;
    nodes.until_both_answer(&second, 200).await;
    let kid = kid_of(&second);
    shell(&nodes.sites[1], &revoke, &[("KID", &kid)]);
    assert!(nodes.until_both_answer(&second, 401).await < AT_ONCE);
    let third = nodes.token("/ops/alice").await;
    nodes.until_both_answer(&third, 200).await;
    for server in &nodes.servers {
        assert_eq!(published(server).await, [kid_of(&third)]);
    }
    let reasons = events(&nodes.sites[0], "key.revoked");
    assert!(reasons.len() == 2 && reasons.iter().all(|event| event["reason"] == "incident 7"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn runbook_of_a_compromised_administrator_blocks_it_and_admits_it_again() {
    let nodes = nodes();
    let [block, reload, again] = blocks(PAGE, "An administrator's workload was compromised")
        .try_into()
        .unwrap();
    let stolen = nodes.token("/ops/alice").await;
    nodes.until_both_answer(&stolen, 200).await;
    shell(&nodes.sites[0], &block, &[]);
    assert!(nodes.until_both_answer(&stolen, 401).await < AT_ONCE);
    let svid = nodes.sites[0].svid("/ops/alice");
    until(&nodes, &svid, 0).await;
    // The attacker cannot undo the block with the stolen token.
    let bearer = format!("Bearer {stolen}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let identity = json!({ "identity": "spiffe://prod.example/ops/alice" }).to_string();
    for server in &nodes.servers {
        let mut admin = Connection::open(server.admin_address()).await;
        let answer = admin
            .send("POST", "/admin/v1/blocks/remove", &headers, identity.clone())
            .await;
        assert_eq!(answer.status, 401);
    }
    for site in &nodes.sites {
        let text = std::fs::read_to_string(site.config()).unwrap();
        site.write(
            "testudo.toml",
            &text.replace(
                "administrators = [\"spiffe://prod.example/ops/*\"]",
                "administrators = []",
            ),
        );
    }
    shell(&nodes.sites[0], &reload, &[]);
    // Tokens contain times in whole seconds: the earlier token must be at least a second older than the deletion.
    let deleted_after = Instant::now() + Duration::from_millis(1100);
    while Instant::now() < deleted_after {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    shell(&nodes.sites[0], &again, &[]);
    until(&nodes, &svid, 2).await;
    assert_events_have_the_reason(
        &nodes.sites[0],
        &["identity.blocked", "identity.unblocked", "client.removed"],
    );
    let reloads = events(&nodes.sites[0], "rule.changed");
    assert!(
        reloads.iter().any(|event| event["reason"] == "incident 7"),
        "{reloads:?}"
    );
    let fresh = nodes.token("/ops/alice").await;
    for server in &nodes.servers {
        for (token, status) in [(&fresh, 403), (&stolen, 401)] {
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str())];
            let mut admin = Connection::open(server.admin_address()).await;
            let answer = admin.send("GET", "/admin/v1/status", &headers, "").await;
            assert_eq!(
                answer.status, status,
                "the identity is no longer an administrator, so the stolen token is refused"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn runbook_of_a_compromised_trust_domain_refuses_the_old_keys_and_the_attackers_clients() {
    let mut nodes = nodes();
    let [disable, compare, open] = blocks(PAGE, "A trust domain was compromised").try_into().unwrap();
    let attackers = nodes.sites[0].svid("/ns/evil/sa/x");
    until(&nodes, &attackers, 2).await;
    shell(&nodes.sites[0], &disable, &[]);
    until(&nodes, &attackers, 0).await;

    // The trust domain gets a new authority instead of the stolen one.
    nodes.sites[0].issuer = testudo_testkit::TestIssuer::new("prod.example");
    // Repeated with a higher sequence if each node had read its file by itself a moment before the command.
    let is_ordered = |event: &serde_json::Value| {
        event["reason"] == "incident 7" && crate::actors::is_at_the_socket(&event["actor"])
    };
    let updates = || events(&nodes.sites[0], "authority.bundle_updated");
    let mut sequence = 2;
    while !updates().iter().any(is_ordered) {
        assert!(sequence < 12, "{:?}", updates());
        let mut bundle = nodes.sites[0].issuer.bundle();
        bundle["spiffe_sequence"] = sequence.into();
        for site in &nodes.sites {
            site.write("bundle.json", &bundle.to_string());
            shell(site, &compare, &[]);
        }
        sequence += 1;
    }
    let shown = nodes.sites[1].ok(&["trust", "show", "prod.example"]);
    assert!(shown.contains(nodes.sites[0].issuer.key().kid()), "{shown}");
    shell(&nodes.sites[0], &open, &[]);
    assert_events_have_the_reason(
        &nodes.sites[0],
        &["authority.disabled", "authority.enabled", "client.removed"],
    );
    let good = nodes.sites[0].svid(API);
    until(&nodes, &good, 2).await;
    assert_eq!(
        admitting(&nodes, &attackers).await,
        0,
        "an SVID that is signed with the stolen key must be refused"
    );
    let clients = nodes.sites[0].json(&["client", "list"]);
    let ids: Vec<&str> = clients
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|client| client["client_id"].as_str())
        .collect();
    assert_eq!(
        ids,
        ["spiffe://prod.example/ns/pay/sa/api"],
        "the client of the attacker must be removed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn runbook_of_a_leaked_svid_refuses_it_although_its_result_was_cached() {
    let nodes = nodes();
    let [block, unblock] = blocks(PAGE, "An SVID leaked").try_into().unwrap();
    let leaked = nodes.sites[0].svid(API);
    until(&nodes, &leaked, 2).await;
    shell(&nodes.sites[1], &block, &[]);
    until(&nodes, &leaked, 0).await;
    shell(&nodes.sites[0], &unblock, &[]);
    assert_events_have_the_reason(&nodes.sites[0], &["identity.unblocked"]);
    until(&nodes, &nodes.sites[0].svid(API), 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn copied_database_contains_no_token_and_its_keys_need_the_key_encryption_key() {
    let [rotate] = blocks(PAGE, "An attacker read the database").try_into().unwrap();
    let site = Site::new();
    let text = std::fs::read_to_string(site.config()).unwrap();
    let open =
        "[registration.open]\nscopes = [\"orders.read\"]\nresources = [\"https://api.example.net/orders\"]\n";
    site.write("testudo.toml", &format!("{text}\n{open}"));
    let server = site.serve();
    let svid = site.svid(API);
    let mut connection = Connection::open(server.address).await;
    let token = connection
        .post("/token", svid_form(&svid, &[]))
        .await
        .access_token();
    let body = json!({ "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none", "grant_types": ["authorization_code"] });
    let registered = connection
        .send(
            "POST",
            "/register",
            &[("content-type", "application/json")],
            body.to_string(),
        )
        .await
        .json();
    let management = registered["registration_access_token"]
        .as_str()
        .unwrap()
        .to_owned();

    let stolen: Vec<u8> = ["testudo.db", "testudo.db-wal"]
        .iter()
        .flat_map(|name| std::fs::read(site.folder.join(name)).unwrap_or_default())
        .collect();
    let contains = |secret: &str| {
        stolen
            .windows(secret.len())
            .any(|bytes| bytes == secret.as_bytes())
    };
    assert!(
        contains("spiffe://prod.example/ns/pay/sa/api"),
        "the copied file must be the database"
    );
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    for (what, secret) in [
        ("the access token", signature(&token)),
        ("the SVID", signature(&svid)),
        ("the registration access token", management),
    ] {
        assert!(!contains(&secret), "the database must not contain {what}");
    }

    let old = kid_of(&token);
    shell(&site, &rotate, &[]);
    let keys = connection.get("/jwks").await.json();
    let kids: Vec<&str> = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|key| key["kid"].as_str())
        .collect();
    assert!(kids.len() == 1 && kids[0] != old, "{kids:?}");
    drop(connection);
    drop(server);

    // With another key-encryption key, the signing keys cannot be decrypted.
    site.write("testudo.db.kek", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    let output = run(&["serve", "--config", site.config().to_str().unwrap()], "");
    assert!(!output.status.success());
    assert!(
        stderr(&output).contains("key-encryption key"),
        "{}",
        stderr(&output)
    );
}

#[tokio::test]
async fn runbook_of_a_person_whose_account_was_taken_over_ends_sessions_and_grants() {
    let site = site();
    site.append("[login]");
    people::write(&site, "alice").await;
    people::write(&site, "bob").await;
    let _server = site.serve();
    let [lock, revoke, unlock, end] = blocks(PAGE, "A person's browser or account was taken over")
        .try_into()
        .unwrap();
    let left = |noun: &str, user: &str| {
        site.json(&[noun, "list", "--user", user])
            .as_array()
            .unwrap()
            .len()
    };
    shell(&site, &end, &[]);
    assert_eq!((left("session", "alice"), left("session", "bob")), (0, 2));
    shell(&site, &lock, &[]);
    assert_eq!(site.json(&["user", "show", "alice"])["state"], "locked");
    assert_eq!(
        people::first(&site, &["grant", "list", "--user", "alice"], "is_usable"),
        false
    );
    shell(&site, &revoke, &[]);
    assert_eq!((left("grant", "alice"), left("grant", "bob")), (0, 2));
    shell(&site, &unlock, &[]);
    assert_eq!(site.json(&["user", "show", "alice"])["state"], "active");
    let kinds = [
        "session.ended",
        "person.locked",
        "grant.revoked",
        "person.unlocked",
    ];
    assert_events_have_the_reason(&site, &kinds);
    // A filter changes nothing without --yes, and neither does a name that no person has.
    for refused in [
        &["grant", "revoke", "--user", "bob"][..],
        &["grant", "revoke", "x", "--user", "bob"],
        &["grant", "revoke"],
        &["session", "end"],
        &["user", "lock", "carol"],
    ] {
        assert!(!site.run(refused).status.success(), "{refused:?}");
    }
    assert_eq!((left("session", "bob"), left("grant", "bob")), (2, 2));
}

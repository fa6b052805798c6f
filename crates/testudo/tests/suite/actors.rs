//! Tests that every event of an administrator's change names the verified administrator.

use crate::administration::{Nodes, call, events, site, token_of};
use crate::binary::{Server, Site};
use crate::people;
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};
use testudo_testkit::TestIssuer;
use testudo_testkit::http::over_socket;

/// A property of the user of this test, from `id`.
/// The id of the user of this test.
pub fn uid() -> u32 {
    id("-u").parse().unwrap()
}

fn id(option: &str) -> String {
    let output = Command::new("id").arg(option).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// True if the actor is a process of the user of this test, with user, group and process id.
pub(crate) fn is_at_the_socket(actor: &Value) -> bool {
    let start = format!("uid:{}({}) gid:{} pid:", id("-u"), id("-un"), id("-g"));
    let pid = actor.as_str().and_then(|actor| actor.strip_prefix(&*start));
    pid.is_some_and(|pid| pid.parse::<u32>().is_ok_and(|pid| pid > 0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_names_the_proven_identity_over_http_and_the_user_of_the_process_at_the_socket() {
    let site = site();
    let server = site.serve();
    let token = token_of(&site, &server, "/ops/alice", "admin.write").await;
    for member in ["by", "actor"] {
        let block = json!({ "identity": "spiffe://prod.example/x", "reason": "stolen", member: "bob" });
        let answer = call(&server, "POST", "/admin/v1/blocks", &token, &block.to_string()).await;
        assert_eq!(
            answer.status, 400,
            "a request must not contain the actor: {answer:?}"
        );
    }
    let block = json!({ "identity": "spiffe://prod.example/x", "reason": "stolen" });
    let answer = call(&server, "POST", "/admin/v1/blocks", &token, &block.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    site.ok(&[
        "identity",
        "unblock",
        "spiffe://prod.example/x",
        "--reason",
        "found",
    ]);
    let [blocked] = events(&site, "identity.blocked").try_into().unwrap();
    assert_eq!(blocked["actor"], "spiffe://prod.example/ops/alice");
    assert_eq!(blocked["reason"], "stolen");
    let [unblocked] = events(&site, "identity.unblocked").try_into().unwrap();
    assert!(is_at_the_socket(&unblocked["actor"]), "{unblocked}");
    assert_eq!(unblocked["reason"], "found");
}

const OTHER: &str = "/admin/v1/trust/{name}";
const BOB: &str = "spiffe://prod.example/dev/bob";

/// A change, and the kind of event that records it.
struct Case {
    path: &'static str,
    kind: &'static str,
    body: Value,
}

/// One case for each operation that changes something, in an order in which each has something to change.
fn cases() -> Vec<Case> {
    let case = |path, kind, body| Case { path, kind, body };
    let on = |verb: &str| -> &'static str { format!("{OTHER}/{verb}").leak() };
    let identity = json!({ "identity": "spiffe://prod.example/x" });
    let alice = json!({ "user": "alice" });
    let group = json!({ "user": "alice", "group": "auditors" });
    vec![
        case("/admin/v1/blocks", "identity.blocked", identity.clone()),
        case("/admin/v1/blocks/remove", "identity.unblocked", identity),
        case(
            "/admin/v1/clients/freeze",
            "client.frozen",
            json!({ "client_id": BOB }),
        ),
        case(
            "/admin/v1/clients/thaw",
            "client.thawed",
            json!({ "client_id": BOB }),
        ),
        case(
            "/admin/v1/clients/delete",
            "client.removed",
            json!({ "client_id": BOB }),
        ),
        case("/admin/v1/clients/sweep", "client.removed", json!({})),
        case(
            "/admin/v1/users/invite",
            "person.invited",
            json!({ "user": "frank" }),
        ),
        case("/admin/v1/users/lock", "person.locked", alice.clone()),
        case("/admin/v1/users/unlock", "person.unlocked", alice.clone()),
        case(
            "/admin/v1/users/groups/add",
            "person.groups_changed",
            group.clone(),
        ),
        case("/admin/v1/users/groups/remove", "person.groups_changed", group),
        case("/admin/v1/sessions/end", "session.ended", json!({})),
        case("/admin/v1/users/sessions/end", "session.ended", alice),
        case("/admin/v1/grants/revoke", "grant.revoked", json!({})),
        case("/admin/v1/users/remove", "person.removed", json!({})),
        case(on("disable"), "authority.disabled", json!({})),
        case(on("enable"), "authority.enabled", json!({})),
        case(on("refresh"), "authority.bundle_updated", json!({})),
        case(on("accept"), "authority.bundle_accepted", json!({})),
        case("/admin/v1/reload", "rule.changed", json!({})),
        case("/admin/v1/keys/rotate", "key.created", json!({})),
        case("/admin/v1/keys/revoke", "key.revoked", json!({})),
    ]
}

/// Makes sure that there is something to change.
async fn prepare(case: &mut Case, (site, server): (&Site, &Server), other: &mut TestIssuer) {
    match case.path.trim_start_matches(OTHER) {
        "/admin/v1/clients/freeze" => drop(token_of(site, server, "/dev/bob", "orders.read").await),
        "/admin/v1/clients/sweep" => drop(token_of(site, server, "/short/x", "").await),
        "/refresh" => other.rotate(),
        "/accept" => other.sequence -= 1,
        "/admin/v1/sessions/end" => {
            case.body["session"] = people::first(site, &["session", "list", "--user", "carol"], "session");
        }
        "/admin/v1/grants/revoke" => {
            case.body["grant_id"] = people::first(site, &["grant", "list", "--user", "carol"], "grant_id");
        }
        "/admin/v1/users/remove" => {
            let users = site.json(&["user", "list"]);
            let mut users = users.as_array().unwrap().iter();
            let leaving = users.find(|user| user["name"] == "dave" || user["name"] == "erin");
            case.body["user"] = leaving.unwrap()["sub"].clone();
        }
        // A reload without a change has no event.
        "/admin/v1/reload" => site.append("# changed"),
        "/admin/v1/keys/revoke" => {
            let keys = site.json(&["key", "list"]);
            let next = keys.as_array().unwrap().iter().find(|key| key["state"] == "next");
            case.body["kid"] = next.unwrap_or_else(|| panic!("{keys}"))["kid"].clone();
        }
        _ => {}
    }
    site.write("other.json", &other.bundle().to_string());
}

fn site_of_two_domains(other: &TestIssuer) -> Site {
    let site = site();
    site.write("other.json", &other.bundle().to_string());
    site.unwatch();
    let more = "[[trust_domains]]\nname = \"other.example\"\nbundle = { file = \"other.json\" }\n\
        [[rules]]\nname = \"short\"\nidentities = [\"spiffe://prod.example/short/*\"]\nclient_idle_lifetime = \"1s\"\n[login]\n";
    let text = std::fs::read_to_string(site.config()).unwrap();
    site.write("testudo.toml", &format!("{text}\n{more}"));
    site
}

/// Checks that every changing operation of the API description has a case.
#[track_caller]
fn every_change_has_a_case(document: &Value, cases: &[Case]) {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap();
        methods.values().map(move |operation| (path, operation))
    });
    let changes: Vec<&String> = operations
        .filter(|(_, operation)| operation["security"][0]["administrator"] == json!(["admin.write"]))
        .map(|(path, _)| path)
        .collect();
    assert!(changes.len() > 10, "{changes:?}");
    for path in changes {
        assert!(
            cases.iter().any(|case| case.path == path.as_str()),
            "{path} changes something: add a case that checks that its event names the administrator"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_that_changes_something_writes_an_event_with_its_administrator_and_reason() {
    let mut other = TestIssuer::new("other.example");
    let site = site_of_two_domains(&other);
    for name in ["alice", "carol", "dave", "erin"] {
        people::write(&site, name).await;
    }
    let server = site.serve();
    let socket = site.folder.join("testudo.sock");
    let token = token_of(&site, &server, "/ops/alice", "admin.write").await;
    let document = over_socket(&socket, "GET", "/admin/v1/openapi.json", Value::Null)
        .await
        .1;
    every_change_has_a_case(&document, &cases());
    for is_socket in [false, true] {
        for mut case in cases() {
            let reason = format!("incident {is_socket} {}", case.path);
            case.body["reason"] = json!(reason);
            let path = case.path.replace("{name}", "other.example");
            let deadline = Instant::now() + Duration::from_secs(30);
            prepare(&mut case, (&site, &server), &mut other).await;
            // Repeated until there is an event: the client may not be idle yet, or the server may have fetched the bundle
            // by itself a moment before.
            let recorded = loop {
                let (status, answer) = if is_socket {
                    over_socket(&socket, "POST", &path, case.body.clone()).await
                } else {
                    let answer = call(&server, "POST", &path, &token, &case.body.to_string()).await;
                    (answer.status, answer.json())
                };
                assert_eq!(status, 200, "{path}: {answer}");
                let mut recorded = events(&site, case.kind);
                recorded.retain(|event| event["reason"] == json!(reason));
                if !recorded.is_empty() {
                    break recorded;
                }
                assert!(
                    Instant::now() < deadline,
                    "{path}: no event {} with this reason: {answer}",
                    case.kind
                );
                if case.path.starts_with(OTHER) {
                    prepare(&mut case, (&site, &server), &mut other).await;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
            for event in recorded {
                match is_socket {
                    false => assert_eq!(event["actor"], "spiffe://prod.example/ops/alice", "{event}"),
                    true => {
                        assert!(is_at_the_socket(&event["actor"]), "{event}");
                        let pid = format!(" pid:{}", std::process::id());
                        assert!(event["actor"].as_str().unwrap().ends_with(&pid), "{event}");
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_of_a_reload_names_signal_or_watch_as_the_actor() {
    let site = site();
    site.unwatch();
    let server = site.serve();
    // The file is not watched before the signal, so that the reload of the signal is the one that finds the change.
    let text = std::fs::read_to_string(site.config()).unwrap();
    site.write("testudo.toml", &text.replace("watch = false\n", ""));
    server.signal("HUP");
    until_reload_of(&site, "signal").await;
    site.append("# changed");
    until_reload_of(&site, "watch").await;
}

/// Waits for the event of a reload by this actor.
async fn until_reload_of(site: &Site, actor: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !events(site, "rule.changed")
        .iter()
        .any(|event| event["actor"] == actor)
    {
        assert!(
            Instant::now() < deadline,
            "{actor}: {:?}",
            events(site, "rule.changed")
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_of_both_nodes_name_the_administrator_who_ordered_a_reload_on_one_of_them() {
    let mut nodes = Nodes::start();
    nodes.sites.iter().for_each(Site::unwatch);
    nodes.restart();
    let token = nodes.token("/ops/alice").await;
    nodes.until_both_answer(&token, 200).await;
    nodes.sites.iter().for_each(|site| site.append("# changed"));
    let body = json!({ "reason": "incident 7" }).to_string();
    let answer = call(&nodes.servers[0], "POST", "/admin/v1/reload", &token, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let recorded = events(&nodes.sites[0], "rule.changed");
        if recorded.len() >= 2 {
            for event in &recorded {
                assert_eq!(event["actor"], "spiffe://prod.example/ops/alice", "{recorded:?}");
                assert_eq!(event["reason"], "incident 7", "{recorded:?}");
            }
            return;
        }
        assert!(Instant::now() < deadline, "{recorded:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

//! Tests of the log of the built binary: all lines have one format and documented names, and contain no secret.

use crate::binary::{Server, Site, run, stderr};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use testudo_protocol::jose::Jws;
use testudo_server::log_lines::{EVERY_LINE, all};
use testudo_testkit::http::Connection;
use testudo_testkit::svid_form;

/// The fault of a line of the JSON log; `None` if the line is documented.
fn undocumented(line: &str) -> Option<String> {
    let Ok(Value::Object(members)) = serde_json::from_str(line) else {
        return Some("the line is not a JSON object".to_owned());
    };
    let event = members.get("event").and_then(Value::as_str).unwrap_or_default();
    let Some(row) = all().find(|row| row.event == event) else {
        return Some(format!("log_lines.rs has no row for `{event}`"));
    };
    let is_known = |name: &String| EVERY_LINE.contains(&name.as_str()) || row.fields.contains(&name.as_str());
    if let Some(name) = members.keys().find(|name| !is_known(name)) {
        return Some(format!("the row has no field `{name}`"));
    }
    let is_missing = |name: &&&str| !members.get(**name).is_some_and(Value::is_string);
    EVERY_LINE
        .iter()
        .find(is_missing)
        .map(|name| format!("`{name}` is missing"))
}

#[track_caller]
fn all_documented(log: &str) -> Vec<Value> {
    for line in log.lines() {
        assert_eq!(undocumented(line), None, "{line}");
    }
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn events(lines: &[Value]) -> BTreeSet<&str> {
    lines.iter().filter_map(|line| line["event"].as_str()).collect()
}

/// Waits until this event is in the log; returns the log.
#[track_caller]
fn log_with(server: &Server, event: &str) -> String {
    let began = Instant::now();
    loop {
        let log = server.log.lock().unwrap().clone();
        if log.contains(&format!("\"event\":\"{event}\"")) {
            return log;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "no {event} in:\n{log}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A site that registers clients with evidence and without.
fn site() -> Site {
    let site = Site::new();
    let text = std::fs::read_to_string(site.config()).unwrap();
    site.write(
        "testudo.toml",
        &format!("{text}\n[registration.open]\nscopes = [\"orders.read\"]\n"),
    );
    site
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_from_start_to_stop_is_documented_and_contains_no_secret() {
    let site = site();
    let mut server = Server::start_logging(&site.config(), "debug");
    let good = site.svid("/ns/shop/sa/pay");
    let unknown = site.svid("/unknown");
    let mut secrets = vec![good.clone(), unknown.clone()];
    let token = server.token(svid_form(&good, &[])).await;
    assert_eq!(token.status, 200);
    secrets.push(token.access_token());
    assert_ne!(server.token(svid_form(&unknown, &[])).await.status, 200);
    let secret = ("client_secret", "hunter2-hunter2");
    assert_ne!(server.token(svid_form(&good, &[secret])).await.status, 200);
    secrets.push("hunter2-hunter2".into());

    let statement = site.svid("/ns/shop/sa/web");
    let mut registered = None;
    for body in [
        json!({ "software_statement": statement }),
        json!({ "redirect_uris": ["https://app.example/cb"] }),
    ] {
        let json_type = [("content-type", "application/json")];
        let answer = Connection::open(server.address)
            .await
            .send("POST", "/register", &json_type, body.to_string())
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        registered = Some(answer.json());
    }
    let registered = registered.unwrap();
    let access = registered["registration_access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let bearer = [("authorization", "Bearer made-up-registration-token")];
    let uri = registered["registration_client_uri"].as_str().unwrap().to_owned();
    let path = uri.strip_prefix(crate::binary::ISSUER).unwrap().to_owned();
    let managed = Connection::open(server.address)
        .await
        .send("GET", &path, &bearer, "")
        .await;
    assert_eq!(managed.status, 401);
    let deleted = Connection::open(server.address)
        .await
        .send(
            "DELETE",
            &path,
            &[("authorization", &format!("Bearer {access}"))],
            "",
        )
        .await;
    assert_eq!(deleted.status, 204);
    secrets.extend([statement, access, "made-up-registration-token".into()]);
    secrets.push(std::fs::read_to_string(site.folder.join("testudo.db.kek")).unwrap());

    site.ok(&[
        "client",
        "freeze",
        "spiffe://prod.example/ns/shop/sa/pay",
        "--reason",
        "incident 7",
    ]);
    // A reload without a change has no event.
    site.append("# changed");
    site.ok(&["reload"]);
    server.signal("HUP");
    log_with(&server, "configuration.reloaded");
    site.write("testudo.toml", "issuer = 7\n");
    server.signal("HUP");
    log_with(&server, "configuration.not_reloaded");
    server.signal("TERM");
    assert!(server.child.wait().unwrap().success());
    let log = log_with(&server, "server.stopping");

    let lines = all_documented(&log);
    let found = events(&lines);
    for event in [
        "server.ready",
        "authority.bundle_updated",
        "key.created",
        "client.registered",
        "client.refused",
        "client.frozen",
        "configuration.reloaded",
        "rule.changed",
    ] {
        assert!(found.contains(event), "{event}: {found:?}");
    }
    let refused = lines.iter().find(|line| line["rejection"] == "no_rule").unwrap();
    assert_eq!(refused["event"], "client.refused");
    assert_eq!(refused["authority"], "spiffe://prod.example");
    assert_eq!(refused["trust_domain"], "prod.example");
    assert_eq!(refused["identity"], "spiffe://prod.example/unknown");
    assert_eq!(refused["door"], "jwt_svid");
    assert!(refused["request.id"].is_string());
    // A first use, a registration with a statement and one without: the lines have the fields of the event.
    let registered: Vec<_> = lines
        .iter()
        .filter(|line| line["event"] == "client.registered")
        .collect();
    assert_eq!(registered.len(), 3);
    for line in &registered {
        for name in ["request.id", "client.id", "authority", "identity", "door", "rule"] {
            assert!(line[name].is_string(), "{name}: {line}");
        }
    }
    assert_eq!(registered[0]["trust_domain"], "prod.example");
    assert_eq!(registered[1]["trust_domain"], "prod.example");
    let removed = lines.iter().find(|line| line["event"] == "client.removed");
    assert_eq!(removed.unwrap()["reason"], "deregistered");
    let frozen = lines
        .iter()
        .find(|line| line["event"] == "client.frozen")
        .unwrap();
    assert_eq!(frozen["reason"], "incident 7");
    assert_eq!(frozen["client.id"], "spiffe://prod.example/ns/shop/sa/pay");
    for secret in secrets {
        // Each part of a JWT is searched for, because a line could contain only one part.
        for part in secret.split('.').filter(|part| part.len() > 12) {
            assert!(!log.contains(part), "{part} is in the log");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn issued_tokens_are_logged_only_while_log_token_issued_is_true() {
    let site = Site::new();
    let text = std::fs::read_to_string(site.config()).unwrap();
    let logging = format!("{text}\n[log]\ntoken_issued = true\n");
    let server = site.serve();
    let svid = site.svid("/ns/shop/sa/pay");
    let wanted = [("scope", "orders.write")];
    assert_eq!(server.token(svid_form(&svid, &wanted)).await.status, 200);
    site.write("testudo.toml", &logging);
    site.ok(&["reload"]);
    let answer = server.token(svid_form(&svid, &wanted)).await;
    let log = log_with(&server, "token.issued");
    site.write("testudo.toml", &text);
    site.ok(&["reload"]);
    let batches = site.json(&["status"])["store_batches_written"].clone();
    assert_eq!(server.token(svid_form(&svid, &wanted)).await.status, 200);
    let lines = all_documented(&log);
    let issued: Vec<&Value> = lines
        .iter()
        .filter(|line| line["event"] == "token.issued")
        .collect();
    assert_eq!(
        issued.len(),
        1,
        "only the token after the reload must be logged: {log}"
    );
    let jws = Jws::parse(&answer.access_token()).unwrap();
    let claims: Value = jws.unverified_claims().unwrap();
    for (field, claim) in [
        ("client.id", "client_id"),
        ("audience", "aud"),
        ("scope", "scope"),
        ("jti", "jti"),
        ("exp", "exp"),
    ] {
        assert_eq!(issued[0][field], claims[claim], "{field}");
        assert!(!issued[0][field].is_null(), "{field}");
    }
    assert_eq!(issued[0]["request.id"], answer.header("request-id").unwrap());
    // Neither the line nor the token is in the store.
    let events = site.ok(&["event", "list", "--json"]);
    assert!(!events.contains(claims["jti"].as_str().unwrap()), "{events}");
    assert_eq!(site.json(&["status"])["store_batches_written"], batches);
    let log = server.log.lock().unwrap().clone();
    assert_eq!(
        log.matches("\"event\":\"token.issued\"").count(),
        1,
        "no token must be logged after the setting is removed: {log}"
    );
}

#[test]
fn reason_of_a_failed_start_is_written_in_the_format_of_the_log() {
    let site = Site::new();
    let text = std::fs::read_to_string(site.config()).unwrap();
    let serve = |text: &str| {
        site.write("testudo.toml", text);
        let output = run(&["serve", "--config", site.config().to_str().unwrap()], "");
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    let printed = serve(&format!("{text}\n[tokens]\naccess_token_lifetime = \"9d\"\n"));
    let lines = all_documented(&printed);
    assert!(events(&lines).is_superset(&BTreeSet::from(["configuration.problem", "server.failed"])));
    assert!(
        lines
            .iter()
            .any(|line| line["key"] == "tokens.access_token_lifetime" && line["hint"].is_string()),
        "{printed}"
    );
    // The folder of the database does not exist, which the server finds after the configuration is accepted.
    let printed = serve(&text.replace("testudo.db", "absent/testudo.db"));
    let lines = all_documented(&printed);
    assert!(events(&lines).contains("server.failed") && !events(&lines).contains("configuration.problem"));
    for printed in [
        serve("issuer = ["),
        stderr(&run(&["serve", "--config", "/nowhere/testudo.toml"], "")),
    ] {
        let lines = all_documented(&printed);
        assert!(events(&lines).is_superset(&BTreeSet::from(["configuration.problem", "server.failed"])));
    }
}

#[test]
fn log_has_the_format_of_the_configuration_and_an_unknown_format_is_refused() {
    let site = Site::new();
    let text = std::fs::read_to_string(site.config()).unwrap();
    site.write("testudo.toml", &format!("{text}\n[log]\nformat = \"text\"\n"));
    let server = site.serve();
    assert!(
        server.ready_line.starts_with("ready on http://"),
        "{}",
        server.ready_line
    );
    let log = server.log.lock().unwrap().clone();
    for line in log.lines() {
        assert!(line.contains(" event=") && !line.starts_with('{'), "{line}");
    }
    drop(server);
    site.write("testudo.toml", &format!("{text}\n[log]\nformat = \"xml\"\n"));
    let check = site.run(&["check"]);
    assert!(!check.status.success());
    assert!(stderr(&check).contains("log.format"), "{}", stderr(&check));
}

#[test]
fn lines_ready_and_stopping_are_written_at_every_level_of_the_log() {
    let site = Site::new();
    for (level, is_readable) in [
        ("warn", true),
        ("off", true),
        ("testudo=off", true),
        ("not a level,=", false),
    ] {
        let mut server = Server::start_with(&site.config(), &[("RUST_LOG", PathBuf::from(level))]);
        server.signal("TERM");
        assert!(server.child.wait().unwrap().success());
        let log = log_with(&server, "server.stopping");
        all_documented(&log);
        assert_eq!(
            log.contains("log.level_unreadable"),
            !is_readable,
            "{level}: {log}"
        );
    }
}

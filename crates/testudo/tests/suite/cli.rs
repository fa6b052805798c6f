//! Tests of the commands, with a running server.

use crate::binary::{ISSUER, RULES, Site, folder, now, run, stderr};
use crate::listeners::wait_for;
use serde_json::{Value, json};
use testudo_testkit::http::Connection;
use testudo_testkit::{svid_form, token};

const PAY_ID: &str = "spiffe://prod.example/ns/shop/sa/pay";

#[tokio::test]
async fn client_commands_list_show_freeze_thaw_and_delete_a_client() {
    let site = Site::new();
    let server = site.serve();
    let answer = server.token(svid_form(&site.svid("/ns/shop/sa/pay"), &[])).await;
    assert_eq!(answer.status, 200);

    let clients = site.json(&["client", "list"]);
    assert_eq!(clients.as_array().unwrap().len(), 1);
    let client = &clients[0];
    assert_eq!(
        (&client["client_id"], &client["rule"], &client["trust_domain"]),
        (&json!(PAY_ID), &json!("payments"), &json!("prod.example"))
    );
    assert_eq!(client["credential_kind"], "jwt_svid");
    assert!(client["first_seen"].as_str().unwrap().ends_with('Z'));
    assert!(client["last_used"].is_string());
    let table = site.ok(&["client", "list"]);
    assert!(table.contains(PAY_ID) && table.contains("CLIENT"), "{table}");
    assert!(site.ok(&["client", "show", PAY_ID]).contains("pay in shop"));
    assert_eq!(
        site.json(&["client", "show", PAY_ID])["metadata"]["redirect_uris"],
        json!(["https://pay.shop.apps.example.net/callback"])
    );

    site.ok(&["client", "freeze", PAY_ID, "--reason", "odd calls"]);
    assert_eq!(
        server
            .token(svid_form(&site.svid("/ns/shop/sa/pay"), &[]))
            .await
            .error(),
        "invalid_client"
    );
    assert_eq!(
        site.json(&["client", "list", "--state", "frozen"])
            .as_array()
            .unwrap()
            .len(),
        1
    );
    site.ok(&["client", "thaw", PAY_ID, "--reason", "explained"]);

    let unconfirmed = site.run(&["client", "delete", "--rule", "payments"]);
    assert!(!unconfirmed.status.success());
    assert!(stderr(&unconfirmed).contains("--yes"), "{}", stderr(&unconfirmed));
    let deleted = site.run(&[
        "client", "delete", "--rule", "payments", "--yes", "--reason", "gone",
    ]);
    assert!(deleted.status.success());
    assert!(
        stderr(&deleted).contains("registered again"),
        "the command must warn that the client can be registered again"
    );
    for (kind, reason) in [
        ("client.frozen", "odd calls"),
        ("client.thawed", "explained"),
        ("client.removed", "gone"),
    ] {
        let recorded = crate::administration::events(&site, kind);
        assert!(
            recorded.len() == 1 && recorded[0]["reason"] == reason,
            "{kind}: {recorded:?}"
        );
    }
    assert_eq!(site.json(&["client", "list"]), json!([]));
    let missing = site.run(&["client", "show", PAY_ID]);
    assert!(!missing.status.success());
    assert!(stderr(&missing).contains("hint: "));
    assert_eq!(site.json(&["client", "sweep", "--dry-run"])["removed"], 0);
    drop(server);
}

#[tokio::test]
async fn trust_rule_event_and_explain_commands_show_the_state_of_the_server() {
    let site = Site::new();
    let server = site.serve();
    let domains = site.json(&["trust", "list"]);
    assert_eq!(
        (&domains[0]["authority"], &domains[0]["state"]),
        (&json!("spiffe://prod.example"), &json!("fresh"))
    );
    assert!(site.ok(&["trust", "show", "prod.example"]).contains("fresh"));
    site.ok(&["trust", "refresh", "prod.example"]);
    assert!(!site.run(&["trust", "show", "nowhere.example"]).status.success());

    site.ok(&["trust", "disable", "prod.example"]);
    assert_eq!(
        server
            .token(svid_form(&site.svid("/ns/shop/sa/pay"), &[]))
            .await
            .error(),
        "invalid_client"
    );
    site.ok(&["trust", "enable", "prod.example"]);

    assert_eq!(site.json(&["rule", "list"])[0]["name"], "payments");
    let governed = site.json(&["rule", "test", PAY_ID]);
    assert_eq!(
        (&governed[0]["rule"], &governed[0]["client_name"]),
        (&json!("payments"), &json!("pay in shop"))
    );
    let outside = site.run(&["rule", "test", "spiffe://prod.example/other"]);
    assert!(!outside.status.success());
    let config = site.config();
    let from_stdin = run(
        &["rule", "test", "--json", "--config", config.to_str().unwrap()],
        &format!("{PAY_ID}\n\n"),
    );
    assert!(from_stdin.status.success(), "{}", stderr(&from_stdin));

    site.ok(&[
        "identity",
        "block",
        "spiffe://prod.example/ns/shop/**",
        "--reason",
        "incident 7",
    ]);
    assert_eq!(site.json(&["identity", "list"])[0]["reason"], "incident 7");
    let refused = server.token(svid_form(&site.svid("/ns/shop/sa/pay"), &[])).await;
    assert_eq!(refused.error(), "invalid_client");
    let request_id = refused.header("request-id").unwrap();
    let explained = site.ok(&["explain", request_id]);
    assert!(
        explained.contains("identity_blocked") && explained.contains("testudo identity unblock"),
        "{explained}"
    );
    site.ok(&["identity", "unblock", "spiffe://prod.example/ns/shop/**"]);

    site.write("svid", &site.svid("/ns/shop/sa/pay"));
    let path = site.folder.join("svid");
    let explained = site.json(&["explain", "--credential", path.to_str().unwrap()]);
    assert_eq!(explained["outcome"], "allowed");

    let events = site.events(&[]);
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    for kind in [
        "authority.disabled",
        "authority.enabled",
        "identity.blocked",
        "identity.unblocked",
        "client.refused",
    ] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    assert!(site.ok(&["event", "list"]).contains("reason=identity_blocked"));
    assert_eq!(site.json(&["status"])["issuer"], ISSUER);
}

#[tokio::test]
async fn configuration_is_reloaded_by_signal_and_by_command() {
    let site = Site::new();
    let server = site.serve();
    let ask = async || server.token(svid_form(&site.svid("/ns/shop/sa/pay"), &[])).await;
    assert_eq!(ask().await.status, 200);
    site.configure("", &RULES.replace("/ns/{namespace}", "/other/{namespace}"));
    site.ok(&["reload"]);
    assert_eq!(ask().await.error(), "invalid_client");
    assert_eq!(
        site.json(&["client", "list", "--orphaned"])
            .as_array()
            .unwrap()
            .len(),
        1
    );
    site.configure("", "nonsense = 1");
    let refused = site.run(&["reload"]);
    assert!(!refused.status.success());
    assert!(stderr(&refused).contains("nonsense"), "{}", stderr(&refused));
    assert_eq!(
        ask().await.error(),
        "invalid_client",
        "the previous configuration must stay in use"
    );
    site.configure("", RULES);
    server.signal("HUP");
    wait_for("the configuration is reloaded after SIGHUP", async || {
        ask().await.status == 200
    })
    .await;
}

#[tokio::test]
async fn admin_listener_serves_metrics_and_probes_without_a_token_but_not_the_api() {
    let site = Site::new();
    let server = site.serve();
    server.token(svid_form(&site.svid("/ns/shop/sa/pay"), &[])).await;
    let admin = server.admin_address();
    let mut connection = Connection::open(admin).await;
    let metrics = connection.get("/metrics").await;
    assert!(
        String::from_utf8(metrics.body)
            .unwrap()
            .contains("testudo_tokens_issued_total 1")
    );
    assert_eq!(connection.get("/readyz").await.status, 200);
    for path in ["/admin/v1/clients", "/admin/v1/trust", "/admin/v1/status"] {
        let answer = connection.get(path).await;
        assert_eq!(
            (answer.status, answer.header("www-authenticate")),
            (401, Some("Bearer")),
            "{path}"
        );
    }
    let forged = connection
        .send(
            "GET",
            "/admin/v1/clients",
            &[("authorization", "Bearer x.y.z")],
            "",
        )
        .await;
    assert_eq!(forged.status, 401);
}

#[tokio::test]
async fn token_get_fetches_a_token_and_token_inspect_checks_it() {
    let (site, issuer) = Site::under_its_own_name();
    let _server = site.serve();
    site.write("svid", &site.issuer.svid("/ns/shop/sa/pay", &issuer, now()));
    let svid = site.folder.join("svid");
    let got = run(
        &[
            "token",
            "get",
            "--issuer",
            &issuer,
            "--svid-file",
            svid.to_str().unwrap(),
            "--scope",
            "orders.write",
        ],
        "",
    );
    assert!(got.status.success(), "{}", stderr(&got));
    let text = String::from_utf8(got.stdout).unwrap();
    assert_eq!(token::claims(text.trim())["scope"], "orders.write");
    let inspected = run(&["token", "inspect", "--issuer", &issuer], &text);
    assert!(inspected.status.success(), "{}", stderr(&inspected));
    let shown: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(shown["claims"]["client_id"], PAY_ID);
    let wrong = run(
        &[
            "token",
            "inspect",
            "--issuer",
            &issuer,
            "--audience",
            "https://other",
        ],
        &text,
    );
    assert!(!wrong.status.success());
    let refused = run(
        &[
            "token",
            "get",
            "--issuer",
            &issuer,
            "--svid-file",
            svid.to_str().unwrap(),
            "--scope",
            "admin",
        ],
        "",
    );
    assert!(!refused.status.success());
    assert!(refused.stdout.is_empty());
    let printed = stderr(&refused);
    assert!(printed.contains("invalid_scope"), "{printed}");
    let (_, id) = printed.split_once("testudo explain ").unwrap();
    let explained = site.ok(&["explain", id.trim()]);
    assert!(explained.contains("scope"), "{explained}");
}

/// Tokens, assertions and keys must not be in the log, at any level, nor in events. Row PF-06.
#[tokio::test]
async fn tokens_and_keys_are_never_logged() {
    let site = Site::new();
    let mut server = crate::binary::Server::start_logging(&site.config(), "trace");
    let good = site.svid("/ns/shop/sa/pay");
    let bad = site.svid("/none");
    let forged = format!("{}x", &good[..good.len() - 1]);
    let mut secrets = vec![];
    for (svid, more) in [
        (&good, vec![]),
        (&bad, vec![]),
        (&forged, vec![]),
        (&good, vec![("scope", "admin")]),
        (&good, vec![("client_secret", "hunter2-hunter2")]),
    ] {
        let answer = server.token(svid_form(svid, &more)).await;
        if answer.status == 200 {
            secrets.push(answer.access_token());
        }
    }
    secrets.extend([good, bad, forged]);
    let mut needles: Vec<String> = secrets
        .iter()
        .flat_map(|token| token.split('.').skip(1).map(str::to_owned))
        .collect();
    needles.push("hunter2-hunter2".into());
    needles.push(std::fs::read_to_string(site.folder.join("testudo.db.kek")).unwrap());
    // The log of the last request may not be written yet, so another request follows.
    site.json(&["client", "list"]);
    let events = site.ok(&["event", "list", "--json"]);
    let log = server.log_until_end();
    assert!(
        log.contains("client.registered") && log.contains("client.refused"),
        "{log}"
    );
    for needle in needles {
        assert!(!log.contains(&needle), "{needle} is in the log");
        assert!(!events.contains(&needle), "{needle} is in an event");
    }
}

#[test]
fn token_get_uses_an_x509_svid_in_files() {
    let (site, issuer) = Site::with_mutual_tls("sender_constraint = \"mtls\"");
    let _server = site.serve();
    let path = |name: &str| site.folder.join(name).to_str().unwrap().to_owned();
    let got = run(
        &[
            "token",
            "get",
            "--issuer",
            &issuer,
            "--ca",
            &path("root.pem"),
            "--x509",
            &path("svid.pem"),
            &path("svid.key"),
        ],
        "",
    );
    assert!(got.status.success(), "{}", stderr(&got));
    let claims = token::claims(String::from_utf8(got.stdout).unwrap().trim());
    assert_eq!(claims["client_id"], PAY_ID);
    assert!(claims["cnf"]["x5t#S256"].is_string());
    assert_eq!(site.json(&["client", "list"])[0]["credential_kind"], "x509_svid");
}

#[test]
fn check_reports_every_problem_at_once() {
    let site = Site::new();
    let good = site.run(&["check"]);
    assert!(good.status.success(), "{}", stderr(&good));
    let bad = r#"
issuer = "http://as.example/"
isuer = 1
[server]
listen = ["nowhere"]
listn = 1
[tokens]
access_token_lifetime = "5 minutes"
signing_algorithm = "HS256"
[[trust_domains]]
name = "Prod.Example"
bundle = { url = "http://spire.example" }
[[trust_domains]]
name = "b.example"
bundle = { url = "https://u:p@spire.example", file = "x" }
first_use = "maybe"
[[rules]]
name = "a"
identities = ["spiffe://b.example/**", "spiffe://b.example/a*"]
scopes = ["a b"]
[[rules]]
name = "b"
identities = ["spiffe://b.example/{x}"]
client_name = "{y}"
sender_constraint = "tls"
"#;
    site.write("testudo.toml", bad);
    let output = site.run(&["check"]);
    assert!(!output.status.success());
    let printed = stderr(&output);
    for expected in [
        "issuer \"http://as.example/\"",
        "isuer is not a known key",
        "did you mean `issuer`?",
        "server.listn is not a known key",
        "did you mean `listen`?",
        "server.listen[0] \"nowhere\" is not an address",
        "tokens.access_token_lifetime \"5 minutes\" is not a duration",
        "tokens.signing_algorithm \"HS256\"",
        "trust_domains[0].name \"Prod.Example\"",
        "trust_domains[1].bundle must have exactly one",
        "trust_domains[1].first_use cannot be read",
        "admits every identity of a trust domain",
        "entire_trust_domain = true",
        "testudo.toml:20:11: rule `a`, rules[0].scopes[0] \"a b\"",
        "expected: a scope value without spaces, such as \"orders.read\"",
        "rules[1].client_name",
        "rules[1].sender_constraint",
    ] {
        assert!(printed.contains(expected), "{expected:?} in:\n{printed}");
    }
    let as_json: Vec<Value> = serde_json::from_slice(&site.run(&["check", "--json"]).stdout).unwrap();
    assert!(as_json.len() >= 14, "{}", as_json.len());
    let scopes = as_json
        .iter()
        .find(|problem| problem["key"] == "rules[0].scopes[0]")
        .unwrap();
    assert_eq!(
        (&scopes["line"], &scopes["column"], &scopes["value"]),
        (&json!(20), &json!(11), &json!("\"a b\""))
    );
    assert!(scopes["file"].as_str().unwrap().ends_with("/testudo.toml"));
    assert_eq!(
        (&scopes["entry"], &scopes["is_warning"]),
        (&json!("rule `a`"), &json!(false))
    );
    let places: Vec<_> = as_json
        .iter()
        .map(|problem| (problem["line"].as_u64(), problem["column"].as_u64()))
        .collect();
    assert!(
        places.is_sorted(),
        "problems must be in the order of the file: {places:?}"
    );
}

#[test]
fn configuration_written_by_init_passes_check() {
    let folder = folder();
    // A folder that does not exist, as in the README.
    let folder = folder.join("my-as");
    let init = run(&["init", folder.to_str().unwrap()], "");
    assert!(init.status.success(), "{}", stderr(&init));
    let config = folder.join("testudo.toml");
    let check = run(&["check", "--config", config.to_str().unwrap()], "");
    assert!(check.status.success(), "{}", stderr(&check));
    let again = run(&["init", folder.to_str().unwrap()], "");
    assert!(
        !again.status.success(),
        "an existing file must not be overwritten"
    );
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(folder.join("kek"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn doctor_passes_a_good_site_and_fails_an_unreadable_bundle() {
    let site = Site::new();
    let good = site.run(&["doctor"]);
    assert!(good.status.success(), "{}", stderr(&good));
    std::fs::remove_file(site.folder.join("bundle.json")).unwrap();
    let bad = site.run(&["doctor"]);
    assert!(!bad.status.success());
    assert!(String::from_utf8_lossy(&bad.stdout).contains("bundle.json cannot be read"));
}

#[test]
fn doctor_fails_an_admin_socket_at_which_serve_would_not_start() {
    let site = Site::new();
    let socket = site.folder.join("testudo.sock");
    let printed = || {
        let output = site.run(&["doctor"]);
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), stdout)
    };
    let (is_good, text) = printed();
    assert!(is_good && text.contains("can be created"), "{text}");
    let server = site.serve();
    let (is_good, text) = printed();
    assert!(is_good && text.contains("a server listens on"), "{text}");
    drop(server);
    let _ = std::fs::remove_file(&socket);
    std::fs::write(&socket, "precious").unwrap();
    let (is_good, text) = printed();
    assert!(!is_good && text.contains("is a file and not a socket"), "{text}");
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "precious");
    let serve = site.run(&["serve"]);
    assert!(!serve.status.success(), "serve must refuse it as well");
    assert!(
        stderr(&serve).contains("is a file and not a socket"),
        "{}",
        stderr(&serve)
    );
    std::fs::remove_file(&socket).unwrap();
    // A socket of a crashed server does not prevent a start.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(printed().0);
    let text = std::fs::read_to_string(site.config()).unwrap();
    site.write(
        "testudo.toml",
        &text.replace("\"testudo.sock\"", "\"missing/testudo.sock\""),
    );
    let (is_good, text) = printed();
    assert!(
        !is_good && text.contains("cannot create a folder beside admin.socket"),
        "{text}"
    );
}

#[test]
fn commands_without_a_running_server_fail_with_a_hint() {
    let site = Site::new();
    let output = site.run(&["client", "list"]);
    assert!(!output.status.success());
    assert!(
        stderr(&output).contains("hint: start it with `testudo serve`"),
        "{}",
        stderr(&output)
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn dev_demonstration_shows_first_second_and_refused_use() {
    let output = run(&["dev", "--once", "--listen", "127.0.0.1:0"], "");
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "First use",
        "Second use",
        "Refused use",
        "   200",
        "   400",
        "invalid_client",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let elsewhere = run(&["dev", "--once", "--listen", "0.0.0.0:0"], "");
    assert!(
        !elsewhere.status.success(),
        "dev must listen on loopback addresses only"
    );
}

#[test]
fn complete_example_configuration_is_accepted() {
    let site = Site::new();
    site.write("jwks.json", "{\"keys\":[]}");
    let design = r#"
issuer = "https://as.example.net"
[server]
listen = ["127.0.0.1:0"]
[store]
url = "sqlite:testudo.db"
[admin]
socket = "testudo.sock"
[tokens]
signing_algorithm = "ES256"
access_token_lifetime = "5m"
[[trust_domains]]
name = "prod.example"
bundle = { file = "bundle.json" }
credentials = ["jwt_svid", "x509_svid", "wit_svid"]
first_use = "on"
registrations_per_minute = 600
clients_max = 100000
[[issuers]]
name = "cluster-a"
kind = "kubernetes"
issuer = "https://kubernetes.default.svc.cluster.local"
jwks = { file = "jwks.json" }
use = ["client"]
[[issuers]]
name = "agents"
kind = "verifiable_credential"
issuer = "https://issuer.example"
jwks = { file = "jwks.json" }
use = ["registration"]
types = ["https://vct.example/oauth-client/1"]
first_use = "on"
[[rules]]
name = "payments"
identities = ["spiffe://prod.example/ns/{namespace}/sa/{service}"]
scopes = ["orders.read", "orders.write"]
default_scopes = ["orders.read"]
resources = ["https://api.example.net/orders"]
grant_types = ["client_credentials"]
redirect_uris = ["https://{service}.{namespace}.apps.example.net/callback"]
client_name = "{service} in {namespace}"
client_idle_lifetime = "30d"
client = "workload"
client_id = "identity"
sender_constraint = "none"
"#;
    site.write("testudo.toml", design);
    let output = site.run(&["check"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("issuers[1].first_use has no effect"),
        "a setting without effect must be reported"
    );
    let _server = site.serve();
}

#[test]
fn token_get_names_the_file_of_the_svid_that_it_cannot_read_and_not_the_workload_api() {
    let (site, issuer) = Site::under_its_own_name();
    let _server = site.serve();
    site.write("root.pem", "no certificate");
    for (flags, expected) in [
        (&["--svid-file", "none.jwt"][..], "none.jwt cannot be read"),
        (&["--x509", "none.pem", "none.key"], "none.pem cannot be read"),
        (&["--x509", "root.pem", "root.pem"], "root.pem and "),
    ] {
        let files: Vec<String> = flags
            .iter()
            .map(|flag| match flag.starts_with("--") {
                true => (*flag).to_owned(),
                false => site.folder.join(flag).to_str().unwrap().to_owned(),
            })
            .collect();
        let mut command = vec!["token", "get", "--issuer", &issuer];
        command.extend(files.iter().map(String::as_str));
        let output = run(&command, "");
        let text = stderr(&output);
        assert!(
            !output.status.success() && text.contains(expected),
            "{flags:?}: {text}"
        );
        assert!(
            text.contains("hint: ") && !text.contains("SPIFFE_ENDPOINT_SOCKET"),
            "{flags:?}: {text}"
        );
    }
}

/// Each mistake in the options of `token get` and `token inspect`, with the words that must name it and its remedy.
#[test]
fn token_commands_name_the_wrong_option_and_its_remedy() {
    let (site, issuer) = Site::under_its_own_name();
    let _server = site.serve();
    let path = |name: &str| site.folder.join(name).to_str().unwrap().to_owned();
    let (one, other) = (
        testudo_testkit::x509::web_certificate("localhost").0,
        testudo_testkit::x509::web_certificate("localhost").0,
    );
    site.write("one.pem", &one.chain_pem());
    site.write("other.key", &other.key_pem());
    site.write("bad.jwt", "no token");
    site.write("empty.pem", "");
    let (one, key, bad, empty) = (
        path("one.pem"),
        path("other.key"),
        path("bad.jwt"),
        path("empty.pem"),
    );
    let none = path("none");
    let socket = format!("unix://{none}");
    let plain = format!("unix://{bad}");
    let config = site.config().to_str().unwrap().to_owned();
    let svid = site.svid("/ns/shop/sa/pay");
    let get = |more: &[&str]| {
        let mut command = vec!["token".to_owned(), "get".to_owned()];
        command.extend(more.iter().map(|part| (*part).to_owned()));
        command
    };
    let by_socket = |address: &str| get(&["--issuer", &issuer, "--workload-api", address]);
    for (command, names, remedy) in [
        (
            get(&["--issuer", &issuer, "--x509", &one, &key]),
            [&one, &key].map(String::as_str),
            "name the PEM file",
        ),
        (
            get(&["--issuer", &issuer, "--svid-file", &bad]),
            [&bad, "is not a JWT-SVID"],
            "three parts between dots",
        ),
        (
            by_socket("/run/agent.sock"),
            ["\"/run/agent.sock\"", "has no scheme"],
            "unix:///run",
        ),
        (
            by_socket(&socket),
            [&none, "does not exist"],
            "start the SPIFFE agent",
        ),
        (by_socket(&plain), [&bad, "is not a socket"], "name the socket"),
        (
            get(&["--issuer", "as.example", "--svid-file", &bad]),
            ["\"as.example\"", "the issuer"],
            "https://as.example.net",
        ),
        (
            get(&["--issuer", &issuer, "--svid-file", &bad, "--ca", &empty]),
            [&empty, "contains no PEM certificate"],
            "name a PEM file",
        ),
        (
            get(&["--issuer", &issuer, "--svid-file", &bad, "--ca", &none]),
            [&none, "cannot be read"],
            "name a PEM file",
        ),
        (
            ["token", "inspect", "--issuer", &issuer, "--ca", &none]
                .map(str::to_owned)
                .to_vec(),
            [&none, "cannot be read"],
            "name a PEM file",
        ),
        (
            ["token", "inspect", "--issuer", &issuer]
                .map(str::to_owned)
                .to_vec(),
            ["not valid: ", "error"],
            "compare `iss` with --issuer",
        ),
        (
            ["explain", "--config", &config, "--credential", &none]
                .map(str::to_owned)
                .to_vec(),
            ["--credential: ", &none],
            "the file with the credential that was sent",
        ),
    ] {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let output = run(&command, &svid);
        let text = stderr(&output);
        for words in [names[0], names[1], "hint: ", remedy] {
            assert!(
                !output.status.success() && text.contains(words),
                "{command:?}: {words:?} is not in {text}"
            );
        }
    }
    let garbage = run(&["token", "inspect"], "no token");
    let text = stderr(&garbage);
    for words in [
        "the token on stdin cannot be decoded",
        "hint: send one access token",
    ] {
        assert!(!garbage.status.success() && text.contains(words), "{text}");
    }
}

//! Tests of commands that send their requests over HTTPS with an access token (`--admin-url`).

use crate::administration::{edit, site, token_of};
use crate::binary::{Server, Site, run_to_end, stderr};
use crate::event_follow::{DEADLINE, Follower};
use serde_json::Value;
use std::process::{Command, Output};

const IDENTITY: &str = "spiffe://prod.example/ns/shop/sa/pay";

/// A site with TLS at its admin listener, its server and the URL of the listener. The commands run in a folder without a
/// configuration file, `elsewhere`.
fn served() -> (Site, Server, String) {
    let site = site();
    site.certify("localhost");
    std::fs::create_dir(site.folder.join("elsewhere")).unwrap();
    let listen = "listen = \"127.0.0.1:0\"\n";
    let tls = "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }\n";
    edit(&site, listen, &format!("{listen}{tls}"));
    let server = site.serve();
    let address = server.ready_line.rsplit("https://").next().unwrap();
    let port = address.trim().rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}");
    (site, server, url)
}

/// The command without what the test's own environment would add, and without a configuration file.
fn command(site: &Site, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testudo"));
    command.args(arguments).current_dir(site.folder.join("elsewhere"));
    for name in ["CONFIG", "SOCKET", "ADMIN_URL", "ADMIN_CA", "TOKEN_FILE", "TOKEN"] {
        command.env_remove(format!("TESTUDO_{name}"));
    }
    command
}

/// Runs a command at the URL with the token in the file.
fn at(site: &Site, url: &str, arguments: &[&str]) -> Output {
    let more = [
        "--admin-url",
        url,
        "--token-file",
        "../token",
        "--ca",
        "../root.pem",
    ];
    run_to_end(&mut command(site, &[arguments, &more].concat()), "")
}

#[track_caller]
fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn refused(output: &Output, words: &[&str]) {
    let printed = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    for words in words {
        assert!(printed.contains(words), "{words:?} is not in {printed}");
    }
}

async fn write_token(site: &Site, server: &Server, path: &str, scope: &str) {
    let token = token_of(site, server, path, scope).await;
    // As `testudo token get > FILE` writes it, with a newline.
    site.write("token.new", &format!("{token}\n"));
    std::fs::rename(site.folder.join("token.new"), site.folder.join("token")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrator_reads_and_changes_over_https_and_an_auditor_only_reads() {
    let (site, server, url) = served();
    write_token(&site, &server, "/ops/alice", "admin.write").await;
    assert!(ok(&at(&site, &url, &["status"])).contains("https://as.example"));
    let block = ["identity", "block", IDENTITY, "--reason", "INC-1"];
    ok(&at(&site, &url, &block));
    let events = ok(&at(
        &site,
        &url,
        &["event", "list", "--json", "--type", "identity.blocked"],
    ));
    let event: Value = serde_json::from_str(events.trim()).unwrap();
    assert_eq!(event["actor"], "spiffe://prod.example/ops/alice", "{event}");
    assert_eq!(event["reason"], "INC-1");

    // A token that can only read: of an administrator, then of an auditor.
    write_token(&site, &server, "/ops/alice", "admin.read").await;
    ok(&at(&site, &url, &["identity", "list"]));
    let unblock = ["identity", "unblock", IDENTITY];
    let words = ["hint: ", "scope value", "admin.write"];
    refused(&at(&site, &url, &unblock), &words);
    write_token(&site, &server, "/audit/bob", "admin.read admin.write").await;
    ok(&at(&site, &url, &["key", "list"]));
    let words = ["auditors may only read", "admin.administrators", "admin.write"];
    refused(&at(&site, &url, &unblock), &words);
    write_token(&site, &server, "/dev/carol", "admin.read").await;
    refused(
        &at(&site, &url, &["status"]),
        &["admin.administrators", "admin.auditors"],
    );
    assert!(site.ok(&["identity", "list"]).contains(IDENTITY));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_in_the_environment_is_used_and_one_that_is_not_valid_is_explained() {
    let (site, server, url) = served();
    let token = token_of(&site, &server, "/audit/bob", "admin.read").await;
    let with = |token: Option<&str>| {
        let mut command = command(&site, &["status", "--ca", "../root.pem"]);
        command.env("TESTUDO_ADMIN_URL", &url);
        if let Some(token) = token {
            command.env("TESTUDO_TOKEN", token);
        }
        run_to_end(&mut command, "")
    };
    ok(&with(Some(&token)));
    let get = "`testudo token get --issuer URL --resource URL --scope admin.read`";
    refused(&with(None), &["needs an access token", "--token-file", get]);
    for wrong in ["", "two words", "\u{e4}"] {
        refused(
            &with(Some(wrong)),
            &["TESTUDO_TOKEN", "does not contain an access token", get],
        );
    }
    // The last character of a signature of 64 bytes has unused bits, the first has none.
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed}.{first}{}", &signature[1..]);
    let output = with(Some(&forged));
    refused(&output, &["the token is not valid", get]);
    assert!(
        !stderr(&output).contains(signature),
        "an error must not contain the token"
    );
    // A probe needs no token.
    let mut probe = command(
        &site,
        &["healthcheck", "--admin-url", &url, "--ca", "../root.pem"],
    );
    ok(&run_to_end(&mut probe, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_is_reached_only_with_the_right_options() {
    let (site, server, url) = served();
    write_token(&site, &server, "/ops/alice", "admin.write").await;
    let run = |arguments: &[&str]| run_to_end(&mut command(&site, arguments), "");
    let token = ["status", "--token-file", "../token"];
    refused(&run(&token), &["--token-file", "is given without --admin-url"]);
    let ca = ["status", "--ca", "../root.pem"];
    refused(&run(&ca), &["--ca", "is given without --admin-url"]);
    let both = run(&["status", "--admin-url", &url, "--socket", "x"]);
    assert_eq!(both.status.code(), Some(2), "{}", stderr(&both));
    // The root is unknown to the system.
    let unknown = run(&[&token[..], &["--admin-url", &url]].concat());
    refused(&unknown, &["TLS failed", "--ca"]);
    let no_root = run(&[&token[..], &["--admin-url", &url, "--ca", "none"]].concat());
    refused(&no_root, &["--ca: none cannot be read", "hint: name a PEM file"]);
    // A host name that is not in the certificate.
    let other = url.replace("localhost", "127.0.0.1");
    refused(&at(&site, &other, &["status"]), &["TLS failed", "host name"]);
    let http = at(&site, "http://admin.example:8081", &["status"]);
    refused(&http, &["http is for loopback only", "use https"]);
    for wrong in [
        "admin.example",
        "https://admin.example?x=1",
        "https://admin.example#x",
    ] {
        refused(&at(&site, wrong, &["status"]), &["--admin-url", wrong]);
    }
    let missing = run(&[
        "status",
        "--admin-url",
        &url,
        "--token-file",
        "none",
        "--ca",
        "../root.pem",
    ]);
    refused(&missing, &["none cannot be read"]);
    drop(server);
    refused(&at(&site, &url, &["status"]), &["cannot connect", "admin.listen"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follow_goes_on_with_the_token_that_replaced_the_one_in_the_file() {
    let (site, server, url) = served();
    write_token(&site, &server, "/audit/bob", "admin.read").await;
    let arguments = [
        "event",
        "follow",
        "--json",
        "--since",
        "1h",
        "--type",
        "identity.blocked",
    ];
    let more = [
        "--admin-url",
        &url,
        "--token-file",
        "../token",
        "--ca",
        "../root.pem",
    ];
    let follower = Follower::spawn(command(&site, &[&arguments[..], &more].concat()));
    let block = |name: &str| {
        let identity = format!("spiffe://prod.example/{name}");
        site.ok(&["identity", "block", &identity]);
        let event: Value = follower.events.recv_timeout(DEADLINE).unwrap();
        assert_eq!(event["identity"], identity, "{event}");
    };
    block("first");
    write_token(&site, &server, "/audit/dora", "admin.read").await;
    // The request that shows the third event began after the second was shown, so that it has the new token.
    block("second");
    block("third");
    // The token of a client that is frozen is refused as one that has expired.
    site.ok(&["client", "freeze", "spiffe://prod.example/audit/bob"]);
    block("fourth");
    site.ok(&["client", "freeze", "spiffe://prod.example/audit/dora"]);
    let mut follower = follower;
    let ended = tokio::task::spawn_blocking(move || follower.child.wait().unwrap());
    let status = tokio::time::timeout(DEADLINE, ended).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(1), "a token that is refused ends the command");
}

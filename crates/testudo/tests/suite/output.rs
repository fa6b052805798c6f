//! Tests of the output of commands that fail or find nothing: exit status, JSON of errors, lists without rows.

use crate::binary::{RULES, Site, folder, json_lines, run, stderr};
use serde_json::json;
use testudo_testkit::svid_form;

const PAY_ID: &str = "spiffe://prod.example/ns/shop/sa/pay";

#[tokio::test]
async fn freeze_continues_after_a_client_that_fails_and_names_it() {
    let site = Site::new();
    let server = site.serve();
    let form = svid_form(&site.svid("/ns/shop/sa/pay"), &[]);
    assert_eq!(server.token(form).await.status, 200);
    let output = site.run(&["client", "freeze", "no-such-client", PAY_ID]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stderr(&output);
    assert!(
        text.contains("error: no-such-client: ") && text.contains("1 of 2 clients failed"),
        "{text}"
    );
    assert!(site.ok(&["client", "list", "--state", "frozen"]).contains(PAY_ID));
}

#[test]
fn exit_status_is_0_for_success_1_for_failure_and_2_for_wrong_arguments() {
    let site = Site::new();
    let svid = site.folder.join("svid");
    site.write("svid", &site.svid("/none"));
    let without_server = site.run(&["healthcheck"]);
    assert_eq!(without_server.status.code(), Some(1), "{without_server:?}");
    let server = site.serve();
    let credential = svid.to_str().unwrap();
    for (status, words) in [
        (0, &["check"][..]),
        (0, &["doctor"]),
        (0, &["healthcheck"]),
        (0, &["client", "list"]),
        (0, &["rule", "test", PAY_ID]),
        (0, &["explain", "--credential", credential]),
        (0, &["--help"]),
        (0, &["--version"]),
        (0, &["help", "client", "list"]),
        (1, &["client", "show", PAY_ID]),
        (1, &["rule", "test", "spiffe://prod.example/none"]),
        (1, &["explain", "--credential", credential, "--exit-code"]),
        (1, &["explain", "0000"]),
        (1, &["trust", "show", "nowhere.example"]),
        (2, &[]),
        (2, &["client"]),
        (2, &["client", "list", "--no-such-option"]),
        (2, &["event", "list", "--limit", "0"]),
        (2, &["explain"]),
        (
            2,
            &["token", "get", "--issuer", "http://127.0.0.1:1", "--config", "x"],
        ),
        (2, &["init", "--socket", "x"]),
        (2, &["dev", "--config", "x"]),
        (2, &["check", "--socket", "x"]),
        (2, &["completions", "tcsh"]),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_testudo"))
            .args(words)
            .env("TESTUDO_CONFIG", site.config())
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(status),
            "{words:?}: {}",
            stderr(&output)
        );
    }
    drop(server);
    site.configure("", "nonsense = 1");
    for words in [&["check"], &["doctor"], &["serve"]] {
        assert_eq!(site.run(words).status.code(), Some(1), "{words:?}");
    }
}

#[test]
fn errors_are_json_with_the_option_json() {
    let site = Site::new();
    let output = site.run(&["client", "list", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let printed = json_lines(&stderr(&output));
    assert_eq!(printed.len(), 1, "{printed:?}");
    assert!(
        printed[0]["error"]
            .as_str()
            .unwrap()
            .starts_with("no server answers at ")
    );
    assert!(printed[0]["hint"].as_str().unwrap().starts_with("start it with"));

    let output = site.run(&["client", "list", "--json", "--no-such-option"]);
    assert_eq!(output.status.code(), Some(2));
    let printed = json_lines(&stderr(&output));
    assert_eq!(
        printed[0]["error"],
        "unexpected argument '--no-such-option' found"
    );
    assert!(
        printed[0]["hint"]
            .as_str()
            .unwrap()
            .contains("Usage: testudo client list")
    );

    site.configure("", "nonsense = 1");
    let printed = json_lines(&stderr(&site.run(&["doctor", "--json"])));
    let of = |kind: &str| {
        printed
            .iter()
            .filter_map(|line| line[kind].as_str())
            .collect::<Vec<_>>()
    };
    let (errors, warnings) = (of("error"), of("warning"));
    assert_eq!((errors.len(), warnings.len()), (2, 1), "{printed:?}");
    assert!(
        errors[0].contains("nonsense") && errors[1].contains("cannot be used"),
        "{printed:?}"
    );
}

#[test]
fn list_without_rows_prints_a_message_to_stderr_and_no_header() {
    let site = Site::new();
    let _server = site.serve();
    for (words, printed) in [
        (["client", "list"], "no clients\n"),
        (["identity", "list"], "no blocked identities\n"),
    ] {
        let output = site.run(&words);
        assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
        assert_eq!(stderr(&output), printed);
        assert_eq!(site.json(&words), json!([]));
    }
    let output = site.run(&["event", "list", "--identity", "spiffe://prod.example/none"]);
    assert_eq!(
        (stderr(&output).as_str(), output.stdout.len()),
        ("no events\n", 0)
    );
}

#[tokio::test]
async fn unknown_rule_or_trust_domain_of_a_filter_is_an_error() {
    let site = Site::new();
    let server = site.serve();
    for (filter, name, printed) in [
        ("--rule", "paymints", "error: no rule is named \"paymints\""),
        (
            "--authority",
            "prod.exmaple",
            "error: no trust domain or issuer named \"prod.exmaple\"",
        ),
        (
            "--trust-domain",
            "prod.exmaple",
            "error: no trust domain or issuer named \"prod.exmaple\"",
        ),
    ] {
        for verb in ["list", "freeze", "delete"] {
            let output = site.run(&["client", verb, filter, name]);
            assert_eq!(output.status.code(), Some(1), "{verb}: {output:?}");
            assert!(
                stderr(&output).starts_with(printed),
                "{verb}: {}",
                stderr(&output)
            );
        }
    }
    // A known name is not an error: neither without clients, nor with a client whose rule was removed.
    assert_eq!(site.json(&["client", "list", "--rule", "payments"]), json!([]));
    let form = svid_form(&site.svid("/ns/shop/sa/pay"), &[]);
    assert_eq!(server.token(form).await.status, 200);
    site.configure("", &RULES.replace("\"payments\"", "\"orders\""));
    site.ok(&["reload"]);
    for filter in [
        ["--rule", "payments"],
        ["--rule", "orders"],
        ["--authority", "prod.example"],
        ["--trust-domain", "prod.example"],
    ] {
        let clients = site.json(&[&["client", "list"], &filter[..]].concat());
        let expected = usize::from(filter[1] != "orders");
        assert_eq!(clients.as_array().unwrap().len(), expected, "{filter:?}");
    }
    let both = ["--authority", "prod.example", "--trust-domain", "prod.example"];
    let output = site.run(&[&["client", "list"], &both[..]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("cannot be used with"), "{output:?}");
}

#[test]
fn error_of_an_identity_that_is_too_long_states_the_limit() {
    let site = Site::new();
    let _server = site.serve();
    let identity = format!("spiffe://prod.example/{}", "x".repeat(2048));
    let tested = site.run(&["rule", "test", "--json", &identity]);
    let text = String::from_utf8(tested.stdout).unwrap();
    assert!(text.contains("it is longer than 2048 bytes"), "{text}");
    let printed = stderr(&site.run(&["identity", "block", &identity]));
    assert!(printed.contains("it is longer than 2048 bytes"), "{printed}");
}

#[test]
fn status_begins_with_the_issuer_and_version_of_the_server() {
    let site = Site::new();
    let _server = site.serve();
    let text = site.ok(&["status"]);
    let names: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(
        names[..5],
        ["issuer", "version", "ready", "generation", "store"],
        "{text}"
    );
}

#[test]
fn warning_and_error_are_printed_once() {
    let site = Site::new();
    let _server = site.serve();
    // A configuration that is accepted with a warning, and one that is refused.
    site.configure("", "");
    let printed = stderr(&site.run(&["reload"]));
    assert!(
        printed.contains("warning: ") && !printed.contains("warning: warning:"),
        "{printed}"
    );
    site.configure("", "nonsense = 1\nrubbish = 2");
    let printed = stderr(&site.run(&["reload"]));
    assert!(
        printed.starts_with("error: ") && !printed.contains("error: error:"),
        "{printed}"
    );
    assert!(
        printed.contains("nonsense") && printed.contains("rubbish"),
        "{printed}"
    );
    let folder = folder();
    let printed = stderr(&run(
        &["check", "--config", folder.join("none.toml").to_str().unwrap()],
        "",
    ));
    assert!(
        printed.starts_with("error: ") && !printed.contains("error: error:"),
        "{printed}"
    );
}

#[test]
fn comments_in_the_list_of_identities_are_ignored() {
    let site = Site::new();
    let _server = site.serve();
    let list = format!("# payments\n  # more\n{PAY_ID} # the first one\n{PAY_ID}\t# again\n\n");
    let config = site.config();
    let output = run(
        &["rule", "test", "--json", "--config", config.to_str().unwrap()],
        &list,
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let tested: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let identities: Vec<&str> = tested.iter().filter_map(|one| one["identity"].as_str()).collect();
    assert_eq!(identities, [PAY_ID, PAY_ID]);
}

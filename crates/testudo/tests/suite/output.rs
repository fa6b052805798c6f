//! Where the output goes: to a reader that has ended, or to a full device.

use crate::binary::{Site, stderr};
use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};
use testudo_testkit::svid_form;

const PAY_ID: &str = "spiffe://prod.example/ns/shop/sa/pay";

/// Every command that prints and ends by itself.
const COMMANDS: &[&[&str]] = &[
    &["--help"],
    &["--version"],
    &["check", "--json"],
    &["doctor"],
    &["status"],
    &["trust", "list"],
    &["trust", "show", "prod.example"],
    &["rule", "list"],
    &["client", "list"],
    &["identity", "list"],
    &["event", "list"],
    &["key", "list"],
    &["dev", "--once"],
    &["doctor", "--json"],
    &["status", "--json"],
    &["trust", "list", "--json"],
    &["rule", "list", "--json"],
    &["client", "list", "--json"],
    &["event", "list", "--json"],
    &["key", "list", "--json"],
];

fn run_into(site: &Site, arguments: &[&str], stdout: impl Into<Stdio>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_testudo"))
        .args(arguments)
        .env("TESTUDO_CONFIG", site.config())
        .stdout(stdout)
        .stderr(Stdio::piped())
        .output()
        .unwrap()
}

#[test]
fn closed_pipe_ends_a_command_silently() {
    let site = Site::new();
    let _server = site.serve();
    for command in COMMANDS {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = run_into(&site, command, writer);
        assert!(output.status.success(), "{command:?}: {output:?}");
        let text = stderr(&output);
        assert!(
            !text.contains("panicked") && !text.contains("error:"),
            "{command:?}: {text}"
        );
    }
}

#[test]
fn full_device_is_an_error_that_names_stdout() {
    let site = Site::new();
    let _server = site.serve();
    for command in COMMANDS {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = run_into(&site, command, full);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {output:?}");
        let text = stderr(&output);
        assert!(
            !text.contains("panicked")
                && text.contains("error: cannot write to stdout: No space left on device"),
            "{command:?}: {text}"
        );
    }
}

#[tokio::test]
async fn freeze_goes_on_after_a_client_that_fails_and_names_it() {
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

//! Tests of `testudo dev`: its temporary folder and its port.

use crate::binary::{folder, run, search_path, stderr};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use testudo_testkit::token::claims;

fn folders(temporary: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(temporary).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn folder_of_dev_has_a_random_name_is_private_and_is_removed_after_each_signal() {
    let temporary = folder();
    let mut names = Vec::new();
    for signal in ["TERM", "INT", "HUP"] {
        let mut child = Command::new("sh")
            .env("TMPDIR", &temporary)
            .args([
                "-c",
                "umask 000; exec \"$0\" dev --listen 127.0.0.1:0",
                env!("CARGO_BIN_EXE_testudo"),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let id = child.id().to_string();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        lines
            .find(|line| {
                line.as_ref()
                    .unwrap()
                    .contains("Requests that the server receives")
            })
            .unwrap()
            .unwrap();
        let found = folders(&temporary);
        let [made] = found.as_slice() else {
            panic!("{found:?}")
        };
        let name = made.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name.len() >= 16 && !name.contains(&id), "{name}");
        assert!(!names.contains(&name), "{name} again");
        names.push(name);
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let kill = Command::new("kill")
            .args([&format!("-{signal}"), &id])
            .status()
            .unwrap();
        assert!(kill.success());
        assert!(child.wait().unwrap().success(), "{signal}");
        assert!(
            folders(&temporary).is_empty(),
            "after SIG{signal}: {:?}",
            folders(&temporary)
        );
    }
}

#[test]
fn printed_commands_of_dev_get_tokens_by_svid_and_by_attestation() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_testudo"))
        .args(["dev", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The last thing that it prints.
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(lines.any(|line| line.contains("Requests that the server receives")));
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut command = || {
        let mut command = String::new();
        while stdout.read_line(&mut command).unwrap() > 0 && command.ends_with("\\\n") {}
        command
    };
    let commands = [command(), command()];
    let shell = |command: &String| {
        let output = Command::new("sh")
            .args(["-c", command])
            .env("PATH", search_path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let by_svid: serde_json::Value = serde_json::from_str(&shell(&commands[0])).unwrap();
    let of_svid = claims(by_svid["access_token"].as_str().unwrap());
    assert_eq!(of_svid["client_id"], "spiffe://dev.test/ns/demo/sa/shop");
    let of_attestation = claims(shell(&commands[1]).trim());
    assert_eq!(of_attestation["client_id"], "apps/shop");
    assert_eq!(of_attestation["cnf"]["jkt"], of_attestation["instance"]);
    let id = child.id().to_string();
    assert!(Command::new("kill").arg(&id).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

/// The test uses a random port instead of the default one, which another program may use.
#[test]
fn dev_fails_if_the_port_is_in_use_and_does_not_use_another_one() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["dev", "--once", "--listen", &address], "");
    assert!(!output.status.success());
    let printed = stderr(&output);
    assert!(
        printed.contains(&format!("cannot listen on {address}")),
        "{printed}"
    );
    assert!(
        printed.contains("hint: ") && printed.contains("--listen"),
        "{printed}"
    );
    assert!(output.stdout.is_empty());
}

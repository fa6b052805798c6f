//! Tests of `testudo dev`: its temporary folder and its port.

use crate::binary::{folder, run, stderr};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

//! Paths of Unix sockets that are longer than the operating system allows: each command names the path, its length and
//! the limit, and a remedy.

use crate::binary::{Site, folder, run_to_end, stderr};
use crate::every_command::COMMANDS;
use std::process::{Command, Output};

#[track_caller]
fn names_path_length_limit_and_remedy(output: &Output, path: &str, remedy: &str) {
    let said = stderr(output);
    assert!(!output.status.success(), "{said}");
    let length = format!("{path} has {} bytes", path.len());
    for words in [&length, "107 bytes (108 on Linux", "hint: ", remedy] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
}

#[test]
fn dev_below_a_long_tmpdir_names_the_path_of_its_socket_and_tmpdir_and_leaves_nothing() {
    let temporary = folder().join("x".repeat(100));
    std::fs::create_dir(&temporary).unwrap();
    let mut dev = Command::new(env!("CARGO_BIN_EXE_testudo"));
    dev.args(["dev", "--once", "--listen", "127.0.0.1:0"])
        .env("TMPDIR", &temporary);
    let output = run_to_end(&mut dev, "");
    let said = stderr(&output);
    let start = said.find(temporary.to_str().unwrap()).expect(&said);
    let path = said[start..].split(' ').next().unwrap().to_owned();
    assert!(path.ends_with("/testudo.sock"), "{said}");
    names_path_length_limit_and_remedy(&output, &path, "set TMPDIR");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn check_and_serve_name_the_path_of_the_admin_socket_that_is_too_long() {
    let site = Site::new();
    let name = format!("{}.sock", "s".repeat(120));
    let text = std::fs::read_to_string(site.config()).unwrap();
    site.write("testudo.toml", &text.replace("testudo.sock", &name));
    let path = site.folder.join(name);
    for command in ["check", "serve", "doctor"] {
        let output = site.run(&[command]);
        let said = stderr(&output);
        assert!(
            !output.status.success() && said.contains("admin.socket"),
            "{command}: {said}"
        );
        let length = format!("{} has {} bytes", path.display(), path.as_os_str().len());
        for words in [&length, "107 bytes (108 on Linux", "shorter path"] {
            assert!(said.contains(words), "{command}: {words:?} is not in\n{said}");
        }
    }
}

#[test]
fn every_command_that_connects_to_the_admin_socket_names_a_path_that_is_too_long() {
    let site = Site::new();
    site.write("svid", &site.svid("/x"));
    let socket = format!("/run/{}/testudo.sock", "tenant".repeat(16));
    let folder = site.folder.to_str().unwrap();
    let mut connecting = 0;
    for (command, _) in COMMANDS {
        let mut arguments: Vec<String> = command
            .iter()
            .map(|argument| argument.replace("{folder}", folder))
            .collect();
        let help = Command::new(env!("CARGO_BIN_EXE_testudo"))
            .args(&arguments)
            .arg("--help")
            .output()
            .unwrap();
        if !String::from_utf8_lossy(&help.stdout).contains("--socket <PATH>") {
            continue;
        }
        connecting += 1;
        arguments.extend(["--socket".to_owned(), socket.clone()]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = site.run(&arguments);
        names_path_length_limit_and_remedy(&output, &socket, "--socket");
    }
    assert!(connecting > 20, "{connecting}");
}

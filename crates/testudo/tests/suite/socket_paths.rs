//! Tests of paths of Unix sockets that are longer than the operating system allows: each command must name the path, its
//! length, the limit and a remedy.

use crate::binary::{Site, folder, run_to_end, stderr};
use crate::every_command::COMMANDS;
use std::process::{Command, Output};

#[track_caller]
fn assert_names_path_length_limit_and_remedy(output: &Output, path: &str, remedy: &str) {
    let printed = stderr(output);
    assert!(!output.status.success(), "{printed}");
    let length = format!("{path} has {} bytes", path.len());
    for words in [&length, "107 bytes (108 on Linux", "hint: ", remedy] {
        assert!(printed.contains(words), "{words:?} is not in\n{printed}");
    }
}

#[test]
fn dev_in_a_long_temporary_folder_names_its_socket_and_tmpdir_and_removes_its_files() {
    let temporary = folder().join("x".repeat(100));
    std::fs::create_dir(&temporary).unwrap();
    let mut dev = Command::new(env!("CARGO_BIN_EXE_testudo"));
    dev.args(["dev", "--once", "--listen", "127.0.0.1:0"])
        .env("TMPDIR", &temporary);
    let output = run_to_end(&mut dev, "");
    let printed = stderr(&output);
    let start = printed.find(temporary.to_str().unwrap()).expect(&printed);
    let path = printed[start..].split(' ').next().unwrap().to_owned();
    assert!(path.ends_with("/testudo.sock"), "{printed}");
    assert_names_path_length_limit_and_remedy(&output, &path, "set TMPDIR");
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
        let printed = stderr(&output);
        assert!(
            !output.status.success() && printed.contains("admin.socket"),
            "{command}: {printed}"
        );
        let length = format!("{} has {} bytes", path.display(), path.as_os_str().len());
        for words in [&length, "107 bytes (108 on Linux", "shorter path"] {
            assert!(
                printed.contains(words),
                "{command}: {words:?} is not in\n{printed}"
            );
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
        assert_names_path_length_limit_and_remedy(&output, &socket, "--socket");
    }
    assert!(connecting > 20, "{connecting}");
}

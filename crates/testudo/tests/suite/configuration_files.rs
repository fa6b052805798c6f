//! Tests of a configuration in several files, and of settings from environment variables.

use crate::administration::events;
use crate::binary::{RULES, Server, Site, stderr, write_private};
use crate::listeners::wait_for;
use crate::watching::{generation, rule, until};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};
use testudo_testkit::svid_form;

fn run_with(site: &Site, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_testudo"))
        .args(arguments)
        .arg("--config")
        .arg(site.config())
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

/// A site whose configuration includes `rules.d/*.toml`.
fn including() -> Site {
    let site = Site::new();
    let text = std::fs::read_to_string(site.config()).unwrap();
    site.write("testudo.toml", &format!("include = [\"rules.d/*.toml\"]\n{text}"));
    site
}

/// Writes files as Kubernetes mounts a ConfigMap: each file is a link to a file below `..data`, and `..data` is a link to
/// a folder with a date.
pub fn mount(folder: &Path, version: &str, files: &[(&str, &str)]) {
    let data = folder.join(version);
    std::fs::create_dir_all(&data).unwrap();
    for (name, text) in files {
        let path = data.join(name);
        // `defaultMode: 0600`, since private keys are mounted in the same way.
        write_private(&path, text);
        let link = folder.join(name);
        if link.symlink_metadata().is_err() {
            symlink(Path::new("..data").join(name), link).unwrap();
        }
    }
    // The link is replaced by one rename, as the kubelet does, so that files of two versions are never visible together.
    symlink(version, folder.join("..data_tmp")).unwrap();
    std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn new_version_of_a_config_map_with_included_files_is_applied_without_a_reload() {
    let site = including();
    let folder = site.folder.join("rules.d");
    mount(&folder, "..2026_11_26_04_00_00.1", &[("a.toml", &rule("first"))]);
    site.ok(&["check"]);
    let server = site.serve();
    let late = svid_form(&site.svid("/late/1"), &[]);
    let first = svid_form(&site.svid("/first/1"), &[]);
    assert_eq!(server.token(first.clone()).await.status, 200);
    assert_ne!(server.token(late.clone()).await.status, 200);

    mount(&folder, "..2026_11_26_04_01_00.2", &[("a.toml", &rule("late"))]);
    std::fs::remove_dir_all(folder.join("..2026_11_26_04_00_00.1")).unwrap();
    until("the new version of the ConfigMap is applied", || {
        generation(&site) == 2
    });
    assert_eq!(server.token(late.clone()).await.status, 200);
    assert_ne!(server.token(first).await.status, 200);

    // One more file, which is included by the pattern.
    let more = rule("more");
    mount(
        &folder,
        "..2026_11_26_04_02_00.3",
        &[("a.toml", &rule("late")), ("b.toml", &more)],
    );
    until("the new file is applied", || generation(&site) == 3);
    let svid = svid_form(&site.svid("/more/1"), &[]);
    assert_eq!(server.token(svid).await.status, 200);

    // A version with an error is not applied, and the event names the file.
    mount(
        &folder,
        "..2026_11_26_04_03_00.4",
        &[("b.toml", "[[rules]]\nname = \"more\"\n")],
    );
    until("the version with an error is refused", || {
        !events(&site, "configuration.refused").is_empty()
    });
    let recorded = events(&site, "configuration.refused");
    let detail = recorded[0]["detail"].as_str().unwrap();
    assert!(detail.contains("rules.d/b.toml:1:1: rule `more`"), "{detail}");
    assert_eq!((generation(&site), server.token(late).await.status), (3, 200));
    let changes = events(&site, "rule.changed");
    assert_eq!(changes.len(), 2);
    assert!(
        changes.iter().all(|event| event["actor"] == "watch"),
        "{changes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reload_reads_included_files_again_where_watching_is_off() {
    let site = including();
    site.unwatch();
    std::fs::create_dir(site.folder.join("rules.d")).unwrap();
    let server = site.serve();
    site.write("rules.d/late.toml", &rule("late"));
    site.ok(&["reload"]);
    let late = svid_form(&site.svid("/late/1"), &[]);
    assert_eq!(server.token(late.clone()).await.status, 200);
    std::fs::remove_file(site.folder.join("rules.d/late.toml")).unwrap();
    server.signal("HUP");
    wait_for("the rule of the removed file is no longer applied", async || {
        server.token(late.clone()).await.status != 200
    })
    .await;
}

#[test]
fn check_and_doctor_list_the_environment_variables_that_were_applied_without_their_values() {
    let site = Site::new();
    let variables = [
        ("TESTUDO__SERVER__DRAIN", "3s"),
        ("TESTUDO__STORE__URL", "sqlite:hunter2.db"),
    ];
    for command in [
        &["check"][..],
        &["check", "--json"],
        &["doctor"],
        &["doctor", "--json"],
    ] {
        let output = run_with(&site, command, &variables);
        assert!(output.status.success(), "{command:?}: {}", stderr(&output));
        let printed = stderr(&output);
        for line in [
            "the environment variable TESTUDO__SERVER__DRAIN sets server.drain",
            "the environment variable TESTUDO__STORE__URL sets store.url",
        ] {
            assert!(printed.contains(line), "{command:?}: {printed}");
        }
    }
    let checked = run_with(&site, &["check"], &variables);
    let all = format!("{}{}", String::from_utf8_lossy(&checked.stdout), stderr(&checked));
    assert!(!all.contains("hunter2"), "{all}");
    let refused = run_with(&site, &["check", "--json"], &[("TESTUDO__SERVER__DRIAN", "3s")]);
    assert_eq!(refused.status.code(), Some(1));
    let problems: Vec<Value> = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(
        (&problems[0]["variable"], &problems[0]["key"]),
        (&json!("TESTUDO__SERVER__DRIAN"), &json!("server.drian"))
    );
}

#[tokio::test]
async fn listen_address_and_admin_socket_are_set_by_environment_variables_for_server_and_commands() {
    let site = Site::new();
    site.configure("", RULES);
    let text = std::fs::read_to_string(site.config()).unwrap();
    // The server cannot listen at the addresses of the file, so it must use those of the variables.
    site.write(
        "testudo.toml",
        &text
            .replacen("127.0.0.1:0", "192.0.2.1:1", 1)
            .replace("testudo.sock", "absent/x.sock"),
    );
    let variables = [
        ("TESTUDO__SERVER__LISTEN", "[\"127.0.0.1:0\"]"),
        ("TESTUDO__ADMIN__SOCKET", "elsewhere.sock"),
    ];
    let server = Server::start_with(
        &site.config(),
        &variables.map(|(name, value)| (name, value.into())),
    );
    let status = server
        .token(svid_form(&site.svid("/ns/shop/sa/pay"), &[]))
        .await
        .status;
    assert_eq!(status, 200);
    assert!(
        server
            .log
            .lock()
            .unwrap()
            .contains("the environment variable TESTUDO__SERVER__LISTEN sets server.listen"),
        "the log must name the environment variables"
    );
    let status = run_with(&site, &["status", "--json"], &variables);
    assert!(status.status.success(), "{}", stderr(&status));
    // A reload uses the same variables.
    let reloaded = run_with(&site, &["reload"], &variables);
    assert!(
        reloaded.status.success() && !stderr(&reloaded).contains("next start"),
        "{}",
        stderr(&reloaded)
    );
}

//! Tests of the files that the server creates, uses, and must not touch: the database, the key-encryption key, the
//! admin socket.

use crate::binary::{Server, Site, stderr};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testudo_testkit::svid_form;

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Starts a server that must refuse to start. Returns what it wrote to stderr.
#[track_caller]
fn refused_start(config: &Path) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_testudo"))
        .args(["serve", "--config"])
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(30) {
            child.kill().unwrap();
            panic!(
                "the server started: {}",
                stderr(&child.wait_with_output().unwrap())
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    stderr(&output)
}

/// A second configuration with the same database, at the path in `url`.
fn second(site: &Site, url: &str) -> std::path::PathBuf {
    let text = std::fs::read_to_string(site.config()).unwrap();
    let text = text
        .replace("sqlite:testudo.db", url)
        .replace("testudo.sock", "second.sock");
    site.write("second.toml", &text);
    site.folder.join("second.toml")
}

#[tokio::test]
async fn second_server_with_the_same_sqlite_file_is_refused_until_the_first_has_ended() {
    let site = Site::new();
    let server = site.serve();
    assert_eq!(
        server
            .token(svid_form(&site.svid("/ns/shop/sa/pay"), &[]))
            .await
            .status,
        200
    );
    let database = site.folder.join("testudo.db");
    std::os::unix::fs::symlink(&database, site.folder.join("link.db")).unwrap();
    std::fs::hard_link(&database, site.folder.join("hard.db")).unwrap();
    for name in ["testudo.db", "link.db", "hard.db"] {
        let printed = refused_start(&second(&site, &format!("sqlite:{name}")));
        assert!(
            printed.contains(name) && printed.contains("in use by another server"),
            "{printed}"
        );
    }
    // Commands that only read work while the server runs.
    site.ok(&["doctor"]);
    site.ok(&["check"]);
    site.ok(&["client", "freeze", "spiffe://prod.example/ns/shop/sa/pay"]);
    let answer = server.token(svid_form(&site.svid("/ns/shop/sa/pay"), &[])).await;
    assert_eq!(answer.error(), "invalid_client");
    // A server that crashed leaves no lock that prevents the next start.
    server.kill_9();
    let next = site.serve();
    let answer = next.token(svid_form(&site.svid("/ns/shop/sa/pay"), &[])).await;
    assert_eq!(
        answer.error(),
        "invalid_client",
        "the client must still be frozen"
    );
}

#[tokio::test]
async fn database_and_key_files_are_private_and_a_wider_mode_is_reported() {
    let site = Site::new();
    let server = site.serve();
    server.token(svid_form(&site.svid("/ns/shop/sa/pay"), &[])).await;
    for name in [
        "testudo.db",
        "testudo.db-wal",
        "testudo.db-shm",
        "testudo.db.kek",
        "testudo.sock",
    ] {
        assert_eq!(mode(&site.folder.join(name)), 0o600, "{name}");
    }
    server.signal("TERM");
    drop(server);
    let printed = |output: Output| format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output));

    let database = site.folder.join("testudo.db");
    set_mode(&database, 0o644);
    for command in ["check", "doctor"] {
        let output = site.run(&[command]);
        assert!(output.status.success());
        let printed = printed(output);
        assert!(
            printed.contains("testudo.db can be read by other users") && printed.contains("chmod 600"),
            "{printed}"
        );
    }
    set_mode(&database, 0o600);

    let kek = site.folder.join("testudo.db.kek");
    set_mode(&kek, 0o644);
    for command in ["check", "doctor"] {
        let output = site.run(&[command]);
        assert!(!output.status.success(), "{command}");
        let printed = printed(output);
        assert!(
            printed.contains("testudo.db.kek can be read by other users"),
            "{printed}"
        );
        assert!(
            printed.contains("store.key_encryption_key") && printed.contains("chmod 600"),
            "{printed}"
        );
    }
    assert!(refused_start(&site.config()).contains("testudo.db.kek can be read by other users"));
    set_mode(&kek, 0o600);
    assert!(site.run(&["check"]).status.success());
    // A key file that the configuration names is checked in the same way.
    std::fs::copy(&kek, site.folder.join("kek")).unwrap();
    let named = "[store]\nkey_encryption_key = { file = \"kek\" }";
    let text = std::fs::read_to_string(site.config())
        .unwrap()
        .replace("[store]", named);
    std::fs::write(site.config(), text).unwrap();
    site.ok(&["check"]);
    set_mode(&site.folder.join("kek"), 0o640);
    assert!(!site.run(&["check"]).status.success());
}

#[test]
fn start_without_the_key_encryption_key_of_a_database_with_keys_is_refused_and_no_key_is_made() {
    let site = Site::new();
    drop(site.serve());
    let (kek, away) = (site.folder.join("testudo.db.kek"), site.folder.join("away"));
    std::fs::rename(&kek, &away).unwrap();
    let printed = refused_start(&site.config());
    assert!(
        printed.contains("testudo.db.kek is missing") && printed.contains("backup"),
        "{printed}"
    );
    let doctor = site.run(&["doctor"]);
    assert!(!doctor.status.success());
    let stdout = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(
        stdout.contains("FAILED") && stdout.contains("testudo.db.kek is missing"),
        "{stdout}"
    );
    assert!(
        kek.symlink_metadata().is_err(),
        "no key-encryption key must be made"
    );
    // Another key cannot decrypt the database, which doctor reports too.
    std::fs::write(&kek, "P4DmWGtsyIpx4YFDV-kWotaK7o9RQT54KpalCx2qcl0").unwrap();
    set_mode(&kek, 0o600);
    let doctor = site.run(&["doctor"]);
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("cannot be decrypted"));
    // The right key, put back, decrypts the database.
    std::fs::rename(&away, &kek).unwrap();
    site.ok(&["doctor"]);
    drop(site.serve());
}

#[test]
fn file_at_the_path_of_the_admin_socket_is_kept_unless_it_is_a_socket_without_a_server() {
    let site = Site::new();
    let place = site.folder.join("testudo.sock");
    site.write("precious", "precious");
    let kinds: [(&str, &dyn Fn()); 4] = [
        ("a file", &|| std::fs::write(&place, "precious").unwrap()),
        ("a folder", &|| std::fs::create_dir(&place).unwrap()),
        ("a symbolic link", &|| {
            std::os::unix::fs::symlink("precious", &place).unwrap()
        }),
        ("a named pipe", &|| {
            assert!(Command::new("mkfifo").arg(&place).status().unwrap().success())
        }),
    ];
    for (what, make) in kinds {
        make();
        let before = place.symlink_metadata().unwrap();
        let printed = refused_start(&site.config());
        assert!(
            printed.contains("admin.socket") && printed.contains(what),
            "{printed}"
        );
        assert_eq!(
            place.symlink_metadata().unwrap().ino(),
            before.ino(),
            "{what} must not be replaced"
        );
        match what {
            "a folder" => std::fs::remove_dir(&place).unwrap(),
            _ => std::fs::remove_file(&place).unwrap(),
        }
    }
    assert_eq!(
        std::fs::read_to_string(site.folder.join("precious")).unwrap(),
        "precious"
    );
    // kill -9 leaves the socket behind, and no server listens on it.
    site.serve().kill_9();
    assert!(place.symlink_metadata().unwrap().file_type().is_socket());
    let server = site.serve();
    site.ok(&["status"]);
    // A socket of a running server prevents the start of another server, even with its own store.
    let text = std::fs::read_to_string(site.config()).unwrap();
    site.write("second.toml", &text.replace("sqlite:testudo.db", "memory:"));
    assert!(refused_start(&site.folder.join("second.toml")).contains("another server listens"));
    drop(server);
}

/// A thread reads the folder again and again while servers start with umask 000. At no time may the mode of a socket, or
/// of a folder in which a socket is made, allow access by other users.
#[test]
fn admin_socket_is_never_accessible_to_other_users_even_with_umask_000() {
    let site = Site::new();
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (folder, stop) = (site.folder.clone(), stop.clone());
        std::thread::spawn(move || {
            let mut seen = 0;
            while !stop.load(Ordering::Relaxed) {
                for entry in std::fs::read_dir(&folder).unwrap().map_while(Result::ok) {
                    // The file may have been removed meanwhile.
                    let Ok(found) = entry.path().symlink_metadata() else {
                        continue;
                    };
                    if found.file_type().is_socket() || found.is_dir() {
                        let mode = found.permissions().mode();
                        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", entry.path().display());
                        seen += 1;
                    }
                }
            }
            seen
        })
    };
    for _ in 0..20 {
        let server = Server::start_limited(&site.config(), "umask 000");
        for name in [
            "testudo.sock",
            "testudo.db",
            "testudo.db-wal",
            "testudo.db-shm",
            "testudo.db.kek",
        ] {
            assert_eq!(mode(&site.folder.join(name)), 0o600, "{name}");
        }
        server.kill_9();
    }
    stop.store(true, Ordering::Relaxed);
    assert!(watcher.join().expect("no socket is accessible to other users") > 0);
}

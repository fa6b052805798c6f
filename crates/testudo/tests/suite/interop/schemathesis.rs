//! Tests with schemathesis, which generates requests from an OpenAPI document and compares the answers with the
//! document.

use super::programs::{or_skipped, python};
use crate::binary::{RULES, Server, Site};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Maximum number of requests for each operation, so that the test takes seconds.
const EXAMPLES: &str = "15";

/// The seed of the generated requests. It is fixed, so that a failure can be repeated.
const SEED: &str = "12";

fn program() -> Option<PathBuf> {
    let folder = or_skipped(python("schemathesis", &["schemathesis==4.32.5".to_owned()]))?;
    Some(folder.join("bin/st"))
}

/// `login`: how people sign in.
fn site(login: &str) -> (Site, Server) {
    let site = Site::new();
    let open = "[registration.open]\nscopes = [\"a\"]\nregistrations_per_minute = 1000000\n\
                registrations_per_minute_per_address = 1000000\nclients_max = 1000000\n";
    site.configure("", &format!("{RULES}\n{login}\n{open}"));
    let server = site.serve();
    (site, server)
}

#[track_caller]
fn check(document: &Path, url: &str) {
    let Some(program) = program() else { return };
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/interop/schemathesis.toml");
    let folder = document.parent().unwrap();
    let output = Command::new(program)
        .arg("--config-file")
        .arg(config)
        .arg("run")
        .arg(document)
        .args([
            "--url",
            url,
            "--max-examples",
            EXAMPLES,
            "--seed",
            SEED,
            "--no-color",
        ])
        .current_dir(folder)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(printed.contains(" passed"), "{printed}");
}

#[test]
fn schemathesis_finds_no_fault_in_the_admin_api() {
    let (site, _server) = site("");
    let document = site.folder.join("openapi.json");
    let published = testudo_server::admin::openapi();
    std::fs::write(&document, published.to_string()).unwrap();
    check(&document, &bridge(site.folder.join("testudo.sock")));
}

#[test]
fn schemathesis_finds_no_fault_in_the_public_endpoints() {
    let (site, server) = site("[login]");
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/public-api.json");
    // The folder also has the files that the program writes.
    let document = site.folder.join("public-api.json");
    std::fs::copy(published, &document).unwrap();
    check(&document, &format!("http://{}", server.address));
}

/// Forwards connections to the admin socket, which needs no token: a token for HTTP would become invalid when generated
/// requests withdraw the signing keys.
fn bridge(socket: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = UnixStream::connect(&socket) else {
                return;
            };
            let (to_server, from_server) = (server.try_clone().unwrap(), server);
            let (to_client, from_client) = (client.try_clone().unwrap(), client);
            std::thread::spawn(move || carry(from_client, to_server));
            std::thread::spawn(move || {
                carry_back(from_server, &to_client);
                let _ = to_client.shutdown(Shutdown::Both);
            });
        }
    });
    url
}

fn carry(mut from: TcpStream, mut to: UnixStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

fn carry_back(mut from: UnixStream, mut to: &TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
}

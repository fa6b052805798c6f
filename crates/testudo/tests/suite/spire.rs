//! Tests with a real SPIRE: agent, `testudo token get`, the example API, key rotation.

use crate::actors::uid;
use crate::binary::{Server, Site, run, search_path, stderr};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use testudo_client::{FetcherOptions, Svid, Svids, TokenClient};
use testudo_testkit::free_port;
use testudo_testkit::http::Connection;
use testudo_testkit::spire::{self, Spire};
use testudo_testkit::{svid_form, token};

pub const RESOURCE: &str = "https://api.example.net/orders";

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

pub fn configure(site: &Site, issuer: &str, port: u16, workload_api: &str) {
    let text = format!(
        r#"
issuer = "{issuer}"
[server]
listen = ["127.0.0.1:{port}"]
[[trust_domains]]
name = "{}"
bundle = {{ workload_api = "{workload_api}" }}
[[rules]]
name = "spire"
identities = ["spiffe://{}/workload/*"]
scopes = ["orders.read"]
default_scopes = ["orders.read"]
resources = ["{RESOURCE}"]
[registration]
"#,
        spire::TRUST_DOMAIN,
        spire::TRUST_DOMAIN
    );
    site.write("testudo.toml", &text);
}

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "deadline exceeded while waiting until {what}"
        );
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Starts a real SPIRE, with the processes of this user registered as the workload `/workload/shop`.
pub fn start(site: &Site) -> Spire {
    let bin = spire::install(&target().join("spire")).expect("SPIRE can be built");
    let spire = Spire::start(&bin, &site.folder.join("spire")).expect("SPIRE starts");
    spire.register("/workload/shop", uid()).unwrap();
    spire
}

#[tokio::test(flavor = "multi_thread")]
async fn attested_workload_is_registered_at_its_first_use_and_calls_an_api() {
    let site = Site::new();
    let spire = start(&site);

    let port = free_port();
    let issuer = format!("http://127.0.0.1:{port}");
    let workload_api = spire.workload_api();
    configure(&site, &issuer, port, &workload_api);
    let svid = spire.jwt_svid(&issuer).expect("an SVID for the issuer");
    let server = Server::start(&site.config());

    // The workload gets an SVID from the Workload API and exchanges it for an access token.
    let get = |arguments: &[&str]| {
        run(
            &[
                &[
                    "token",
                    "get",
                    "--issuer",
                    &issuer,
                    "--workload-api",
                    &workload_api,
                ],
                arguments,
            ]
            .concat(),
            "",
        )
    };
    let got = get(&[]);
    assert!(got.status.success(), "{}", stderr(&got));
    let access_token = String::from_utf8(got.stdout).unwrap().trim().to_owned();
    let id = format!("spiffe://{}/workload/shop", spire::TRUST_DOMAIN);
    assert_eq!(token::claims(&access_token)["sub"], id);
    assert_eq!(site.json(&["client", "list"])[0]["client_id"], id);

    // The example API accepts only the access token.
    let api = Example::start("orders-api", &[&issuer, RESOURCE, "127.0.0.1:0"], &site.folder);
    assert_eq!(orders(&api, Some(&access_token)).await, 200);
    assert_eq!(orders(&api, None).await, 401);
    assert_eq!(
        orders(&api, Some(&svid)).await,
        401,
        "an SVID must not be accepted as an access token"
    );

    // The same SVID is used 1,000 times.
    let body = svid_form(&svid, &[]);
    let mut connection = Connection::open(server.address).await;
    for _ in 0..1000 {
        assert_eq!(connection.post("/token", body.clone()).await.status, 200);
    }

    // An SVID for another audience is refused.
    let foreign = spire.jwt_svid("https://other.example").unwrap();
    assert_eq!(
        connection.post("/token", svid_form(&foreign, &[])).await.error(),
        "invalid_client"
    );

    // A JWT-SVID of SPIRE is a valid software statement: it has `iat`, and its audience is the endpoint.
    let statement = spire.jwt_svid(&format!("{issuer}/register")).unwrap();
    let asked = serde_json::json!({ "software_statement": statement, "client_name": "shop" });
    let json = [("content-type", "application/json")];
    let registered = connection
        .send("POST", "/register", &json, asked.to_string())
        .await;
    assert_eq!(
        (registered.status, registered.json()["client_id"].as_str()),
        (201, Some(&*id))
    );
    let at_token = connection.post("/token", svid_form(&statement, &[])).await;
    assert_eq!(
        at_token.error(),
        "invalid_client",
        "a statement must not be accepted at the token endpoint"
    );
    assert_eq!(site.json(&["client", "list"]).as_array().unwrap().len(), 1);

    // SPIRE publishes a new key, then signs with it, as it does by itself every few hours. The agent returns the cached
    // SVID for some time, so the test uses a new audience to get an SVID with the new key.
    let old_kid = token::header(&svid)["kid"].clone();
    let new_kid = spire.prepare_authority("jwt").expect("SPIRE prepares a key");
    wait_until("the new key is loaded", || {
        let keys = site.json(&["trust", "show", spire::TRUST_DOMAIN])["jwt_keys"].clone();
        keys.as_array().unwrap().iter().any(|kid| *kid == new_kid)
    });
    spire
        .change_authority("jwt", "activate", &new_kid)
        .expect("SPIRE activates it");
    let started = Instant::now();
    let rotated = loop {
        let minted = spire
            .jwt_svid(&format!(
                "https://rotation-{}.example",
                started.elapsed().as_millis()
            ))
            .unwrap();
        if token::header(&minted)["kid"] != old_kid {
            break minted;
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "SPIRE did not sign with the new key within the deadline"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    assert_eq!(
        connection.post("/token", body).await.status,
        200,
        "the old key must still be accepted"
    );
    site.write("rotated", &rotated);
    let path = site.folder.join("rotated");
    let explained = site.json(&["explain", "--credential", path.to_str().unwrap()]);
    // The signature with the new key is valid; only the audience is wrong.
    assert_eq!(explained["rejection"], "audience_mismatch", "{explained}");
    let again = get(&["--scope", "orders.read"]);
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(
        site.json(&["client", "list"]).as_array().unwrap().len(),
        1,
        "there must be only one client"
    );
}

/// A client sends requests over mutual TLS while its X.509-SVID and its authority are rotated.
#[tokio::test(flavor = "multi_thread")]
async fn x509_svid_is_rotated_without_a_failure_while_a_client_sends_requests() {
    let site = Site::new();
    let spire = start(&site);
    let port = free_port();
    let issuer = format!("https://localhost:{port}");
    site.certify("localhost");
    let workload_api = spire.workload_api();
    configure(&site, &issuer, port, &workload_api);
    let text = std::fs::read_to_string(site.config()).unwrap();
    let text = text
        .replace(
            "[server]",
            "[server]\ntls = { certificate = \"tls.crt\", private_key = \"tls.key\" }",
        )
        .replace(
            "[[rules]]",
            "credentials = [\"jwt_svid\", \"x509_svid\"]\n[[rules]]\nsender_constraint = \"none\"",
        );
    std::fs::write(site.config(), text).unwrap();
    spire
        .jwt_svid(&issuer)
        .expect("the agent issues an SVID to the workload");
    let _server = Server::start(&site.config());

    let root = std::fs::read(site.folder.join("root.pem")).unwrap();
    let options = FetcherOptions {
        extra_roots_pem: Some(root),
        ..FetcherOptions::default()
    };
    let x509 = Svids::WorkloadApiX509(Some(workload_api.clone()));
    let mut seen = std::collections::BTreeSet::new();
    let mut authority = None;
    let started = Instant::now();
    let (mut calls, mut after_activation) = (0, 0);
    while after_activation < 10 || seen.len() < 3 {
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "{} certificates seen in {calls} calls",
            seen.len()
        );
        // A new client without a cached token, so that each call needs a handshake and a token request.
        let client = TokenClient::with_options(&issuer, x509.clone(), options.clone()).unwrap();
        client
            .token()
            .await
            .unwrap_or_else(|error| panic!("call {calls}: {error}"));
        calls += 1;
        if let Svid::X509 { identity, .. } = x509.svid("").await.unwrap() {
            seen.insert(testudo_protocol::jose::sha256(&identity.chain[0]));
        }
        match &authority {
            None => authority = Some((spire.prepare_authority("x509").unwrap(), false)),
            Some((id, false)) => {
                let held = site.json(&["trust", "show", spire::TRUST_DOMAIN])["x509_authorities"].as_u64();
                if held >= Some(2) {
                    spire.change_authority("x509", "activate", id).unwrap();
                    authority = Some((id.clone(), true));
                }
            }
            Some((_, true)) => after_activation += 1,
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let by_jwt =
        TokenClient::with_options(&issuer, Svids::WorkloadApi(Some(workload_api.clone())), options).unwrap();
    by_jwt.token().await.unwrap();
    let clients = site.json(&["client", "list"]);
    assert_eq!(
        clients.as_array().unwrap().len(),
        1,
        "a workload must be one client with either kind of SVID"
    );
    let command = run(
        &[
            "token",
            "get",
            "--issuer",
            &issuer,
            "--workload-api",
            &workload_api,
            "--workload-api-x509",
            "--ca",
            site.folder.join("root.pem").to_str().unwrap(),
        ],
        "",
    );
    assert!(command.status.success(), "{}", stderr(&command));
    println!("{calls} calls without a failure, {} certificates", seen.len());
}

/// An example in a separate process.
pub struct Example {
    child: std::process::Child,
    pub address: std::net::SocketAddr,
}

/// The program of an example. The examples are built with the workspace; cargo puts them beside the tested binary.
fn built(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_testudo")).with_file_name(name);
    if !program.exists() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", name])
            .status();
        assert!(built.unwrap().success());
    }
    program
}

impl Example {
    pub fn start(name: &str, arguments: &[&str], folder: &Path) -> Example {
        Example::spawn(
            name,
            Command::new(built(name)).args(arguments).current_dir(folder),
        )
    }

    /// The example that a block of a guide starts.
    pub fn of_guide(name: &str, block: &str, folder: &Path, variables: &[(&str, String)]) -> Example {
        built(name);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("exec {block}")])
            .env("PATH", search_path())
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir(folder);
        Example::spawn(name, &mut shell)
    }

    fn spawn(name: &str, command: &mut Command) -> Example {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.trim().rsplit("http://").next().unwrap();
        let address = address.parse().unwrap_or_else(|_| panic!("{name}: {line}"));
        // The rest is shown with the output of the test, and the process never writes into a closed pipe.
        std::thread::spawn(move || {
            stderr
                .lines()
                .map_while(Result::ok)
                .for_each(|line| println!("{line}"))
        });
        Example { child, address }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status that the example API answers.
async fn orders(api: &Example, token: Option<&str>) -> u16 {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<(&str, &str)> = bearer
        .iter()
        .map(|value| ("authorization", value.as_str()))
        .collect();
    Connection::open(api.address)
        .await
        .send("GET", "/orders", &headers, "")
        .await
        .status
}

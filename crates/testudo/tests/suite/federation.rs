//! Two real SPIRE servers, and the commands and configurations of `docs/guides/federation.md`.

use crate::actors::uid;
use crate::binary::{Server, Site, search_path, stderr, write_program};
use crate::docs::{commands, configurations, page};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::spire::{self, Endpoint, Spire};
use testudo_testkit::x509::web_certificate;
use testudo_testkit::{free_port, svid_form, token};

const PAGE: &str = "docs/guides/federation.md";
const DEADLINE: Duration = Duration::from_secs(90);

/// `one.example` with a web certificate at its endpoint, `two.example` with the profile `https_spiffe`.
struct Pair {
    site: Site,
    one: Spire,
    two: Spire,
    issuer: String,
    port: u16,
}

impl Pair {
    fn start() -> Pair {
        let site = Site::new();
        let (leaf, root) = web_certificate("localhost");
        site.write("endpoint.crt", &leaf.chain_pem());
        site.write("endpoint.key", &leaf.key_pem());
        site.write("web-root.pem", &root.chain_pem());
        // Both SPIRE servers trust this root for web certificates.
        site.write("roots.pem", &root.chain_pem());
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/spire");
        let bin = spire::install(&target).expect("SPIRE can be built");
        let web = Endpoint::Web {
            certificate: site.folder.join("endpoint.crt"),
            key: site.folder.join("endpoint.key"),
        };
        let start = |name: &str, endpoint: &Endpoint| {
            let folder = site.folder.join(name);
            let spire = Spire::start_federated(&bin, &folder, &format!("{name}.example"), endpoint);
            let spire = spire.expect("SPIRE starts");
            spire.register("/workload/shop", uid()).unwrap();
            wrap(&bin, &folder);
            spire
        };
        let (one, two) = (start("one", &web), start("two", &Endpoint::Spiffe));
        let port = free_port();
        Pair {
            site,
            one,
            two,
            issuer: format!("http://127.0.0.1:{port}"),
            port,
        }
    }

    /// A configuration of the page, with the addresses of this pair.
    fn block(&self, number: usize) -> String {
        let block = configurations(&page(PAGE))[number].clone();
        self.here(&block, &self.two)
    }

    fn here(&self, text: &str, publisher: &Spire) -> String {
        let endpoint = format!("localhost:{}", publisher.endpoint_port());
        text.replace("spire.two.example:8443", &endpoint)
            .replace("unix:///run/spire/sockets/agent.sock", &self.one.workload_api())
    }

    /// Writes the configuration with these sections.
    fn write(&self, sections: &[&str]) {
        let port = self.port;
        let head = format!(
            "issuer = \"{}\"\n[server]\nlisten = [\"127.0.0.1:{port}\"]\nwatch = false\n[registration]\n",
            self.issuer
        );
        self.site
            .write("testudo.toml", &format!("{head}{}", sections.concat()));
    }

    /// The first configuration of the page, with the two trust domains exchanged: the workloads of one.example.
    fn web_block(&self) -> String {
        let block = configurations(&page(PAGE))[0].replace("\"partner\"", "\"own\"");
        self.here(&block, &self.one).replace("two.example", "one.example")
    }

    /// Runs the commands of the console block with this number at one of the SPIRE servers.
    fn run(&self, block: usize, at: &str) {
        let text = page(PAGE);
        let block = text.split("```console\n").nth(block + 1).unwrap();
        let block = format!("```console\n{}```", block.split("```").next().unwrap());
        for command in commands(&block) {
            self.shell(&self.here(&command, &self.two), at);
        }
    }

    fn shell(&self, command: &str, at: &str) -> String {
        let wrapped = self.site.folder.join(at).join("wrapped");
        let output = Command::new("bash")
            .args(["-ec", command])
            .current_dir(&self.site.folder)
            .env("PATH", format!("{}:{}", wrapped.display(), search_path()))
            .env("TESTUDO_CONFIG", self.site.config())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command}: {printed}{}", stderr(&output));
        printed
    }

    async fn ask(&self, server: &Server, spire: &Spire) -> Answer {
        ask_with(server, &spire.jwt_svid(&self.issuer).unwrap()).await
    }
}

async fn ask_with(server: &Server, svid: &str) -> Answer {
    let mut connection = Connection::open(server.address).await;
    connection.post("/token", svid_form(svid, &[])).await
}

/// Writes a `spire-server` that connects to the server in this folder.
fn wrap(bin: &Path, folder: &Path) {
    let wrapped = folder.join("wrapped");
    std::fs::create_dir_all(&wrapped).unwrap();
    let text = format!(
        "#!/bin/sh\nexec {}/spire-server \"$@\" -socketPath {}/server.sock\n",
        bin.display(),
        folder.display()
    );
    write_program(&wrapped.join("spire-server"), &text);
}

/// Repeats the request until its status is this one; the time that it took.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !is_so().await {
        assert!(
            started.elapsed() < DEADLINE,
            "deadline exceeded while waiting until {what}"
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_the_federation_guide_serve_and_refuse_workloads_of_a_partner() {
    let pair = Pair::start();
    let web = pair.web_block();
    pair.write(&[&web]);
    let server = Server::start(&pair.site.config());
    // `https_web`, with a private root.
    let own = pair.one.jwt_svid(&pair.issuer).unwrap();
    let got = ask_with(&server, &own).await;
    assert_eq!(got.status, 200, "{got:?}");
    let refused = pair.ask(&server, &pair.two).await;
    assert_eq!(
        refused.error(),
        "invalid_client",
        "two.example is not configured yet"
    );

    // `https_spiffe`. The partner prints its first bundle.
    pair.run(1, "two");
    pair.write(&[&web, &pair.block(1)]);
    pair.run(0, "one");
    let got = pair.ask(&server, &pair.two).await;
    assert_eq!(got.status, 200, "{got:?}");
    let access_token = got.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(
        token::claims(&access_token)["sub"],
        "spiffe://two.example/workload/shop"
    );
    let shown = pair.site.json(&["trust", "show", "two.example"]);
    assert_eq!(shown["state"], "fresh", "{shown}");

    // With the last bundle at hand, the acceptance of `bootstrap` changes nothing.
    pair.run(2, "one");

    // Removed from the file, it is refused at once.
    pair.write(&[&web]);
    pair.run(5, "one");
    assert_eq!(pair.ask(&server, &pair.two).await.error(), "invalid_client");

    // SPIRE fetches the bundle of the partner, and the agent passes it on.
    pair.run(3, "one");
    let agent = pair.block(2);
    pair.write(&[&web, &agent]);
    pair.shell("testudo reload", "one");
    until(
        "the agent passes on the bundle, which has no sequence",
        async || {
            let shown = pair.site.json(&["trust", "show", "two.example"]);
            shown["held_back"].to_string().contains("without spiffe_sequence")
        },
    )
    .await;
    pair.run(4, "one");
    assert_eq!(pair.ask(&server, &pair.two).await.status, 200);
    assert_eq!(ask_with(&server, &own).await.status, 200);

    pair.run(6, "one");
    let took = until("the workload is refused", async || {
        pair.ask(&server, &pair.two).await.error() == "invalid_client"
    })
    .await;
    println!("refused {took:?} after the end of the federation in SPIRE");
    assert!(
        took < Duration::from_secs(60),
        "longer than the refresh hint: {took:?}"
    );
    assert_eq!(
        ask_with(&server, &own).await.status,
        200,
        "the own trust domain is served"
    );

    // The other direction between the SPIRE servers, with the web certificate.
    let url = format!("https://localhost:{}", pair.one.endpoint_port());
    pair.shell(
        "spire-server bundle show -format spiffe > one.example.json",
        "one",
    );
    pair.shell(
        &format!(
            "spire-server federation create -trustDomain one.example -bundleEndpointURL {url} \
             -bundleEndpointProfile https_web -trustDomainBundleFormat spiffe -trustDomainBundlePath one.example.json"
        ),
        "two",
    );
    pair.shell("spire-server federation refresh -id spiffe://one.example", "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn partner_rotates_all_its_keys_under_load_without_a_refused_good_request() {
    let pair = Pair::start();
    pair.run(1, "two");
    pair.write(&[&pair.block(1)]);
    let server = Server::start(&pair.site.config());
    let mut calls = 0;
    let mut kids = std::collections::BTreeSet::new();
    let mut good = async |times: usize| {
        for _ in 0..times {
            let svid = pair.two.jwt_svid(&pair.issuer).unwrap();
            kids.insert(token::header(&svid)["kid"].to_string());
            let answer = ask_with(&server, &svid).await;
            assert_eq!(answer.status, 200, "call {calls}: {answer:?}");
            calls += 1;
        }
        kids.len()
    };
    good(20).await;
    let refresh = || pair.shell("testudo trust refresh two.example", "one");
    const KINDS: [&str; 2] = ["jwt", "x509"];
    let old = KINDS.map(|kind| pair.two.active_authority(kind).unwrap());
    // The phases of SPIRE: a key is published before it signs, and is withdrawn after it signed.
    let new = KINDS.map(|kind| pair.two.prepare_authority(kind).unwrap());
    let change = |step: &str, ids: &[String]| {
        for (kind, id) in KINDS.iter().zip(ids) {
            pair.two.change_authority(kind, step, id).unwrap();
        }
    };
    refresh();
    let shown = pair.site.json(&["trust", "show", "two.example"]);
    assert_eq!(shown["jwt_keys"].as_array().unwrap().len(), 2, "{shown}");
    assert_eq!(shown["x509_authorities"], 2, "{shown}");
    good(20).await;
    change("activate", &new);
    let certificate = pair.two.agent_serial().unwrap();
    good(20).await;
    change("taint", &old);
    // The agent replaces the SVIDs that the tainted keys signed, and its own certificate: if the key of that one were
    // revoked before, the SPIRE server would not answer the agent any more.
    until(
        "the agent has a certificate and SVIDs of the new keys",
        async || good(1).await == 2 && pair.two.agent_serial().unwrap() != certificate,
    )
    .await;
    change("revoke", &old);
    // The server of the endpoint has an SVID of the new authority, which `bootstrap` does not contain.
    until("only the new keys are in force", async || {
        refresh();
        good(1).await;
        let shown = pair.site.json(&["trust", "show", "two.example"]);
        assert_eq!(shown["state"], "fresh", "{shown}");
        shown["jwt_keys"].as_array().unwrap().len() == 1 && shown["x509_authorities"] == 1
    })
    .await;
    good(20).await;
    println!("{calls} calls without a refusal");
}

//! Files that are replaced as cert-manager, Kubernetes and administrators replace them: TLS pair, bundle and
//! configuration are taken without a reload, and no request fails meanwhile.

use crate::administration::events;
use crate::binary::{Server, Site, stderr, write_private};
use crate::configuration_files::mount;
use crate::listeners::wait_for;
use crate::watching::{generation, rule};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use testudo_testkit::http::TlsClient;
use testudo_testkit::x509::{X509Chain, web_certificate};
use testudo_testkit::{TestIssuer, svid_form};

/// How the files in a folder are replaced.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Files are links below `..data`, a link that one rename replaces: ConfigMaps and Secrets of Kubernetes.
    DataLink,
    /// Each file is written under another name and renamed: most programs that write files safely.
    RenameFile,
    /// The folder is renamed, and a new one takes its name.
    RenameFolder,
}

/// The files in the folder `conf`, by name.
type Files = [(&'static str, String); 4];

struct Setup {
    site: Site,
    way: Way,
    conf: PathBuf,
    files: Files,
    versions: usize,
}

/// The certificate with its key, and the DER of its root.
struct Pair(X509Chain, Vec<Vec<u8>>);

fn pair() -> Pair {
    let (server, root) = web_certificate("as.example");
    Pair(server, root.chain)
}

fn configuration(more: &str) -> String {
    format!(
        r#"
issuer = "https://as.example"
[server]
listen = ["127.0.0.1:0"]
tls = {{ certificate = "tls.crt", private_key = "tls.key" }}
watch = true
[store]
url = "sqlite:../testudo.db"
[admin]
socket = "../testudo.sock"
[[trust_domains]]
name = "prod.example"
bundle = {{ file = "bundle.json" }}
{}{more}"#,
        rule("first")
    )
}

impl Setup {
    fn new(way: Way, pair: &Pair) -> Setup {
        let site = Site::new();
        let conf = site.folder.join("conf");
        std::fs::create_dir(&conf).unwrap();
        // The commands of the test find the socket by this file.
        site.write("testudo.toml", "[admin]\nsocket = \"testudo.sock\"\n");
        let files = [
            ("testudo.toml", configuration("")),
            ("bundle.json", site.issuer.bundle().to_string()),
            ("tls.crt", pair.0.chain_pem()),
            ("tls.key", pair.0.key_pem()),
        ];
        let mut setup = Setup {
            site,
            way,
            conf,
            files,
            versions: 0,
        };
        setup.put();
        setup
    }

    fn change(&mut self, name: &str, text: String) {
        let file = self.files.iter_mut().find(|(known, _)| *known == name).unwrap();
        file.1 = text;
    }

    /// Replaces the files.
    fn put(&mut self) {
        self.versions += 1;
        match self.way {
            Way::DataLink => {
                let files: Vec<(&str, &str)> = self
                    .files
                    .iter()
                    .map(|(name, text)| (*name, text.as_str()))
                    .collect();
                mount(&self.conf, &format!("..2026_11_26.{}", self.versions), &files);
            }
            Way::RenameFile => self.files.iter().for_each(|(name, text)| self.rename(name, text)),
            Way::RenameFolder => {
                let new = self.site.folder.join(format!("conf.{}", self.versions));
                std::fs::create_dir(&new).unwrap();
                for (name, text) in &self.files {
                    write_private(&new.join(name), text);
                }
                let old = self.site.folder.join(format!("conf.before.{}", self.versions));
                std::fs::rename(&self.conf, old).unwrap();
                std::fs::rename(new, &self.conf).unwrap();
            }
        }
    }

    /// Replaces one file by a rename, if its content is another one.
    fn rename(&self, name: &str, text: &str) {
        let path = self.conf.join(name);
        if std::fs::read_to_string(&path).is_ok_and(|before| before == text) {
            return;
        }
        let new = self.conf.join(format!("{name}.new"));
        write_private(&new, text);
        std::fs::rename(new, path).unwrap();
    }

    fn serve(&self) -> Server {
        Server::start(&self.conf.join("testudo.toml"))
    }
}

/// Clients that request tokens on new connections until the end; each request must be granted.
struct Load {
    ended: Arc<AtomicBool>,
    requests: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    /// The clients trust all of these certificates.
    fn start(server: &Server, site: &Site, pairs: &[&Pair]) -> Load {
        let (ended, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let roots: Vec<Vec<u8>> = pairs.iter().flat_map(|pair| pair.1.clone()).collect();
        let (address, form) = (server.address, svid_form(&site.svid("/first/load"), &[]));
        let (end, count) = (ended.clone(), requests.clone());
        let task = tokio::spawn(async move {
            while !end.load(Ordering::Relaxed) {
                let connected = TlsClient::new(&roots, None).connect(address).await;
                let (mut connection, _) = connected.expect("a handshake while files are replaced");
                let answer = connection.post("/token", form.clone()).await;
                assert_eq!(answer.status, 200, "while files are replaced: {answer:?}");
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        Load {
            ended,
            requests,
            task,
        }
    }

    async fn end(self) {
        self.ended.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        assert!(self.requests.load(Ordering::Relaxed) > 10);
    }
}

async fn serves(server: &Server, pair: &Pair) -> bool {
    TlsClient::new(&pair.1, None)
        .connect(server.address)
        .await
        .is_some()
}

/// The status of a token request with this SVID.
async fn status(server: &Server, pair: &Pair, svid: &str) -> u16 {
    let connected = TlsClient::new(&pair.1, None).connect(server.address).await;
    let (mut connection, _) = connected.expect("the pair in force");
    connection.post("/token", svid_form(svid, &[])).await.status
}

async fn files_are_taken(way: Way) {
    let (first, second) = (pair(), pair());
    let mut setup = Setup::new(way, &first);
    let server = setup.serve();
    let load = Load::start(&server, &setup.site, &[&first, &second]);
    assert!(serves(&server, &first).await && !serves(&server, &second).await);

    setup.change("tls.crt", second.0.chain_pem());
    setup.change("tls.key", second.0.key_pem());
    setup.put();
    wait_for("the new pair is served", async || serves(&server, &second).await).await;
    assert!(!serves(&server, &first).await);

    let other = TestIssuer::new("prod.example");
    let svid = other.svid("/first/other", "https://as.example", crate::binary::now());
    assert_ne!(status(&server, &second, &svid).await, 200);
    let mut bundle = setup.site.issuer.bundle();
    let more = other.bundle()["keys"].as_array().unwrap().clone();
    bundle["keys"].as_array_mut().unwrap().extend(more);
    bundle["spiffe_sequence"] = (bundle["spiffe_sequence"].as_u64().unwrap() + 1).into();
    setup.change("bundle.json", bundle.to_string());
    setup.put();
    wait_for("the new bundle is in force", async || {
        // A new SVID each time: an unknown key is remembered for the others.
        let svid = other.svid("/first/other", "https://as.example", crate::binary::now());
        status(&server, &second, &svid).await == 200
    })
    .await;

    let late = setup.site.svid("/late/1");
    assert_ne!(status(&server, &second, &late).await, 200);
    setup.change("testudo.toml", configuration(&rule("late")));
    setup.put();
    wait_for("the new configuration is in force", async || {
        status(&server, &second, &late).await == 200
    })
    .await;
    assert_eq!(
        generation(&setup.site),
        2,
        "only the third replacement changed the configuration"
    );
    load.end().await;
    // The event is written after the configuration is in force.
    wait_for("the event", async || {
        !events(&setup.site, "rule.changed").is_empty()
    })
    .await;
    let [event] = events(&setup.site, "rule.changed").try_into().unwrap();
    assert_eq!(
        event["configuration"]["rules"]["added"],
        serde_json::json!(["late"])
    );
    for kind in [
        "configuration.refused",
        "tls.certificate_refused",
        "authority.bundle_stale",
    ] {
        let told = events(&setup.site, kind);
        assert!(told.is_empty(), "{way:?}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pair_bundle_and_configuration_below_a_data_link_are_taken_when_the_link_is_swapped() {
    files_are_taken(Way::DataLink).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pair_bundle_and_configuration_are_taken_when_a_rename_replaces_each_file() {
    files_are_taken(Way::RenameFile).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pair_bundle_and_configuration_are_taken_when_their_folder_is_replaced() {
    files_are_taken(Way::RenameFolder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pair_written_in_two_steps_is_served_once_it_matches_and_the_old_pair_until_then() {
    let (first, second) = (pair(), pair());
    let setup = Setup::new(Way::RenameFile, &first);
    let server = setup.serve();
    let load = Load::start(&server, &setup.site, &[&first, &second]);
    setup.rename("tls.crt", &second.0.chain_pem());
    // The certificate without its key is found, and stated once; it is not used, by an ordered reload neither.
    wait_for("the half of a pair is reported", async || {
        !events(&setup.site, "tls.certificate_refused").is_empty()
    })
    .await;
    assert!(serves(&server, &first).await && !serves(&server, &second).await);
    let reloaded = setup.site.run(&["reload"]);
    let warning = stderr(&reloaded);
    assert!(warning.contains("server.tls still cannot be used"), "{warning}");
    assert!(serves(&server, &first).await && !serves(&server, &second).await);

    setup.rename("tls.key", &second.0.key_pem());
    wait_for("the new pair is served", async || serves(&server, &second).await).await;
    assert!(!serves(&server, &first).await);
    load.end().await;
    assert_eq!(events(&setup.site, "tls.certificate_refused").len(), 1);
    assert_eq!(events(&setup.site, "tls.certificate_renewed").len(), 1);
}

//! `testudo doctor` of set-ups with which `serve` would not start, or would refuse every request with one kind of
//! credential.

use super::{Broken, all_good, edit};
use crate::binary::Site;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use testudo_core::records::{Batch, Document, Kind, Write};
use testudo_protocol::jose::Algorithm;
use testudo_store::Store;
use testudo_testkit::web::DocumentServer;
use testudo_testkit::x509::{X509Chain, X509Issuer, jwk_of, web_certificate};
use testudo_testkit::{free_port, generate_key};

pub fn names() -> impl Iterator<Item = String> {
    BROKEN.iter().map(|broken| format!("doctor-{}", broken.name))
}

#[test]
fn doctor_names_fault_and_remedy_of_each_broken_set_up() {
    all_good(BROKEN.iter().map(|broken| {
        let site = Site::new();
        (broken.set_up)(&site);
        let output = site.run(&["doctor"]);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            printed.contains("FAILED") && output.status.code() == Some(1),
            "{}: {printed}",
            broken.name
        );
        broken.check("testudo doctor", &output, &site)
    }));
}

fn doctor(site: &Site) -> String {
    site.ok(&["doctor"])
}

/// Gives the admin listener an IPv4 address that the address of the public listener, `[::]`, includes. Returns the port.
fn listen_on_one_port(site: &Site) -> u16 {
    let port = free_port();
    edit(site, "[\"127.0.0.1:0\"]", &format!("[\"[::]:{port}\"]"));
    let admin = format!("listen = \"127.0.0.1:{port}\"");
    edit(site, "listen = \"127.0.0.1:0\"", &admin);
    port
}

#[test]
fn serve_names_its_own_listener_that_has_the_address_already() {
    let site = Site::new();
    let port = listen_on_one_port(&site);
    let output = site.run(&["serve"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains(&format!("cannot listen on 127.0.0.1:{port} (admin.listen)"))
            && said.contains("this server itself listens there for server.listen"),
        "{said}"
    );
}

#[test]
fn doctor_creates_no_file_before_the_first_start_and_passes_while_the_server_runs() {
    let site = Site::new();
    let files = || {
        let entries = std::fs::read_dir(&site.folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files();
    assert!(doctor(&site).contains("testudo.db is created at the first start"));
    assert_eq!(
        files(),
        before,
        "doctor must create no file: if root runs it, the server's user could not open a database that it created"
    );
    let port = free_port();
    edit(&site, "127.0.0.1:0", &format!("127.0.0.1:{port}"));
    let server = site.serve();
    let beside = doctor(&site);
    assert!(
        beside.contains("a record was written and removed again")
            && beside.contains("is in use, and a server listens on the admin socket"),
        "{beside}"
    );
    drop(server);
}

#[test]
fn doctor_passes_a_trust_domain_that_works_with_x509_svids_only() {
    let (site, _issuer) = Site::with_mutual_tls("");
    let bundle = std::fs::read_to_string(site.folder.join("bundle.json")).unwrap();
    let mut bundle: serde_json::Value = serde_json::from_str(&bundle).unwrap();
    let keys = bundle["keys"].as_array_mut().unwrap();
    keys.retain(|key| key["use"] == "x509-svid");
    site.write("bundle.json", &bundle.to_string());
    edit(&site, "[\"jwt_svid\", \"x509_svid\"]", "[\"x509_svid\"]");
    let printed = doctor(&site);
    assert!(
        printed.contains("x509_svid of prod.example") && printed.contains("1 X.509 authority, valid until"),
        "{printed}"
    );
    for line in ["chain of server.tls ", "name of server.tls for issuer "] {
        assert!(printed.contains(line), "{printed}");
    }
    // A trust domain that accepts both kinds and has keys for only one of them fails the check.
    edit(&site, "[\"x509_svid\"]", "[\"jwt_svid\", \"x509_svid\"]");
    let output = site.run(&["doctor"]);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        printed.contains("no JWT-SVID will be accepted") && printed.contains("remove \"jwt_svid\" from"),
        "{printed}"
    );
}

const TLS: &str = "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }\n[store]";

const BROKEN: &[Broken] = &[
    Broken {
        name: "bundle-file-missing",
        how: "The bundle file of a trust domain does not exist.",
        set_up: |site| std::fs::remove_file(site.folder.join("bundle.json")).unwrap(),
        fault: "bundle.json cannot be read",
        remedy: "spire-server bundle show -format spiffe",
    },
    Broken {
        name: "bundle-is-pem",
        how: "The bundle file contains the PEM certificate of the authority, as `spire-server bundle show` prints it by default.",
        set_up: |site| site.write("bundle.json", &web_certificate("prod.example").1.chain_pem()),
        fault: "bundle.json: the bundle is PEM",
        remedy: "spire-server bundle show -format spiffe",
    },
    Broken {
        name: "bundle-is-oidc-key-set",
        how: "The bundle file contains the key set of SPIRE's OIDC discovery provider.",
        set_up: |site| {
            let bundle = site.issuer.bundle().to_string();
            site.write("bundle.json", &bundle.replace("\"jwt-svid\"", "\"sig\""));
        },
        fault: "the use \"sig\"",
        remedy: "key set of OpenID Connect",
    },
    Broken {
        name: "bundle-with-two-keys-of-one-kid",
        how: "Two keys of the bundle have one `kid`.",
        set_up: |site| {
            let mut bundle = site.issuer.bundle();
            let mut other = testudo_testkit::TestIssuer::new("prod.example").bundle()["keys"][0].clone();
            let keys = bundle["keys"].as_array_mut().unwrap();
            keys[0]["kid"] = "one".into();
            other["kid"] = "one".into();
            keys.push(other);
            site.write("bundle.json", &bundle.to_string());
        },
        fault: "kid",
        remedy: "publish the document again",
    },
    Broken {
        name: "bundle-with-private-key",
        how: "The bundle contains the private member of a key.",
        set_up: |site| {
            let mut bundle = site.issuer.bundle();
            bundle["keys"][0]["d"] = "AAAA".into();
            site.write("bundle.json", &bundle.to_string());
        },
        fault: "private key",
        remedy: "replace these keys",
    },
    Broken {
        name: "agent-socket-is-a-file",
        how: "A plain file is at the path of the Workload API socket.",
        set_up: |site| {
            let file = site.folder.join("bundle.json");
            let socket = format!("{{ workload_api = \"unix://{}\" }}", file.display());
            edit(site, "{ file = \"bundle.json\" }", &socket);
        },
        fault: "is a file and not a socket",
        remedy: "set bundle.workload_api to the socket",
    },
    Broken {
        name: "bundle-without-keys",
        how: "The bundle lists no key.",
        set_up: |site| site.write("bundle.json", "{\"keys\":[]}"),
        fault: "0 JWT-SVID keys",
        remedy: "have the trust domain publish its keys",
    },
    Broken {
        name: "bundle-endpoint-unreachable",
        how: "Nothing listens at the bundle endpoint.",
        set_up: |site| {
            // Port 1, on which no service of this machine listens.
            let url = "{ url = \"http://127.0.0.1:1/bundle\" }";
            edit(site, "{ file = \"bundle.json\" }", url);
        },
        fault: "/bundle: cannot connect",
        remedy: "try the URL with curl",
    },
    Broken {
        name: "bundle-endpoint-clock-differs",
        how: "The clock of the bundle endpoint is years behind this machine's.",
        set_up: |site| {
            let bundle = site.issuer.bundle().to_string();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let head = format!(
                    "HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: {}\r\n\r\n",
                    bundle.len()
                );
                let _ = stream.write_all((head + &bundle).as_bytes());
            });
            edit(
                site,
                "{ file = \"bundle.json\" }",
                &format!("{{ url = \"http://{address}/bundle\" }}"),
            );
        },
        fault: "this machine's clock is",
        remedy: "run a time server",
    },
    Broken {
        name: "bundle-key-without-kid",
        how: "The only JWT-SVID key of the bundle has no kid.",
        set_up: |site| {
            let mut bundle = site.issuer.bundle();
            bundle["keys"][0].as_object_mut().unwrap().remove("kid");
            site.write("bundle.json", &bundle.to_string());
        },
        fault: "not used: key 0: a jwt-svid key has no kid",
        remedy: "publish a key that can be used in place of those",
    },
    Broken {
        name: "bundle-without-wit-key",
        how: "The trust domain accepts WIT-SVIDs, and the only key for them has no kid.",
        set_up: |site| {
            edit(
                site,
                "name = \"prod.example\"",
                "name = \"prod.example\"\ncredentials = [\"jwt_svid\", \"wit_svid\"]",
            );
            let mut bundle = site.issuer.bundle();
            let mut key = bundle["keys"][0].clone();
            key["use"] = "wit-svid".into();
            key.as_object_mut().unwrap().remove("kid");
            bundle["keys"].as_array_mut().unwrap().push(key);
            site.write("bundle.json", &bundle.to_string());
        },
        fault: "0 WIT-SVID keys",
        remedy: "if it issues no wit_svid, remove \"wit_svid\" from its `credentials`",
    },
    Broken {
        name: "bundle-authority-expired",
        how: "The only X.509 authority of the bundle has expired.",
        set_up: |site| {
            let authority = X509Issuer::new("prod.example");
            let expired = authority.reissued(|p| p.not_after = rcgen::date_time_ymd(2024, 6, 1));
            let mut bundle = site.issuer.bundle();
            bundle["keys"].as_array_mut().unwrap().push(jwk_of(&expired));
            site.write("bundle.json", &bundle.to_string());
            let kinds = "credentials = [\"jwt_svid\", \"x509_svid\"]\nbundle = { file";
            edit(site, "bundle = { file", kinds);
        },
        fault: "not used: X.509 authority",
        remedy: "publish a key that can be used in place of those",
    },
    Broken {
        name: "agent-socket-missing",
        how: "No SPIFFE agent listens on the socket of the Workload API.",
        set_up: |site| {
            let socket = site.folder.join("agent.sock");
            let workload_api = format!("{{ workload_api = \"unix://{}\" }}", socket.display());
            edit(site, "{ file = \"bundle.json\" }", &workload_api);
        },
        fault: "agent.sock",
        remedy: "agent must run on this machine",
    },
    Broken {
        name: "other-key-encryption-key",
        how: "The key-encryption key is not the one with which the keys in the database were encrypted.",
        set_up: |site| {
            drop(site.serve());
            site.write("testudo.db.kek", "P4DmWGtsyIpx4YFDV-kWotaK7o9RQT54KpalCx2qcl0");
        },
        fault: "cannot be decrypted",
        remedy: "key_encryption_key",
    },
    Broken {
        name: "folder-of-store-missing",
        how: "The folder of the database does not exist.",
        set_up: |site| edit(site, "sqlite:testudo.db", "sqlite:data/testudo.db"),
        fault: "data/testudo.db",
        remedy: "create the folder",
    },
    Broken {
        name: "store-is-not-a-database",
        how: "The file at the path of the database is not a database.",
        set_up: |site| site.write("testudo.db", &"no database\n".repeat(1_000)),
        fault: "testudo.db",
        remedy: "move that file away",
    },
    Broken {
        name: "client-record-unreadable",
        how: "The record of a client cannot be read.",
        set_up: |site| {
            drop(site.serve());
            let document = Document {
                kind: Kind::Client,
                key: b"spiffe://prod.example/ns/shop/sa/pay".to_vec(),
                body: b"{}".to_vec(),
                expires: None,
            };
            let mut batch = Batch::default();
            batch.writes.push(Write::Insert(document));
            let store = Store::sqlite(&site.folder.join("testudo.db")).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(store.commit(batch)).unwrap();
        },
        fault: "record client \"spiffe://prod.example/ns/shop/sa/pay\"",
        remedy: "restored from a backup",
    },
    Broken {
        name: "certificate-and-key-of-two-pairs",
        how: "Certificate and private key do not match.",
        set_up: |site| {
            site.certify("as.example");
            site.write("tls.key", &web_certificate("as.example").0.key_pem());
            edit(site, "[store]", TLS);
        },
        fault: "tls.key do not match",
        remedy: "private key of the leaf",
    },
    Broken {
        name: "certificate-of-another-host",
        how: "The certificate is issued for another host than that of the issuer.",
        set_up: |site| {
            site.certify("other.example");
            edit(site, "[store]", TLS);
        },
        fault: "tls.crt is not issued for as.example",
        remedy: "subject alternative name",
    },
    Broken {
        name: "chain-out-of-order",
        how: "The second certificate of the file did not issue the first.",
        set_up: |site| {
            site.certify("as.example");
            let leaf = std::fs::read_to_string(site.folder.join("tls.crt")).unwrap();
            let other = X509Chain {
                chain: vec![X509Issuer::new("other.example").der().to_vec()],
                key: Vec::new(),
            };
            site.write("tls.crt", &(leaf + &other.chain_pem()));
            edit(site, "[store]", TLS);
        },
        fault: "was not issued by certificate",
        remedy: "leaf first",
    },
    Broken {
        name: "address-in-use",
        how: "Another process listens on the address.",
        set_up: |site| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            edit(site, "127.0.0.1:0", &listener.local_addr().unwrap().to_string());
            // The listener stays open until this test run ends.
            std::mem::forget(listener);
        },
        fault: "another process listens there",
        remedy: "ss -ltnp",
    },
    Broken {
        name: "addresses-that-exclude-each-other",
        how: "`[::]` includes the IPv4 address of the admin listener, on the same port.",
        set_up: |site| {
            listen_on_one_port(site);
        },
        fault: "this server itself listens there for server.listen",
        remedy: "give each listener a port of its own",
    },
    Broken {
        name: "file-at-path-of-admin-socket",
        how: "A file that is not a socket is at the path of the admin socket.",
        set_up: |site| site.write("testudo.sock", "precious"),
        fault: "testudo.sock is a file",
        remedy: "configure another path",
    },
    Broken {
        name: "federation-endpoint-unreachable",
        how: "Nothing listens at the bundle endpoint of a federated trust domain.",
        set_up: |site| {
            // Port 1, on which no service of this machine listens.
            federate(
                site,
                "127.0.0.1:1",
                &X509Issuer::new("prod.example").bundle().to_string(),
            );
        },
        fault: "of spiffe://prod.example/spire/server: cannot connect",
        remedy: "ask the operator of the endpoint",
    },
    Broken {
        name: "federation-endpoint-is-another-server",
        how: "The server of the bundle endpoint has the SPIFFE ID of an agent.",
        set_up: |site| {
            let authority = X509Issuer::new("prod.example");
            let address = endpoint(site, authority.svid("/spire/agent"));
            federate(site, &address, &authority.bundle().to_string());
        },
        fault: "endpoint_spiffe_id is",
        remedy: "whose only URI name must be endpoint_spiffe_id",
    },
    Broken {
        name: "federation-bootstrap-expired",
        how: "The only X.509 authority of the file `bootstrap` has expired.",
        set_up: |site| {
            let authority = X509Issuer::new("prod.example");
            let expired = authority.reissued(|p| p.not_after = rcgen::date_time_ymd(2024, 6, 1));
            let address = endpoint(site, authority.leaf(SERVER, |_| {}));
            let bootstrap = serde_json::json!({ "keys": [jwk_of(&expired)] }).to_string();
            federate(site, &address, &bootstrap);
        },
        fault: "no X.509 authority of the bundle that verifies the server is valid now",
        remedy: "write its bundle of today into the file `bootstrap`",
    },
    Broken {
        name: "cluster-keys-not-permitted",
        how: "The API server of a cluster does not give its keys to the account of `token`.",
        set_up: |site| {
            let address = answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
            let jwks = format!("{{ url = \"http://{address}/openid/v1/jwks\", token = \"of-an-account\" }}");
            issuer(site, "kubernetes", &jwks);
        },
        fault: "/openid/v1/jwks: the server of the keys answers 403",
        remedy: "system:service-account-issuer-discovery",
    },
    Broken {
        name: "cluster-keys-file-missing",
        how: "The file with the keys of a cluster does not exist.",
        set_up: |site| issuer(site, "kubernetes", "{ file = \"cluster.jwks.json\" }"),
        fault: "cluster.jwks.json cannot be read",
        remedy: "kubectl get --raw /openid/v1/jwks",
    },
    Broken {
        name: "cluster-review-not-permitted",
        how: "The API server of a cluster does not review tokens for the account of `token`.",
        set_up: |site| {
            let key = generate_key(Algorithm::ES256, Some("k")).public_jwk("sig", true);
            site.write("keys.json", &serde_json::json!({ "keys": [key] }).to_string());
            let address = answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
            let path = "/apis/authentication.k8s.io/v1/tokenreviews";
            issuer(site, "kubernetes", "{ file = \"keys.json\" }");
            site.append(&format!(
                "token_review = {{ url = \"http://{address}{path}\", token = \"of-an-account\" }}"
            ));
        },
        fault: "the API server answers 403",
        remedy: "system:auth-delegator",
    },
    Broken {
        name: "issuer-without-signing-key",
        how: "The only key of an issuer is one for encryption.",
        set_up: |site| {
            let key = generate_key(Algorithm::ES256, Some("k")).public_jwk("enc", true);
            site.write("keys.json", &serde_json::json!({ "keys": [key] }).to_string());
            issuer(site, "jwt", "{ file = \"keys.json\" }");
        },
        fault: "0 token keys",
        remedy: "have the issuer publish a key that signs its tokens",
    },
];

const SERVER: &str = "spiffe://prod.example/spire/server";

/// Lets the bundle of prod.example come from a bundle endpoint with the profile `https_spiffe`.
fn federate(site: &Site, address: &str, bootstrap: &str) {
    site.write("first.json", bootstrap);
    let endpoint = format!(
        "{{ url = \"https://{address}/\", profile = \"https_spiffe\", endpoint_spiffe_id = \"{SERVER}\", bootstrap = \"first.json\" }}"
    );
    edit(site, "{ file = \"bundle.json\" }", &endpoint);
}

/// A bundle endpoint that shows this chain and publishes the bundle of the site, until this test run ends.
fn endpoint(site: &Site, chain: X509Chain) -> String {
    let bundle = site.issuer.bundle().to_string();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let server = DocumentServer::start_as(&chain).await;
            server.answers(200, None, &bundle);
            tell.send(server.address.to_string()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    told.recv().unwrap()
}

/// A server that gives this answer to every request, until this test run ends.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// Adds an `[[issuers]]` entry of this kind whose keys are there.
fn issuer(site: &Site, kind: &str, jwks: &str) {
    site.append(&format!(
        "[[issuers]]\nname = \"other\"\nkind = \"{kind}\"\nuse = [\"client\"]\nissuer = \"https://other.example\"\njwks = {jwks}"
    ));
}

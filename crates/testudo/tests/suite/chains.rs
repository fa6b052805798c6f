//! Tests of the CPU cost of forged certificate chains compared with valid ones, and of what commands show for expired
//! authorities.

use crate::binary::{Server, Site};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType};
use testudo_testkit::form;
use testudo_testkit::http::{Answer, Connection, TlsClient};
use testudo_testkit::x509::{X509Chain, X509Issuer, jwk_of, web_certificate};

const ID: &str = "spiffe://prod.example/ns/shop/sa/pay";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
/// Number of requests that are measured together, because the system counts CPU time in hundredths of a second.
const REQUESTS: usize = 100;
/// Maximum cost of a refused request, as a multiple of a valid one.
const RATIO_MAX: f64 = 4.0;

struct Fixture {
    authority: X509Issuer,
    roots: Vec<Vec<u8>>,
    server: Server,
}

fn fixture(server: &str) -> Fixture {
    let site = Site::new();
    let (certificate, root) = web_certificate("as.example");
    site.write("tls.crt", &certificate.chain_pem());
    site.write("tls.key", &certificate.key_pem());
    let authority = X509Issuer::new("prod.example");
    site.write("bundle.json", &authority.bundle().to_string());
    site.configure(server, crate::binary::RULES);
    let text = std::fs::read_to_string(site.config()).unwrap();
    let both = "credentials = [\"jwt_svid\", \"x509_svid\"]\nbundle = { file";
    std::fs::write(site.config(), text.replace("bundle = { file", both)).unwrap();
    Fixture {
        authority,
        roots: root.chain,
        server: site.serve(),
    }
}

fn request() -> String {
    form(&[("grant_type", "client_credentials"), ("client_id", ID)])
}

/// CPU time of the server, seconds.
pub fn cpu(server: &Server) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", server.child.id())).unwrap();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

/// A certificate chain in the order in which it is sent: a leaf, then the intermediates below the root.
fn chain(
    root: &X509Issuer,
    intermediates: usize,
    change: impl Fn(usize, &mut CertificateParams),
) -> X509Chain {
    let mut line: Vec<X509Issuer> = Vec::new();
    for number in 0..intermediates {
        let above = line.last().unwrap_or(root);
        line.push(above.intermediate(|parameters| change(number, parameters)));
    }
    let leaf = line.last().unwrap_or(root).leaf(ID, |_| {});
    line.iter().rev().fold(leaf, X509Chain::followed_by)
}

fn named(name: &str, parameters: &mut CertificateParams) {
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
}

fn padded(extensions: u64, bytes: usize, parameters: &mut CertificateParams) {
    named("same", parameters);
    let extension = |at| CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, at], vec![7; bytes]);
    parameters.custom_extensions = (0..extensions).map(extension).collect();
}

/// Forged chains, which can be made without the key of an authority.
fn hostile() -> Vec<(&'static str, X509Chain)> {
    let unknown_issuer = X509Issuer::new("prod.example");
    vec![
        (
            "nine intermediates with one name",
            chain(&unknown_issuer, 9, |_, p| named("same", p)),
        ),
        (
            "nine intermediates with one name, padded",
            chain(&unknown_issuer, 9, |_, p| padded(15, 60, p)),
        ),
        (
            "four intermediates with one name",
            chain(&unknown_issuer, 4, |_, p| named("same", p)),
        ),
        (
            "four intermediates with one name, padded",
            chain(&unknown_issuer, 4, |_, p| padded(14, 200, p)),
        ),
        (
            "four intermediates with different names",
            chain(&unknown_issuer, 4, |at, p| named(&at.to_string(), p)),
        ),
        (
            "leaf of an unknown authority with the name of the real one",
            unknown_issuer.leaf(ID, |_| {}),
        ),
    ]
}

fn assert_refused(name: &str, answer: &Answer) {
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (400, "invalid_client"),
        "{name}: {answer:?}"
    );
}

#[track_caller]
fn compare(name: &str, refused: f64, good: f64) {
    let (refused, good) = (refused / REQUESTS as f64, good / REQUESTS as f64);
    println!(
        "{name}: {:.2} ms, a valid one {:.2} ms",
        refused * 1e3,
        good * 1e3
    );
    assert!(
        refused <= good * RATIO_MAX,
        "{name}: {refused} s of CPU, a valid one {good} s"
    );
}

#[tokio::test]
async fn handshake_with_a_forged_chain_uses_at_most_four_times_the_cpu_of_a_valid_one() {
    let fixture = fixture("tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }");
    let send = async |chain: &X509Chain| {
        let client = TlsClient::new(&fixture.roots, Some(chain));
        let (mut connection, _) = client.connect(fixture.server.address).await.expect("a handshake");
        connection.post("/token", request()).await
    };
    assert_eq!(send(&fixture.authority.leaf(ID, |_| {})).await.status, 200);
    let leaves: Vec<X509Chain> = (0..REQUESTS)
        .map(|_| fixture.authority.leaf(ID, |_| {}))
        .collect();
    let before = cpu(&fixture.server);
    for leaf in &leaves {
        assert_eq!(send(leaf).await.status, 200);
    }
    let good = cpu(&fixture.server) - before;
    for (name, chain) in hostile() {
        let before = cpu(&fixture.server);
        for _ in 0..REQUESTS {
            assert_refused(name, &send(&chain).await);
        }
        compare(name, cpu(&fixture.server) - before, good);
    }
}

#[tokio::test]
async fn forged_chain_from_a_proxy_uses_at_most_four_times_the_cpu_of_a_valid_one() {
    let fixture =
        fixture("proxy = { trusted = [\"127.0.0.0/8\"], client_certificate_header = \"client-cert\" }");
    let mut connection = Connection::open(fixture.server.address).await;
    let encode = |der: &Vec<u8>| format!(":{}:", STANDARD.encode(der));
    let mut send = async |chain: &X509Chain| {
        let leaf = encode(&chain.chain[0]);
        let rest: Vec<String> = chain.chain.iter().skip(1).map(encode).collect();
        let rest = rest.join(", ");
        let mut headers = vec![FORM, ("client-cert", leaf.as_str())];
        if !rest.is_empty() {
            headers.push(("client-cert-chain", rest.as_str()));
        }
        connection.send("POST", "/token", &headers, request()).await
    };
    assert_eq!(send(&fixture.authority.leaf(ID, |_| {})).await.status, 200);
    // Different leaves, so that no cached result is used.
    let leaves: Vec<X509Chain> = (0..REQUESTS)
        .map(|_| fixture.authority.leaf(ID, |_| {}))
        .collect();
    let before = cpu(&fixture.server);
    for leaf in &leaves {
        assert_eq!(send(leaf).await.status, 200);
    }
    let good = cpu(&fixture.server) - before;
    for (name, first) in hostile() {
        // Two chains alternate, because the result of the last refused chain of a connection is cached.
        let second = hostile().into_iter().find(|(other, _)| *other == name).unwrap().1;
        let before = cpu(&fixture.server);
        for _ in 0..REQUESTS / 2 {
            assert_refused(name, &send(&first).await);
            assert_refused(name, &send(&second).await);
        }
        compare(name, cpu(&fixture.server) - before, good);
    }
}

// A certificate authority is used only within its own validity period. [RFC5280 §6.1.3]
#[tokio::test]
async fn trust_show_and_doctor_name_x509_authorities_past_their_validity() {
    let site = Site::new();
    let authority = X509Issuer::new("prod.example");
    let ended = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
    let old = authority.reissued(|parameters| parameters.not_after = ended.into());
    let text = std::fs::read_to_string(site.config()).unwrap();
    let both = "credentials = [\"jwt_svid\", \"x509_svid\"]\nbundle = { file";
    std::fs::write(site.config(), text.replace("bundle = { file", both)).unwrap();
    let publish = |authorities: &[&[u8]]| {
        let mut bundle = site.issuer.bundle();
        let keys = bundle["keys"].as_array_mut().unwrap();
        keys.extend(authorities.iter().map(|der| jwk_of(der)));
        site.write("bundle.json", &bundle.to_string());
    };
    publish(&[&old, authority.der()]);
    let printed = site.ok(&["doctor"]);
    assert!(printed.contains("1 X.509 authority, valid until"), "{printed}");
    assert!(
        printed.contains("ignored: X.509 authority") && printed.contains("it expired at"),
        "{printed}"
    );
    let server = site.serve();
    let shown = site.json(&["trust", "show", "prod.example"]);
    let states: Vec<&str> = shown["x509_authority_validity"]
        .as_array()
        .unwrap()
        .iter()
        .map(|known| known["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["ended", "valid"], "{shown}");
    let printed = site.ok(&["trust", "show", "prod.example"]);
    assert!(
        printed.contains(" ended, ") && printed.contains(" valid, "),
        "{printed}"
    );
    drop(server);
    // No valid authority is left.
    publish(&[&old]);
    let output = site.run(&["doctor"]);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains("no X.509-SVID will be accepted"), "{printed}");
}

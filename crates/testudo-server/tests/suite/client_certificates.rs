//! Clients with certificates that are no SVIDs: `tls_client_auth` and `self_signed_tls_client_auth`. [RFC8705 §2]

mod credentials;
mod names;
mod public;
mod registered;
mod self_signed;

use crate::world::{
    ISSUER, MutualTls, RULES, TLS, World, assert_answer_form, assert_granted, assert_refused,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, DnType, IsCa, KeyPair, SanType};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};
use testudo_testkit::form;
use testudo_testkit::http::Answer;
use testudo_testkit::token::{Draft, claims};
use testudo_testkit::x509::{X509Chain, X509Issuer, uri_name};

const CLIENTS: &str = r#"
[[clients]]
client_id = "subject"
token_endpoint_auth_method = "tls_client_auth"
tls_client_ca = "ca.pem"
tls_client_auth_subject_dn = "CN=batch,O=Example"
scopes = ["r"]
[[clients]]
client_id = "dns"
token_endpoint_auth_method = "tls_client_auth"
tls_client_ca = "ca.pem"
tls_client_auth_san_dns = "batch.example"
scopes = ["r"]
sender_constraint = "mtls"
[[clients]]
client_id = "uri"
token_endpoint_auth_method = "tls_client_auth"
tls_client_ca = "ca.pem"
tls_client_auth_san_uri = "urn:example:batch"
[[clients]]
client_id = "ip"
token_endpoint_auth_method = "tls_client_auth"
tls_client_ca = "ca.pem"
tls_client_auth_san_ip = "192.0.2.7"
[[clients]]
client_id = "email"
token_endpoint_auth_method = "tls_client_auth"
tls_client_ca = "ca.pem"
tls_client_auth_san_email = "batch@example.net"
[[clients]]
client_id = "elsewhere"
token_endpoint_auth_method = "tls_client_auth"
tls_client_ca = "other.pem"
tls_client_auth_san_dns = "batch.example"
[[clients]]
client_id = "own"
token_endpoint_auth_method = "self_signed_tls_client_auth"
jwks = { file = "own.json" }
scopes = ["r"]
"#;

/// A server with these clients, the authorities of their certificates, and the certificate of the client `own`.
struct Site {
    world: World,
    tls: MutualTls,
    ca: X509Issuer,
    other: X509Issuer,
    own: X509Chain,
}

impl Site {
    async fn start() -> Site {
        Site::start_with(TLS).await
    }

    async fn start_with(server: &str) -> Site {
        let (ca, other) = (X509Issuer::new("ca"), X509Issuer::new("other"));
        let own = self_signed(|_| {});
        let files = [
            ("ca.pem", pem(ca.der())),
            ("other.pem", pem(other.der())),
            ("own.json", json!({ "keys": [jwk(&own)] }).to_string()),
        ];
        let rules = format!("{RULES}{CLIENTS}");
        let (world, tls) = World::start_with_tls_and(&rules, server, |folder| {
            for (name, text) in &files {
                std::fs::write(folder.join(name), text).unwrap();
            }
        })
        .await;
        Site {
            world,
            tls,
            ca,
            other,
            own,
        }
    }

    /// A token request over a connection with this certificate.
    async fn ask(&self, client: &X509Chain, client_id: &str) -> Answer {
        self.send(Some(client), &[("client_id", client_id)]).await
    }

    async fn send(&self, client: Option<&X509Chain>, parameters: &[(&str, &str)]) -> Answer {
        let parameters = [&[("grant_type", "client_credentials")], parameters].concat();
        let mut connection = self.tls.connect(self.world.address(), client).await.unwrap();
        let answer = connection.post("/token", form(&parameters)).await;
        assert_answer_form(&answer);
        answer
    }

    /// A certificate of the CA with only this DNS name.
    fn dns(&self, name: &str) -> X509Chain {
        leaf(&self.ca, |parameters| {
            parameters.subject_alt_names = vec![dns_name(name)];
        })
    }
}

pub fn dns_name(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// A certificate without names, with `change`.
pub fn leaf(ca: &X509Issuer, change: impl FnOnce(&mut CertificateParams)) -> X509Chain {
    ca.leaf("urn:x", |parameters| {
        parameters.subject_alt_names = Vec::new();
        change(parameters);
    })
}

/// A certificate that its own key signed.
pub fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> X509Chain {
    self_signed_by(&KeyPair::generate().unwrap(), change)
}

pub fn self_signed_by(key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> X509Chain {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, "own");
    (parameters.not_before, parameters.not_after) = (before(60).into(), after(3600).into());
    change(&mut parameters);
    X509Chain {
        chain: vec![parameters.self_signed(key).unwrap().der().to_vec()],
        key: key.serialize_der(),
    }
}

fn before(seconds: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(seconds)
}

fn after(seconds: u64) -> SystemTime {
    SystemTime::now() + Duration::from_secs(seconds)
}

pub fn pem(der: &[u8]) -> String {
    let chain = X509Chain {
        chain: vec![der.to_vec()],
        key: Vec::new(),
    };
    chain.chain_pem()
}

/// The JWK of the leaf's key, with the certificate in `x5c`.
pub fn jwk(client: &X509Chain) -> Value {
    let key = KeyPair::try_from(client.key.as_slice()).unwrap();
    let point = rcgen::PublicKeyData::der_bytes(&key);
    let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
    json!({
        "kty": "EC", "crv": "P-256", "x": part(1..33), "y": part(33..65),
        "x5c": [STANDARD.encode(&client.chain[0])],
    })
}

fn thumbprint(client: &X509Chain) -> String {
    URL_SAFE_NO_PAD.encode(testudo_protocol::jose::sha256(&client.chain[0]))
}

#[tokio::test]
async fn metadata_lists_the_methods_only_while_clients_use_them_and_certificates_arrive() {
    let methods = async |world: &World| {
        let mut connection = world.connect().await;
        let answer = connection.get("/.well-known/oauth-authorization-server").await;
        answer.json()
    };
    let site = Site::start().await;
    let mut connection = site.tls.connect(site.world.address(), None).await.unwrap();
    let shown = connection
        .get("/.well-known/oauth-authorization-server")
        .await
        .json();
    let listed = shown["token_endpoint_auth_methods_supported"].to_string();
    for method in ["\"tls_client_auth\"", "\"self_signed_tls_client_auth\""] {
        assert!(listed.contains(method), "{listed}");
    }
    assert_eq!(shown["tls_client_certificate_bound_access_tokens"], true);
    // The same clients at a server that no certificate reaches.
    let rules = format!("{RULES}{CLIENTS}");
    let own = json!({ "keys": [jwk(&site.own)] }).to_string();
    let world = World::start_with_files(&rules, |folder| {
        std::fs::write(folder.join("ca.pem"), pem(site.ca.der())).unwrap();
        std::fs::write(folder.join("other.pem"), pem(site.other.der())).unwrap();
        std::fs::write(folder.join("own.json"), &own).unwrap();
    })
    .await;
    let shown = methods(&world).await;
    let listed = shown["token_endpoint_auth_methods_supported"].to_string();
    assert!(!listed.contains("tls_client_auth"), "{listed}");
    assert_eq!(shown["tls_client_certificate_bound_access_tokens"], false);
}

#[tokio::test]
async fn behind_a_proxy_the_certificate_of_its_header_authenticates_the_client() {
    let server = format!(
        "{TLS}\nproxy = {{ trusted = [\"127.0.0.0/8\"], client_certificate_header = \"client-cert\" }}"
    );
    let site = Site::start_with(&server).await;
    let mut proxy = site.tls.connect(site.world.address(), None).await.unwrap();
    let mut send = async |client: Option<&X509Chain>, client_id: &str| {
        let field = client.map(|client| format!(":{}:", STANDARD.encode(&client.chain[0])));
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(field.as_deref().map(|field| ("client-cert", field)));
        let body = form(&[("grant_type", "client_credentials"), ("client_id", client_id)]);
        proxy.send("POST", "/token", &headers, body).await
    };
    let issued = site.dns("batch.example");
    assert_granted(&send(Some(&issued), "dns").await, "tls_client_auth");
    assert_granted(&send(Some(&site.own), "own").await, "self-signed");
    for (client, client_id) in [
        (Some(&issued), "own"),
        (Some(&site.own), "dns"),
        (None, "dns"),
        (None, "own"),
    ] {
        assert_refused(&send(client, client_id).await, "invalid_client", client_id);
    }
    // From another address, the header is that of the client itself.
    let server = server.replace("127.0.0.0/8", "10.0.0.0/8");
    let site = Site::start_with(&server).await;
    let mut direct = site.tls.connect(site.world.address(), None).await.unwrap();
    let field = format!(":{}:", STANDARD.encode(&site.own.chain[0]));
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("client-cert", field.as_str()),
    ];
    let body = form(&[("grant_type", "client_credentials"), ("client_id", "own")]);
    let answer = direct.send("POST", "/token", &headers, body).await;
    assert_refused(&answer, "invalid_client", "forged header");
    assert_granted(&site.ask(&site.own, "own").await, "the handshake");
}

#[tokio::test]
async fn configuration_of_clients_with_certificates_is_checked() {
    let site = Site::start().await;
    let path = site.world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(site.world.folder.join("leaf.pem"), site.own.chain_pem()).unwrap();
    std::fs::write(site.world.folder.join("text.pem"), "no certificate").unwrap();
    let dn = "tls_client_auth_subject_dn = \"CN=batch,O=Example\"";
    let dns = "tls_client_auth_san_dns = \"batch.example\"\nscopes";
    let uri = "tls_client_auth_san_uri = \"urn:example:batch\"";
    let rows = [
        (dn, "", "needs exactly one of tls_client_auth_subject_dn"),
        (
            dn,
            "tls_client_auth_subject_dn = \"CN=batch\"\ntls_client_auth_san_dns = \"x\"",
            "needs exactly one of tls_client_auth_subject_dn",
        ),
        (dn, "tls_client_auth_subject_dn = \"batch\"", "not TYPE=VALUE"),
        (
            dns,
            "tls_client_auth_san_dns = \"*.example\"\nscopes",
            "has a wildcard",
        ),
        (
            uri,
            "tls_client_auth_san_uri = \"spiffe://a.example/x/1\"",
            "is a SPIFFE ID",
        ),
        (
            uri,
            "tls_client_auth_san_uri = \"SPIFFE://a.example/x/1\"",
            "is a SPIFFE ID",
        ),
        (
            uri,
            "tls_client_auth_san_ip = \"192.0.2.300\"",
            "is no IP address",
        ),
        (
            uri,
            "tls_client_auth_san_email = \"batch\"",
            "is no email address",
        ),
        (
            "tls_client_ca = \"ca.pem\"",
            "",
            "is required for tls_client_auth",
        ),
        (
            "tls_client_ca = \"ca.pem\"",
            "tls_client_ca = \"absent.pem\"",
            "cannot be read",
        ),
        (
            "tls_client_ca = \"ca.pem\"",
            "tls_client_ca = \"text.pem\"",
            "text.pem",
        ),
        (
            "tls_client_ca = \"ca.pem\"",
            "tls_client_ca = \"leaf.pem\"",
            "is no certificate authority",
        ),
        (
            "tls_client_ca = \"ca.pem\"",
            "tls_client_ca = \"ca.pem\"\njwks = { file = \"own.json\" }",
            "has no effect with tls_client_auth",
        ),
        (
            "\"own.json\"",
            "\"c6.json\"",
            "has no key whose x5c begins with a certificate",
        ),
        (
            "jwks = { file = \"own.json\" }",
            "jwks = { file = \"own.json\" }\ntls_client_ca = \"ca.pem\"",
            "is for tls_client_auth only",
        ),
        (
            "\"self_signed_tls_client_auth\"",
            "\"client_secret_basic\"",
            "token_endpoint_auth_method",
        ),
    ];
    for (from, to, says) in rows {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        std::fs::write(&path, changed).unwrap();
        let (status, answer) = site.world.try_admin("POST", "/admin/v1/reload", json!({})).await;
        let answer = answer.to_string();
        assert!(status >= 400 && answer.contains(says), "{to}: {status} {answer}");
    }
    std::fs::write(&path, text).unwrap();
    site.world.admin("POST", "/admin/v1/reload", json!({})).await;
}

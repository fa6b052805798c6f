//! Tests of TLS at the listeners, and of a bundle endpoint with TLS (`https_web`).

use crate::binary::Site;
use rcgen::{CertificateParams, KeyPair};
use std::process::Command;

#[test]
fn server_serves_tls_and_fetches_bundles_over_tls() {
    let site = Site::new();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".into(), "spire.prod.example".into()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    site.write("tls.crt", &certificate.pem());
    site.write("tls.key", &key.serialize_pem());
    let tls = "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }";
    site.configure(tls, crate::binary::RULES);
    let server = site.serve();
    assert!(server.ready_line.contains("https://"), "{}", server.ready_line);
    let url = format!(
        "https://localhost:{}/.well-known/oauth-authorization-server",
        server.address.port()
    );
    for version in ["--tlsv1.2", "--tlsv1.3"] {
        let fetched = Command::new("curl")
            .args([
                "-sf",
                version,
                "--cacert",
                site.folder.join("tls.crt").to_str().unwrap(),
                &url,
            ])
            .output()
            .unwrap();
        assert!(
            fetched.status.success(),
            "{version}: {}",
            String::from_utf8_lossy(&fetched.stderr)
        );
        assert!(String::from_utf8_lossy(&fetched.stdout).contains("token_endpoint"));
    }

    // A second server fetches its bundle over TLS from the first one: to check the certificate, any https server is enough.
    let other = Site::new();
    let text = std::fs::read_to_string(other.config()).unwrap();
    let endpoint = format!("https://spire.prod.example:{}/jwks", server.address.port());
    let with = |outbound: &str| {
        text.replace(
            "bundle = { file = \"bundle.json\" }",
            &format!("bundle = {{ url = \"{endpoint}\", profile = \"https_web\" }}"),
        ) + outbound
    };
    std::fs::copy(site.folder.join("tls.crt"), other.folder.join("ca.pem")).unwrap();
    std::fs::write(
        other.config(),
        with("\n[outbound]\nresolve = { \"spire.prod.example\" = \"127.0.0.1\" }\n"),
    )
    .unwrap();
    let untrusted = other.run(&["doctor"]);
    assert!(
        String::from_utf8_lossy(&untrusted.stdout).contains("TLS failed"),
        "{untrusted:?}"
    );
    std::fs::write(
        other.config(),
        with("\n[outbound]\nca = \"ca.pem\"\nresolve = { \"spire.prod.example\" = \"127.0.0.1\" }\n"),
    )
    .unwrap();
    let trusted = other.run(&["doctor"]);
    let printed = String::from_utf8_lossy(&trusted.stdout).into_owned();
    // The document is the JWKS of the first server, whose keys have the use `sig`: it is fetched and read, but none of
    // its keys is used. [I-21]
    assert!(
        printed.contains("0 JWT-SVID keys from https://spire.prod.example"),
        "{printed}"
    );
}

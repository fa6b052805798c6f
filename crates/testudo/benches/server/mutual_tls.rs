//! A server with TLS whose trust domain issues X.509-SVIDs.

use crate::fixture::{Folder, Server};
use hyper::body::Bytes;
use std::sync::Arc;
use testudo_testkit::load::Connector;
use testudo_testkit::x509::{X509Chain, X509Issuer, web_certificate};
use testudo_testkit::{TestIssuer, form};

/// The SPIFFE ID of the measured workload.
pub const ID: &str = "spiffe://bench.example/ns/known/sa/x";

pub struct MutualTls {
    pub folder: Folder,
    pub authority: X509Issuer,
    roots: Vec<Vec<u8>>,
}

impl MutualTls {
    pub fn new() -> MutualTls {
        let folder = Folder::new(&TestIssuer::new("bench.example"));
        let authority = X509Issuer::new("bench.example");
        let (certificate, root) = web_certificate("as.example");
        std::fs::write(folder.0.join("tls.crt"), certificate.chain_pem()).unwrap();
        std::fs::write(folder.0.join("tls.key"), certificate.key_pem()).unwrap();
        std::fs::write(folder.0.join("bundle.json"), authority.bundle().to_string()).unwrap();
        folder.edit(
            "[server]",
            "[server]\ntls = { certificate = \"tls.crt\", private_key = \"tls.key\" }",
        );
        folder.edit("bundle = {", "credentials = [\"x509_svid\"]\nbundle = {");
        MutualTls {
            folder,
            authority,
            roots: root.chain,
        }
    }

    pub fn connector(&self, client: X509Chain, is_kept: bool) -> Connector {
        Connector::MutualTls {
            roots: self.roots.clone(),
            client,
            is_kept,
        }
    }

    /// Server CPU time per request of one workload, microseconds. All requests must succeed.
    pub async fn measure(&self, server: &Server, name: &str, is_kept: bool, count: usize) -> f64 {
        let connector = self.connector(self.authority.svid("/ns/known/sa/x"), is_kept);
        let bodies = Arc::new(vec![request(); count]);
        server.measure_over(name, &connector, &[], bodies).await
    }
}

/// The form of a token request that is authenticated by a certificate.
pub fn request() -> Bytes {
    Bytes::from(form(&[("grant_type", "client_credentials"), ("client_id", ID)]))
}

//! `server.tls` and `admin.tls`: certificate and key of a listener.

use super::checker::Checker;
use rustls_pki_types::pem::PemObject as _;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// `server.tls`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSection {
    /// Path of a PEM file with the certificate chain: leaf first, then intermediates. Required.
    pub certificate: String,
    /// Path of a PEM file with the private key of the leaf certificate. Required.
    pub private_key: String,
}

/// Paths of a listener's PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented at its section")]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub private_key: PathBuf,
}

impl Checker<'_> {
    /// Checks that certificate and key of a listener exist and are PEM.
    pub(super) fn tls(&mut self, section: &str, tls: &TlsSection) -> TlsFiles {
        let files = TlsFiles {
            certificate: self.path(&tls.certificate),
            private_key: self.path(&tls.private_key),
        };
        self.certificates(&format!("{section}.certificate"), &files.certificate);
        self.warn_if_exposed(&format!("{section}.private_key"), &files.private_key);
        if let Err(error) = rustls_pki_types::PrivateKeyDer::from_pem_file(&files.private_key) {
            let path = files.private_key.display();
            self.report.error(
                format!("{section}.private_key"),
                format!("{path} has no PEM private key: {error}"),
                None,
            );
        }
        files
    }
}

//! `server.tls` and `admin.tls`: certificate and key of a listener.

use super::checker::Checker;
use super::file_fault::FileFault;
use super::pem_files;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;
use zeroize::Zeroizing;

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
        let key = format!("{section}.private_key");
        let pem = self.file(&key, &files.private_key).map(Zeroizing::new);
        if let Some(Err(FileFault { problem, hint })) = pem.map(|pem| pem_files::private_key(&pem)) {
            let problem = format!("{} {problem}", files.private_key.display());
            self.report.refuse(key, problem, Some(hint));
        }
        files
    }
}

//! What judges every section: the folder that paths begin in, the report that problems go to, and the values that
//! several sections have.

use super::problem::Report;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use testudo_protocol::Seconds;

/// What every judgement needs.
pub(super) struct Judge<'r> {
    folder: &'r Path,
    pub(super) report: &'r mut Report,
}

impl<'r> Judge<'r> {
    pub(super) fn new(folder: &'r Path, report: &'r mut Report) -> Judge<'r> {
        Judge { folder, report }
    }
}

impl Judge<'_> {
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }

    pub(super) fn address(&mut self, key: &str, text: &str) -> Option<SocketAddr> {
        match text.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                self.report.error(
                    key,
                    format!("{text:?} is not an address with a port"),
                    Some("expected: 127.0.0.1:8080 or [::1]:8080"),
                );
                None
            }
        }
    }

    pub(super) fn duration(&mut self, key: &str, text: Option<&str>, default: Seconds) -> Option<Seconds> {
        match text.map(Seconds::parse) {
            None => Some(default),
            Some(Ok(seconds)) => Some(seconds),
            Some(Err(problem)) => {
                self.report
                    .error(key, format!("{:?} {problem}", text.unwrap_or_default()), None);
                None
            }
        }
    }

    pub(super) fn certificates(&mut self, key: &str, path: &Path) -> Option<Vec<u8>> {
        let pem = match std::fs::read(path) {
            Ok(pem) => pem,
            Err(error) => {
                self.report
                    .error(key, format!("{} cannot be read: {error}", path.display()), None);
                return None;
            }
        };
        match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
            Ok(list) if !list.is_empty() => Some(pem),
            _ => {
                self.report
                    .error(key, format!("{} has no PEM certificates", path.display()), None);
                None
            }
        }
    }
}

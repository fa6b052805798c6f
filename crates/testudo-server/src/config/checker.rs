//! Checks the sections of a configuration: the folder of relative paths, the report of problems, and the values that
//! several sections have.

use super::file_fault::{FileFault, read_file};
use super::pem_files;
use super::problem::Report;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use testudo_core::rules::RuleError;
use testudo_protocol::Seconds;

/// What every check needs.
pub(super) struct Checker<'r> {
    folder: &'r Path,
    pub(super) report: &'r mut Report,
    /// True where each entry that names an authority could be read. Otherwise a rule may be about one that could not.
    pub(super) knows_all_authorities: bool,
    /// True where the file has `[login]`.
    pub(super) people_sign_in: bool,
}

impl<'r> Checker<'r> {
    pub(super) fn new(folder: &'r Path, report: &'r mut Report) -> Checker<'r> {
        let knows_all_authorities = !["trust_domains", "issuers"]
            .into_iter()
            .any(|key| report.is_unread(key));
        Checker {
            folder,
            report,
            knows_all_authorities,
            people_sign_in: false,
        }
    }
}

impl Checker<'_> {
    /// True if the key is written, also if its value could not be read: then it is not missing.
    pub(super) fn is_written<T>(&self, value: Option<&T>, key: &str) -> bool {
        value.is_some() || self.report.is_unread(key)
    }

    /// The addresses of a list.
    pub(super) fn addresses(&mut self, key: &str, texts: &[String]) -> Vec<SocketAddr> {
        if texts.is_empty() && !self.report.is_unread(key) {
            self.report.error(key, "is empty", None);
        }
        let addresses = texts.iter().enumerate();
        addresses
            .filter_map(|(entry, text)| self.address(&format!("{key}[{entry}]"), text))
            .collect()
    }

    /// Reports the errors of a rule, except those that follow from a key that could not be read, which is already
    /// reported.
    pub(super) fn rule_errors(&mut self, key: &str, errors: Vec<RuleError>) {
        for error in errors {
            let unread = |name: &str| self.report.is_unread(&format!("{key}.{name}"));
            let follows = match error.key {
                "default_scopes" => unread("scopes"),
                "identities" => unread("authorities") || (error.entry.is_none() && unread("identities")),
                // These use captures of the patterns.
                "client_id" | "client_name" | "client_uri" | "logo_uri" | "redirect_uris"
                | "redirect_uri_hosts" => unread("identities"),
                name => error.entry.is_none() && unread(name),
            };
            if !follows {
                let path = format!("{key}.{}", error.path());
                self.report.error(path, error.problem, error.hint);
            }
        }
    }

    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }

    pub(super) fn address(&mut self, key: &str, text: &str) -> Option<SocketAddr> {
        match text.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                self.report
                    .error(key, format!("{text:?} is not an address with a port"), None);
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

    /// Reports the limits that are 0: every new client would be refused.
    pub(super) fn limits_are_not_zero(&mut self, key: &str, limits: &[(&str, Option<u64>)], hint: &str) {
        for (name, _) in limits.iter().filter(|(_, limit)| *limit == Some(0)) {
            self.report.error(format!("{key}.{name}"), "is zero", Some(hint));
        }
    }

    pub(super) fn certificates(&mut self, key: &str, path: &Path) -> Option<Vec<u8>> {
        let pem = self.file(key, path)?;
        match pem_files::certificates(&pem) {
            Ok(_) => Some(pem),
            Err(FileFault { problem, hint }) => {
                let problem = format!("{} {problem}", path.display());
                self.report.refuse(key, problem, Some(hint));
                None
            }
        }
    }

    /// The content of a file, or a problem of the key that names it.
    pub(super) fn file(&mut self, key: &str, path: &Path) -> Option<Vec<u8>> {
        match read_file(path) {
            Ok(bytes) => Some(bytes),
            Err(FileFault { problem, hint }) => {
                let problem = format!("{} {problem}", path.display());
                self.report.refuse(key, problem, Some(hint));
                None
            }
        }
    }
}

//! The configuration file: read, judged as a whole, compiled.
//!
//! Every problem is reported at once. Reading goes: TOML text → [`sections::ConfigFile`] (unknown keys and wrong
//! types are found here, [`read`]) → [`Configuration`] (meaning, [`compile`]).

mod admin;
mod administration;
mod cleartext;
mod clients;
mod compile;
mod connections;
mod issuer;
mod issuers;
mod judge;
pub(crate) mod key_strength;
mod keys;
mod listeners;
mod log;
mod outbound;
mod places;
mod problem;
mod read;
mod registration;
mod reloading;
mod rules;
pub mod sections;
mod server;
mod starter;
mod store;
mod tls;
mod tokens;
mod trust;

pub use admin::AdminSettings;
pub use compile::Configuration;
pub use connections::{ConnectionLimits, ConnectionRules};
pub use keys::{KEYS, Key};
pub use listeners::{MtlsSettings, ServerSettings};
pub use log::{LogFormat, LogSettings, log_format};
pub use outbound::OutboundSettings;
pub use places::Place;
pub use problem::{Problem, Report};
pub use reloading::{FIXED_AT_START, FixedSetting, StartedWith};
pub use starter::STARTER;
pub use store::{StoreSettings, StoreUrl, key_encryption_key_beside};
pub use tls::TlsFiles;
pub use trust::{BundleOrigin, BundleSource};

use std::path::Path;
use testudo_protocol::jose::sha256;

/// Reads and judges a configuration file. On failure the report holds every problem; on success its warnings.
pub fn load(path: &Path, generation: u64) -> Result<(Configuration, Report), Report> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let hint = "run `testudo init` to write a starter file".to_owned();
        let problem = Problem::error("the file", format!("cannot be read: {error}"), Some(hint));
        Report::of(problem.at(Place::file(&name)))
    })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    judge(&name, &text, folder, generation)
}

/// Judges a configuration; `folder` is where its relative paths begin.
pub fn parse(text: &str, folder: &Path, generation: u64) -> Result<(Configuration, Report), Report> {
    judge("testudo.toml", text, folder, generation)
}

fn judge(name: &str, text: &str, folder: &Path, generation: u64) -> Result<(Configuration, Report), Report> {
    let mut report = Report::default();
    let file = read::read(name, text, &mut report);
    let configuration = file.and_then(|file| compile::compile(&file, folder, generation, &mut report));
    report.sort(name);
    match configuration {
        Some(configuration) if !report.has_errors() => {
            let digest = sha256(text.as_bytes());
            Ok((
                Configuration {
                    digest,
                    ..configuration
                },
                report,
            ))
        }
        _ => Err(report),
    }
}

/// Where the admin socket of a configuration is, whatever else may be wrong with the file.
pub fn admin_socket(path: &Path) -> std::path::PathBuf {
    let folder = path.parent().unwrap_or(Path::new("."));
    let table = table_of(path);
    let named = table
        .as_ref()
        .and_then(|table| table.get("admin")?.get("socket")?.as_str());
    folder.join(named.unwrap_or("testudo.sock"))
}

/// The tables of a file, where it is TOML at all.
fn table_of(path: &Path) -> Option<toml::Table> {
    std::fs::read_to_string(path).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;

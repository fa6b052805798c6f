//! The configuration file: it is read, checked as a whole and compiled.
//!
//! All problems are reported at once. The steps: TOML text, environment variables ([`overlay`]) and included
//! files ([`include`]) → [`sections::ConfigFile`] (unknown keys and wrong types are found here, [`read`]) →
//! [`Configuration`] (meaning, [`compile`]).

mod admin;
mod administration;
mod attesters;
mod bundle_origin;
mod checker;
mod ci_systems;
mod cleartext;
mod client_method;
mod clients;
mod compile;
mod connections;
mod experiments;
pub(crate) mod file_fault;
mod forms;
mod https_spiffe;
mod include;
mod instances;
mod issuer;
mod issuer_documents;
mod issuer_entry;
mod issuer_keys;
mod issuer_kinds;
mod issuers;
mod jwt_issuers;
mod key;
pub(crate) mod key_strength;
mod keys;
mod keys_url;
mod kubernetes;
mod listeners;
mod listening;
mod locations;
mod log;
mod login;
mod outbound;
mod overlay;
mod pages;
mod parse;
pub(crate) mod pem_files;
mod problem;
mod read;
mod registration;
mod reloading;
mod rules;
mod scopes;
pub mod sections;
mod sent_secret;
mod server;
mod spelling;
mod spiffe_endpoint;
mod starter;
mod status;
mod store;
mod tls;
mod token_review;
mod tokens;
mod trust;
mod unreachable;
mod verifiable_credentials;
mod written;

pub use admin::AdminSettings;
pub use bundle_origin::{BundleOrigin, BundleSource, KeyChanges};
pub use compile::Configuration;
pub use connections::{ConnectionLimits, ConnectionRules};
pub use issuers::Reviews;
pub use key::Key;
pub use keys::KEYS;
pub use listeners::{MtlsSettings, ServerSettings};
pub use listening::{Listening, listening};
pub use locations::Location;
pub use log::{LogFormat, LogSettings, log_format};
pub use login::{Allowed, LoginSettings, ProviderSettings, RelyingParty};
pub use outbound::OutboundSettings;
pub use pages::{Colour, PagesSettings};
pub use problem::{Problem, Report, SetByVariable};
pub use reloading::{FIXED_AT_START, FixedSetting, StartedWith};
pub use sent_secret::SentSecret;
pub use spiffe_endpoint::{EndpointKeys, SpiffeEndpoint};
pub use starter::STARTER;
pub use store::{StoreSettings, StoreUrl, key_encryption_key_beside};
pub use tls::TlsFiles;
pub use token_review::ReviewSource;
pub use written::Written;

use file_fault::FileFault;
use overlay::Overlay;
use std::path::{Path, PathBuf};

/// Reads and checks a configuration: the file, the files that it includes, and the environment variables. On failure,
/// the report contains every problem; on success, the warnings.
pub fn load(path: &Path, generation: u64) -> Result<(Configuration, Report), Report> {
    let (text, _) = include::main_text(path).map_err(|FileFault { problem, hint }| {
        let hint = match path.try_exists() {
            Ok(false) => "run `testudo init` to write a starter file, or name another file with --config",
            _ => hint,
        };
        let problem = Problem::error("the file", problem, Some(hint.to_owned()));
        Report::of(problem.at(Location::file(path.display().to_string())))
    })?;
    check_text(path, &text, &Overlay::of_environment(), generation)
}

/// Checks a configuration without environment variables. Relative paths begin in `folder`.
pub fn parse(text: &str, folder: &Path, generation: u64) -> Result<(Configuration, Report), Report> {
    check_text(
        &folder.join("testudo.toml"),
        text,
        &Overlay::default(),
        generation,
    )
}

fn check_text(
    path: &Path,
    text: &str,
    overlay: &Overlay,
    generation: u64,
) -> Result<(Configuration, Report), Report> {
    let mut report = Report::default();
    let folder = path.parent().unwrap_or(Path::new("."));
    let read = read::read(path, text, overlay, &mut report);
    let configuration = read.and_then(|(file, written)| {
        let configuration = compile::compile(&file, folder, generation, &mut report)?;
        Some(Configuration {
            written,
            ..configuration
        })
    });
    report.sort(&path.display().to_string());
    match configuration {
        Some(configuration) if !report.has_errors() => Ok((configuration, report)),
        _ => Err(report),
    }
}

/// SHA-256 of all files of a configuration, as they are now.
pub fn digest(path: &Path) -> [u8; 32] {
    read::digest(path, &Overlay::of_environment())
}

/// The path of the admin socket, read also from a configuration with problems.
pub fn admin_socket(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new("."));
    let table = table_of(path);
    let named = table.get("admin").and_then(|admin| admin.get("socket")?.as_str());
    folder.join(named.unwrap_or("testudo.sock"))
}

/// The tables of a file, if it is TOML, and the values that environment variables set.
fn table_of(path: &Path) -> toml::Table {
    let text = include::main_text(path).map_or_else(|_| String::new(), |(text, _)| text);
    let mut table: toml::Table = text.parse().unwrap_or_default();
    Overlay::of_environment().apply(&mut table, &mut Report::default());
    table
}

#[cfg(test)]
mod tests;

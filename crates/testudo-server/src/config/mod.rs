//! The configuration file: read, judged as a whole, compiled.
//!
//! Every problem is reported at once. Reading goes: TOML text, variables of the environment ([`overlay`]) and included
//! files ([`include`]) → [`sections::ConfigFile`] (unknown keys and wrong types are found here, [`read`]) →
//! [`Configuration`] (meaning, [`compile`]).

mod admin;
mod administration;
mod cleartext;
mod clients;
mod compile;
mod connections;
mod forms;
mod include;
mod issuer;
mod issuers;
mod judge;
pub(crate) mod key_strength;
mod keys;
mod listeners;
mod log;
mod outbound;
mod overlay;
mod parse;
mod places;
mod problem;
mod read;
mod registration;
mod reloading;
mod rules;
pub mod sections;
mod server;
mod spelling;
mod starter;
mod store;
mod tls;
mod tokens;
mod trust;
mod written;

pub use admin::AdminSettings;
pub use compile::Configuration;
pub use connections::{ConnectionLimits, ConnectionRules};
pub use keys::{KEYS, Key};
pub use listeners::{MtlsSettings, ServerSettings};
pub use log::{LogFormat, LogSettings, log_format};
pub use outbound::OutboundSettings;
pub use places::Place;
pub use problem::{Problem, Report, SetByVariable};
pub use reloading::{FIXED_AT_START, FixedSetting, StartedWith};
pub use starter::STARTER;
pub use store::{StoreSettings, StoreUrl, key_encryption_key_beside};
pub use tls::TlsFiles;
pub use trust::{BundleOrigin, BundleSource};
pub use written::Written;

use overlay::Overlay;
use std::path::{Path, PathBuf};

/// Reads and judges a configuration: the file, the files that it includes, and the variables of the environment. On
/// failure the report holds every problem; on success its warnings.
pub fn load(path: &Path, generation: u64) -> Result<(Configuration, Report), Report> {
    let (text, _) = include::main_text(path).map_err(|problem| {
        let hint = "run `testudo init` to write a starter file".to_owned();
        let problem = Problem::error("the file", problem, Some(hint));
        Report::of(problem.at(Place::file(path.display().to_string())))
    })?;
    judge(path, &text, &Overlay::of_environment(), generation)
}

/// Judges a configuration without the variables of the environment; `folder` is where its relative paths begin.
pub fn parse(text: &str, folder: &Path, generation: u64) -> Result<(Configuration, Report), Report> {
    judge(
        &folder.join("testudo.toml"),
        text,
        &Overlay::default(),
        generation,
    )
}

fn judge(
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

/// Where the admin socket of a configuration is, whatever else may be wrong with it.
pub fn admin_socket(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new("."));
    let table = table_of(path);
    let named = table.get("admin").and_then(|admin| admin.get("socket")?.as_str());
    folder.join(named.unwrap_or("testudo.sock"))
}

/// The tables of a file, where it is TOML at all, and what variables of the environment set.
fn table_of(path: &Path) -> toml::Table {
    let text = include::main_text(path).map_or_else(|_| String::new(), |(text, _)| text);
    let mut table: toml::Table = text.parse().unwrap_or_default();
    Overlay::of_environment().apply(&mut table, &mut Report::default());
    table
}

#[cfg(test)]
mod tests;

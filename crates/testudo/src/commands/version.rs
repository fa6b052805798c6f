//! `testudo version`.

use crate::arguments::Json;
use crate::output::{Failed, print_fields, print_json};
use serde::Serialize;
use testudo_protocol::Timestamp;

/// What this program was built from. `build.rs` finds the commit and the date.
#[derive(Serialize)]
struct Version {
    version: &'static str,
    /// None where git was missing.
    commit: Option<&'static str>,
    /// True if files of the repository differed from the commit.
    is_modified: Option<bool>,
    /// Date of the commit, not of the build: a build on another day must give the same program.
    date: Option<String>,
}

pub fn run(options: &Json) -> Result<(), Failed> {
    let seconds = option_env!("TESTUDO_DATE_SECONDS").and_then(|text| text.parse().ok());
    let commit = option_env!("TESTUDO_COMMIT");
    let built = Version {
        version: env!("CARGO_PKG_VERSION"),
        commit,
        is_modified: commit.map(|_| option_env!("TESTUDO_MODIFIED").is_some()),
        date: seconds.map(|seconds| Timestamp(seconds).to_string()),
    };
    if options.json {
        return print_json(&built);
    }
    let changed = match built.is_modified {
        Some(true) => ", with changes",
        Some(false) | None => "",
    };
    let unknown = || "unknown".to_owned();
    let commit = built.commit.map(|commit| format!("{commit}{changed}"));
    print_fields(&[
        ("version", built.version.to_owned()),
        ("commit", commit.unwrap_or_else(unknown)),
        ("date", built.date.unwrap_or_else(unknown)),
    ])
}

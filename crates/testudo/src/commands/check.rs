//! `testudo check`.

use crate::arguments::Json;
use crate::output::{Failed, note, note_report, note_variables, print_json};
use std::path::Path;
use testudo_core::records::counted;
use testudo_server::config;

pub fn run(path: &Path, options: &Json) -> Result<(), Failed> {
    let (report, is_usable) = match config::load(path, 1) {
        Ok((_, warnings)) => (warnings, true),
        Err(report) => (report, false),
    };
    if options.json {
        note_variables(&report);
        print_json(&report.problems)?;
    } else {
        note_report(&report);
    }
    if is_usable {
        note(&format!("{}: no errors", path.display()));
        return Ok(());
    }
    let errors = report.errors().count();
    Err(Failed::new(format!(
        "{} has {}",
        path.display(),
        counted(errors, "error")
    )))
}

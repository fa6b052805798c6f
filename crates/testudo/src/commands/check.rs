//! `testudo check`.

use crate::arguments::{Json, Place};
use crate::output::{Failed, note, note_report, print_json};
use testudo_server::config;

pub fn run(place: &Place, options: &Json) -> Result<(), Failed> {
    let (report, is_usable) = match config::load(&place.config, 1) {
        Ok((_, warnings)) => (warnings, true),
        Err(report) => (report, false),
    };
    if options.json {
        print_json(&report.problems)?;
    } else {
        note_report(&report);
    }
    if is_usable {
        note(&format!("{}: no errors", place.config.display()));
        return Ok(());
    }
    let errors = report.errors().count();
    Err(Failed::new(format!(
        "{} has {errors} error{}",
        place.config.display(),
        if errors == 1 { "" } else { "s" }
    )))
}

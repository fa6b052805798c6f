//! `testudo doctor`.

use crate::arguments::Listing;
use crate::output::{Failed, note_report, print_json, print_list};
use std::path::Path;
use testudo_server::{config, doctor};

pub async fn run(path: &Path, options: &Listing) -> Result<(), Failed> {
    let (configuration, warnings) = config::load(path, 1).map_err(|report| {
        note_report(&report);
        Failed::new("the configuration cannot be used")
            .hint("correct the errors above, then run doctor again")
    })?;
    note_report(&warnings);
    let findings = doctor::examine(&configuration).await;
    if options.json.json {
        print_json(&findings)?;
    } else {
        let row = |finding: &doctor::Finding| {
            let mark = if finding.is_good { "ok" } else { "FAILED" };
            let hint = finding.hint.clone().unwrap_or_default();
            vec![
                mark.to_owned(),
                finding.subject.clone(),
                finding.detail.clone(),
                hint,
            ]
        };
        let rows: Vec<_> = findings.iter().map(row).collect();
        print_list(
            "checks",
            &["result", "what", "detail", "hint"],
            &rows,
            options.wide,
        )?;
    }
    let bad = findings.iter().filter(|finding| !finding.is_good).count();
    if bad == 0 {
        Ok(())
    } else {
        Err(Failed::new(format!("{bad} of {} checks failed", findings.len())))
    }
}

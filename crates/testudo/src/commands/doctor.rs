//! `testudo doctor`.

use crate::arguments::{Json, Place};
use crate::output::{Failed, note_report, print_json, print_table};
use testudo_server::{config, doctor};

pub async fn run(place: &Place, options: &Json) -> Result<(), Failed> {
    let (configuration, warnings) = config::load(&place.config, 1).map_err(|report| {
        note_report(&report);
        Failed::new("the configuration cannot be used").hint("the errors above come first")
    })?;
    note_report(&warnings);
    let findings = doctor::examine(&configuration).await;
    if options.json {
        print_json(&findings)?;
    } else {
        let row = |finding: &doctor::Finding| {
            let mark = if finding.is_good { "ok" } else { "FAILED" };
            vec![mark.to_owned(), finding.subject.clone(), finding.detail.clone()]
        };
        print_table(&["result", "what", "detail"], findings.iter().map(row).collect());
    }
    let bad = findings.iter().filter(|finding| !finding.is_good).count();
    if bad == 0 {
        Ok(())
    } else {
        Err(Failed::new(format!("{bad} of {} checks failed", findings.len())))
    }
}

//! Tests of broken set-ups: `check`, `doctor` and `explain` must name the fault and the remedy.
//!
//! The expected output of each command is stored in `snapshots/`, one file for each set-up. To write the files again:
//! `UPDATE_SNAPSHOTS=1 cargo test -p testudo --test suite broken`; review the difference like code.

mod check;
mod doctor;
mod explain;
mod snapshot;

use crate::administration::edit;
use crate::binary::Site;
use std::process::Output;

/// One way in which a set-up can be broken.
struct Broken {
    /// Name of the snapshot file, after the name of the command.
    name: &'static str,
    /// The fault as a sentence, the first line of the snapshot.
    how: &'static str,
    /// Puts the fault into a good set-up.
    set_up: fn(&Site),
    /// Words of the output that name the fault: a file, key, header or claim.
    fault: &'static str,
    /// Words of the output that name the remedy.
    remedy: &'static str,
}

impl Broken {
    /// Compares the output of a command with the snapshot.
    fn check(&self, command: &str, output: &Output, site: &Site) -> Result<(), String> {
        let snapshot = snapshot::of(self.how, command, output, &site.folder);
        // Without the sentence of this test about the fault, in which the words may be.
        let printed = snapshot.strip_prefix(self.how).unwrap();
        for (what, words) in [("fault", self.fault), ("remedy", self.remedy)] {
            if !printed.contains(words) {
                return Err(format!(
                    "{}: the {what} {words:?} is not in\n{printed}",
                    self.name
                ));
            }
        }
        // Debug output of Rust types must not be shown to administrators.
        for foreign in [
            "Some(",
            "None,",
            "Err(",
            "Os {",
            "InvalidCertificate",
            "EndEntity",
            "\\\"",
        ] {
            if printed.contains(foreign) {
                return Err(format!("{}: {foreign:?} must not be in\n{printed}", self.name));
            }
        }
        let verb = command.split_whitespace().nth(1).unwrap();
        snapshot::compare(&format!("{verb}-{}", self.name), &snapshot)
    }
}

/// Reports all differences at once.
#[track_caller]
fn all_good(outcomes: impl Iterator<Item = Result<(), String>>) {
    let faults: Vec<String> = outcomes.filter_map(Result::err).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

//! Tests of broken set-ups: `check`, `doctor` and `explain` must name the fault and the remedy.
//!
//! What each of them prints is kept in `snapshots/`, a file per set-up, and is read like code when it changes:
//! `UPDATE_SNAPSHOTS=1 cargo test -p testudo --test suite broken` writes the files again.

mod check;
mod doctor;
mod explain;
mod snapshot;

use crate::binary::Site;
use std::process::Output;

/// One way in which a set-up can be broken.
struct Broken {
    /// Name of the snapshot, after that of the command.
    name: &'static str,
    /// The fault, for the head of the snapshot.
    how: &'static str,
    /// Breaks a good set-up.
    set_up: fn(&Site),
    /// Words of the output that name the fault: file, key, header, claim.
    fault: &'static str,
    /// Words of the output that say what to do.
    remedy: &'static str,
}

impl Broken {
    /// Compares the output of a command with the snapshot.
    fn check(&self, command: &str, output: &Output, site: &Site) -> Result<(), String> {
        let said = snapshot::of(self.how, command, output, &site.folder);
        for (what, words) in [("fault", self.fault), ("remedy", self.remedy)] {
            if !said.contains(words) {
                return Err(format!("{}: no {what} {words:?} in\n{said}", self.name));
            }
        }
        // Texts of the compiler are not for administrators.
        for foreign in [
            "Some(",
            "None,",
            "Err(",
            "Os {",
            "InvalidCertificate",
            "EndEntity",
            "\\\"",
        ] {
            if said.contains(foreign) {
                return Err(format!("{}: {foreign:?} in\n{said}", self.name));
            }
        }
        let verb = command.split_whitespace().nth(1).unwrap();
        snapshot::compare(&format!("{verb}-{}", self.name), &said)
    }
}

/// Reports all differences at once.
#[track_caller]
fn all_good(judged: impl Iterator<Item = Result<(), String>>) {
    let faults: Vec<String> = judged.filter_map(Result::err).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Replaces a part of the configuration.
#[track_caller]
fn edit(site: &Site, from: &str, to: &str) {
    let text = std::fs::read_to_string(site.config()).unwrap();
    assert!(text.contains(from), "{from:?} is not in\n{text}");
    std::fs::write(site.config(), text.replacen(from, to, 1)).unwrap();
}

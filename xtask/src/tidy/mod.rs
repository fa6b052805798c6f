//! Rules of this repository that no compiler checks: which crate and which module may use which, import cycles, file
//! heads and lengths, citations, references, words, parameters, log lines, secrets in `Debug`, SPIFFE types, names of kinds
//! of credential, outbound connections, pages of doors, banned crates.

mod crates;
mod cycles;
mod kinds;
mod layers;
mod log_lines;
mod modules;
mod outbound;
mod parameters;
mod references;
pub mod repository;
mod secrets;
pub mod sources;
mod spiffe;
mod words;

use crate::{imports, root};
use repository::Repository;
use std::collections::BTreeSet;

pub use cycles::print as print_cycles;
pub use modules::print as print_modules;

pub fn run() -> Result<(), String> {
    let mut complaints = Vec::new();
    crates::arrows(&mut complaints)?;
    crates::bans(&mut complaints)?;
    let sources = imports::crates_of_workspace(&root())?;
    cycles::check(&sources, &mut complaints);
    modules::check(&sources, &mut complaints)?;
    door_pages(&mut complaints)?;
    let repository = Repository::read(&root())?;
    let texts = repository.texts(&root())?;
    crates::test_door(&texts, &mut complaints)?;
    references::check(&repository, &texts, &mut complaints);
    words::check(&texts, &mut complaints);
    parameters::check(&texts, &mut complaints)?;
    log_lines::check(&texts, &mut complaints)?;
    secrets::check(&texts, &mut complaints)?;
    spiffe::check(&texts, &mut complaints)?;
    kinds::check(&texts, &mut complaints)?;
    outbound::check(&texts, &mut complaints)?;
    for text in texts.iter().filter(|text| text.name.ends_with(".rs")) {
        sources::length(&text.name, &text.text, &mut complaints);
        sources::file_head(&text.name, &text.text, &mut complaints);
        sources::citations(&text.name, &text.text, &mut complaints);
    }
    if complaints.is_empty() {
        return Ok(());
    }
    Err(format!("tidy:\n{}", complaints.join("\n")))
}

/// Complains about a kind of credential (door) without a page in `docs/doors/`, and about a page without a door.
/// The proofs of the key of an attestation or a WIT-SVID are on their pages.
fn door_pages(complaints: &mut Vec<String>) -> Result<(), String> {
    let names = |folder: &str, extension: &str| -> Result<BTreeSet<String>, String> {
        let folder = root().join(folder);
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(entries
            .filter_map(|entry| {
                entry
                    .ok()?
                    .file_name()
                    .to_str()?
                    .strip_suffix(extension)
                    .map(|name| name.replace('-', "_"))
            })
            .filter(|name| {
                ![
                    "mod",
                    "tests",
                    "README",
                    "test_token",
                    "presented",
                    "attestation_pop",
                    "holder",
                    "workload_proof",
                ]
                .contains(&name.as_str())
            })
            .collect())
    };
    let mut doors = names("crates/testudo-core/src/doors", ".rs")?;
    doors.extend(names("crates/testudo-core/src/possession", ".rs")?);
    let pages = names("docs/doors", ".md")?;
    for door in doors.symmetric_difference(&pages) {
        complaints.push(format!(
            "{door}: crates/testudo-core/src/doors/ and docs/doors/ must both have a file of this name"
        ));
    }
    Ok(())
}

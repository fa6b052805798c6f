//! House rules that no compiler checks: arrows between crates, import circles, file heads, citations, parameters, lines
//! of the log, door pages, bans.

mod circles;
mod crates;
mod floors;
mod log_lines;
mod parameters;
mod references;
pub mod repository;
mod rooms;
pub mod sources;
mod words;

use crate::{imports, root};
use repository::Repository;
use std::collections::BTreeSet;

pub use circles::print as print_circles;
pub use rooms::print as print_rooms;

pub fn run() -> Result<(), String> {
    let mut complaints = Vec::new();
    crates::arrows(&mut complaints)?;
    crates::bans(&mut complaints)?;
    let sources = imports::crates_of_workspace(&root())?;
    circles::check(&sources, &mut complaints);
    rooms::check(&sources, &mut complaints)?;
    door_pages(&mut complaints)?;
    let repository = Repository::read(&root())?;
    let texts = repository.texts(&root())?;
    references::check(&repository, &texts, &mut complaints);
    words::check(&texts, &mut complaints);
    parameters::check(&texts, &mut complaints)?;
    log_lines::check(&texts, &mut complaints)?;
    for text in texts.iter().filter(|text| text.name.ends_with(".rs")) {
        sources::file_head(&text.name, &text.text, &mut complaints);
        sources::citations(&text.name, &text.text, &mut complaints);
    }
    if complaints.is_empty() {
        return Ok(());
    }
    Err(format!("tidy:\n{}", complaints.join("\n")))
}

/// Each door has its page, and each page its door.
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
            .filter(|name| !["mod", "tests", "README"].contains(&name.as_str()))
            .collect())
    };
    let (doors, pages) = (
        names("crates/testudo-core/src/doors", ".rs")?,
        names("docs/doors", ".md")?,
    );
    for door in doors.symmetric_difference(&pages) {
        complaints.push(format!(
            "door {door} has no page in docs/doors/, or the page no door"
        ));
    }
    Ok(())
}

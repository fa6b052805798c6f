//! House rules that no compiler checks: arrows between crates, import circles, file heads, citations, door pages, bans.

mod circles;
mod crates;
mod floors;
mod references;
mod repository;
mod rooms;
mod sources;
mod words;

use crate::root;
use repository::Repository;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use circles::print as print_circles;
pub use rooms::print as print_rooms;

pub fn run() -> Result<(), String> {
    let mut complaints = Vec::new();
    crates::arrows(&mut complaints)?;
    crates::bans(&mut complaints)?;
    circles::check(&mut complaints)?;
    rooms::check(&mut complaints)?;
    door_pages(&mut complaints)?;
    let repository = Repository::read(&root())?;
    let texts = repository.texts(&root())?;
    references::check(&repository, &texts, &mut complaints);
    words::check(&texts, &mut complaints);
    for path in rust_files(&root())? {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        sources::file_head(&name, &text, &mut complaints);
        sources::citations(&name, &text, &mut complaints);
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

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = ["crates", "xtask", "examples", "fuzz/fuzz_targets"]
        .map(|name| folder.join(name))
        .into();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

//! House rules that no compiler checks: arrows between crates, file heads, citations, door pages, bans.

use crate::root;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use testudo_protocol::drafts::SPECIFICATIONS;

/// Who may depend on whom among our own crates (style.md §1). `fetch` is ours: docs/decisions/0002.
const ARROWS: &[(&str, &[&str])] = &[
    ("testudo-protocol", &[]),
    ("testudo-core", &["testudo-protocol"]),
    ("testudo-store", &["testudo-core", "testudo-protocol"]),
    ("testudo-fetch", &[]),
    (
        "testudo-server",
        &[
            "testudo-core",
            "testudo-fetch",
            "testudo-protocol",
            "testudo-store",
        ],
    ),
    ("testudo-client", &["testudo-fetch", "testudo-protocol"]),
    ("testudo-resource", &["testudo-fetch", "testudo-protocol"]),
    ("testudo-testkit", &["testudo-protocol"]),
    // The binary holds `dev`, which has an issuer of its own, and the workload's side.
    (
        "testudo",
        &[
            "testudo-client",
            "testudo-core",
            "testudo-fetch",
            "testudo-protocol",
            "testudo-resource",
            "testudo-server",
            "testudo-testkit",
        ],
    ),
];

/// Crates that must not be compiled (dependencies.md §2). `ring` is named in the lock file by options nobody
/// enables; `deny.toml` and `cargo tree` speak of what is really built.
const BANNED: &[&str] = &[
    "openssl",
    "openssl-sys",
    "native-tls",
    "reqwest",
    "sqlx",
    "serde_yaml",
    "rustls-pemfile",
];

pub fn run() -> Result<(), String> {
    let mut complaints = Vec::new();
    arrows(&mut complaints)?;
    bans(&mut complaints)?;
    door_pages(&mut complaints)?;
    for path in rust_files(&root())? {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        file_head(&name, &text, &mut complaints);
        citations(&name, &text, &mut complaints);
    }
    if complaints.is_empty() {
        return Ok(());
    }
    Err(format!("tidy:\n{}", complaints.join("\n")))
}

fn arrows(complaints: &mut Vec<String>) -> Result<(), String> {
    for (name, allowed) in ARROWS {
        let path = root().join("crates").join(name).join("Cargo.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let dependencies = text.split("[dependencies]").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        for line in dependencies.lines().filter(|line| line.starts_with("testudo-")) {
            let dependency = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if !allowed.contains(&dependency) {
                complaints.push(format!("{name} must not depend on {dependency} (style.md §1)"));
            }
        }
    }
    Ok(())
}

fn bans(complaints: &mut Vec<String>) -> Result<(), String> {
    let path = root().join("Cargo.lock");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    for banned in BANNED {
        if text.contains(&format!("name = \"{banned}\"\n")) {
            complaints.push(format!(
                "Cargo.lock names {banned}, which is banned (dependencies.md §2)"
            ));
        }
    }
    Ok(())
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

/// Every module opens with `//!`: what it decides, and what it leaves to others.
fn file_head(name: &str, text: &str, complaints: &mut Vec<String>) {
    if !text.starts_with("//!") && !text.starts_with("#![no_main]") {
        complaints.push(format!("{name} does not open with //!"));
    }
    for (number, line) in text.lines().enumerate() {
        let is_marked = ["TO", "DO"].concat();
        if line.contains(&format!("{is_marked}:")) || line.contains(&format!("// {is_marked}")) {
            complaints.push(format!(
                "{name}:{} has an open end without an issue number",
                number + 1
            ));
        }
    }
}

/// `[RFC6749 §3]` cites a specification that `drafts.rs` knows.
fn citations(name: &str, text: &str, complaints: &mut Vec<String>) {
    for (number, line) in text.lines().enumerate() {
        let Some(comment) = line.find("//").and_then(|at| line.get(at..)) else {
            continue;
        };
        for piece in comment.split('[').skip(1) {
            let Some((cited, _)) = piece.split_once(']') else {
                continue;
            };
            let Some((short_name, _)) = cited.split_once(" §") else {
                continue;
            };
            let is_document = short_name.starts_with('`');
            if !is_document && !SPECIFICATIONS.iter().any(|known| known.short_name == short_name) {
                complaints.push(format!(
                    "{name}:{} cites {short_name}, which drafts.rs does not know",
                    number + 1
                ));
            }
        }
    }
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

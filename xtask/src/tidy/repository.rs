//! Reads the files of the repository, for the checks of texts and references.

use std::collections::BTreeSet;
use std::path::Path;

/// Folders with built or downloaded files instead of sources.
const NOT_SOURCE: &[&str] = &[".git", "target", "corpus", "artifacts", "node_modules"];

/// Names of files and folders, relative to the root, with `/` between the parts.
pub struct Repository {
    pub files: BTreeSet<String>,
    pub folders: BTreeSet<String>,
}

/// A file that people read, with its text.
pub struct Text {
    pub name: String,
    pub text: String,
}

impl Text {
    /// True for a source file of one of these crates that is no test.
    pub fn is_code_of(&self, crates: &[&str]) -> bool {
        let name = &self.name;
        let is_of_crate = |known: &&str| name.starts_with(&format!("crates/{known}/src/"));
        let is_test = name.ends_with("/tests.rs") || name.contains("/tests/");
        name.ends_with(".rs") && crates.iter().any(is_of_crate) && !is_test
    }
}

impl Repository {
    pub fn read(root: &Path) -> Result<Self, String> {
        let mut found = Self {
            files: BTreeSet::new(),
            folders: BTreeSet::new(),
        };
        found.walk(root, "")?;
        Ok(found)
    }

    /// Sources, documents, settings, scripts, and everything that is deployed, without the lock files.
    pub fn texts(&self, root: &Path) -> Result<Vec<Text>, String> {
        self.files
            .iter()
            .filter(|name| {
                let endings = [
                    ".rs", ".md", ".toml", ".sql", ".yml", ".yaml", ".sh", ".tpl", ".html",
                ];
                let folders = [".ci/", "deploy/", "docs/reference/"];
                endings.iter().any(|ending| name.ends_with(ending))
                    || folders.iter().any(|folder| name.starts_with(folder))
            })
            .map(|name| {
                let text =
                    std::fs::read_to_string(root.join(name)).map_err(|error| format!("{name}: {error}"))?;
                Ok(Text {
                    name: name.clone(),
                    text,
                })
            })
            .collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.files.contains(name) || self.folders.contains(name)
    }

    /// True if the path of a file or folder ends with these parts, as `crates/testudo-server/src/http/routes.rs` ends
    /// with `http/routes.rs`.
    pub fn has_end(&self, end: &str) -> bool {
        let end = format!("/{end}");
        self.has(&end[1..])
            || self
                .files
                .iter()
                .chain(&self.folders)
                .any(|name| name.ends_with(&end))
    }

    fn walk(&mut self, root: &Path, below: &str) -> Result<(), String> {
        let folder = root.join(below);
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let entry = entry.map_err(|error| format!("{}: {error}", folder.display()))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if NOT_SOURCE.contains(&name.as_str()) {
                continue;
            }
            let path = if below.is_empty() {
                name
            } else {
                format!("{below}/{name}")
            };
            if entry.path().is_dir() {
                self.folders.insert(path.clone());
                self.walk(root, &path)?;
            } else {
                self.files.insert(path);
            }
        }
        Ok(())
    }
}

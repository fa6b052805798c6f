//! `include`: files with rules, trust domains, issuers and clients, beside the main file.
//!
//! Patterns are relative to the folder of the main file, as are all paths of a configuration, also those in included
//! files: so an entry means the same in each file. The entries of included files follow those of the main file, in the
//! byte order of the paths.

use super::file_fault::{FileFault, cannot_read, is_folder};
use super::locations::{Location, Locations, Source};
use super::parse::parse;
use super::problem::{Problem, Report};
use super::spelling::closest;
use glob::{MatchOptions, Pattern};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The keys that an included file may contain.
pub(super) const LISTS: &[&str] = &["rules", "trust_domains", "issuers", "clients"];

/// The maximum number of included files. Each is read every two seconds if the files are watched.
const FILES_MAX: usize = 1_000;
/// The maximum size of all files of a configuration together, in bytes. They are in memory as text, as values and
/// compiled.
pub(super) const BYTES_MAX: u64 = 16 << 20;

/// A file that a pattern names.
pub(super) struct Included {
    /// The number of the pattern in `include`.
    pattern: usize,
    path: PathBuf,
    /// The text of the file, or why it cannot be read.
    text: Result<String, FileFault>,
}

/// The files that match the patterns, in byte order of the paths, and the problems of patterns, by number.
#[derive(Default)]
pub(super) struct Found {
    pub(super) files: Vec<Included>,
    errors: Vec<(usize, String)>,
    warnings: Vec<(usize, String)>,
}

/// The patterns of a main file.
pub(super) fn patterns(table: &Table) -> Vec<String> {
    let patterns = table.get("include").and_then(Value::as_array);
    let texts = patterns.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// Reads a text of at most `bytes_left` bytes and subtracts its size.
fn text_of(path: &Path, bytes_left: &mut u64) -> Result<String, FileFault> {
    let cannot = |error: std::io::Error| cannot_read(&error);
    let kind = path.metadata().map_err(cannot)?;
    if kind.is_dir() {
        return Err(is_folder());
    }
    // Reading a named pipe could wait without end.
    if !kind.is_file() {
        return Err(FileFault {
            problem: "is a pipe, a socket or a device".to_owned(),
            hint: "name a regular file",
        });
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    file.take(*bytes_left + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    *bytes_left = bytes_left
        .checked_sub(bytes.len() as u64)
        .ok_or_else(|| FileFault {
            problem: format!(
                "is too large: all files together may have {} MiB",
                BYTES_MAX >> 20
            ),
            hint: "use patterns instead of one rule for each workload",
        })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default()).into_owned();
        FileFault {
            problem: format!(
                "is not UTF-8: the first wrong byte is in line {}",
                text.matches('\n').count() + 1
            ),
            hint: "save the file in the encoding UTF-8",
        }
    })
}

/// The text of the main file, and how many bytes are left for the included files.
pub(super) fn main_text(path: &Path) -> Result<(String, u64), FileFault> {
    let mut bytes_left = BYTES_MAX;
    Ok((text_of(path, &mut bytes_left)?, bytes_left))
}

/// Finds and reads the files that match the patterns.
pub(super) fn look(main: &Path, patterns: &[String], mut bytes_left: u64) -> Found {
    let mut found = Found::default();
    let folder = main.parent().unwrap_or(Path::new(""));
    let folder = PathBuf::from(Pattern::escape(&folder.to_string_lossy()));
    let main = main.canonicalize().ok();
    // Ordered by the bytes of the path, which is the order of the rules. `PathBuf` has another order.
    let mut paths: BTreeMap<Vec<u8>, (usize, PathBuf)> = BTreeMap::new();
    for (number, pattern) in patterns.iter().enumerate() {
        // The search would read a whole tree of folders every two seconds.
        if pattern.contains("**") {
            found
                .errors
                .push((number, format!("{pattern:?} contains **: name each folder")));
            continue;
        }
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: true,
        };
        let matches = match glob::glob_with(&folder.join(pattern).to_string_lossy(), options) {
            Ok(matches) => matches,
            Err(error) => {
                found
                    .errors
                    .push((number, format!("{pattern:?} is not a pattern: {}", error.msg)));
                continue;
            }
        };
        let mut is_empty = true;
        for path in matches.take(FILES_MAX + 1) {
            is_empty = false;
            match path {
                Ok(path) if main.is_some() && path.canonicalize().ok() == main => {
                    let problem = format!("{pattern:?} names the configuration file itself");
                    found.errors.push((number, problem));
                }
                Ok(path) => {
                    let bytes = path.as_os_str().as_bytes().to_vec();
                    paths.entry(bytes).or_insert((number, path));
                }
                Err(error) => {
                    let problem = format!("{} cannot be read: {}", error.path().display(), error.error());
                    found.errors.push((number, problem));
                }
            }
        }
        if is_empty {
            match pattern.contains(['*', '?', '[']) {
                true => found
                    .warnings
                    .push((number, format!("{pattern:?} matches no file"))),
                false => found.errors.push((number, format!("{pattern:?} does not exist"))),
            }
        }
        if paths.len() > FILES_MAX {
            let problem = format!("{pattern:?} matches more than {FILES_MAX} files");
            found.errors.push((number, problem));
            return found;
        }
    }
    let read = |(pattern, path): (usize, PathBuf)| Included {
        text: text_of(&path, &mut bytes_left),
        pattern,
        path,
    };
    found.files = paths.into_values().map(read).collect();
    found
}

impl Found {
    /// Adds the names and texts of these files, or why they cannot be read, so that any change gives another digest.
    pub(super) fn hash_into(&self, bytes: &mut Vec<u8>) {
        let digest = |text: &str| testudo_protocol::jose::sha256(text.as_bytes());
        for Included { path, text, .. } in &self.files {
            bytes.extend(digest(&path.to_string_lossy()));
            let (Ok(text) | Err(FileFault { problem: text, .. })) = text;
            bytes.extend(digest(text));
        }
    }

    /// Appends the entries of the files to those of the main file.
    pub(super) fn append_to(self, table: &mut Table, report: &mut Report) {
        for (number, problem) in self.errors {
            report.error(format!("include[{number}]"), problem, None);
            note_unread(report);
        }
        for (number, problem) in self.warnings {
            report.warn(format!("include[{number}]"), problem, None);
        }
        for Included { pattern, path, text } in self.files {
            let name = path.display().to_string();
            match text {
                Ok(text) => append(Source { name, text }, table, report),
                Err(FileFault { problem, hint }) => {
                    let key = format!("include[{pattern}]");
                    report.refuse(key, format!("{name} {problem}"), Some(hint));
                    note_unread(report);
                }
            }
        }
    }
}

/// Notes that a file could not be read, so that no entry is reported as missing: it may be in that file.
fn note_unread(report: &mut Report) {
    LISTS.iter().for_each(|list| report.note_unread(list));
}

fn append(source: Source, table: &mut Table, report: &mut Report) {
    let name = source.name.clone();
    let Some((included, mut root)) = parse(source, report) else {
        note_unread(report);
        return;
    };
    let locations = Locations::new(&name, root.clone());
    for (key, value) in included {
        let wrong = |problem: String, hint: Option<String>, is_about_key: bool| {
            let place = locations.find(&key, is_about_key).place;
            let place = place.unwrap_or_else(|| Location::file(&name));
            Problem::error(&key, problem, hint).at(place)
        };
        if key == "include" {
            let hint = "name the file in the `include` of the configuration file".to_owned();
            let problem =
                "cannot be in an included file: only the configuration file can include others".to_owned();
            report.problems.push(wrong(problem, Some(hint), true));
            continue;
        }
        if !LISTS.contains(&key.as_str()) {
            let hint = match closest(&key, LISTS) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!(
                    "an included file can contain {} only; write the rest in the configuration file",
                    LISTS.join(", ")
                ),
            };
            let problem = "cannot be in an included file".to_owned();
            report.problems.push(wrong(problem, Some(hint), true));
            continue;
        }
        let (Value::Array(entries), Some(node)) = (value, root.take(&key)) else {
            let problem = wrong(
                "cannot be read: it is not a list of tables".to_owned(),
                None,
                false,
            );
            report.problems.push(Problem {
                expected: super::forms::form(&key),
                ..problem
            });
            report.note_unread(&key);
            continue;
        };
        let all = table
            .entry(key.clone())
            .or_insert_with(|| Value::Array(Vec::new()));
        // If the value in the main file is not a list, the problem is reported for the main file.
        if let Value::Array(all) = all {
            all.extend(entries);
            report.locations.append(&key, node);
        }
    }
}

//! Reads the sections from the text and reports every unknown key and wrong type, not only the first.
//!
//! serde stops at the first error. So the key with the error is reported and removed, and the text is read again, until
//! there is no error. Each round removes a key, so the loop ends.

use super::include;
use super::locations::{Locations, Source};
use super::overlay::Overlay;
use super::parse::parse;
use super::problem::Report;
use super::sections::ConfigFile;
use super::spelling::closest;
use super::written::Written;
use serde_path_to_error::Segment;
use std::path::Path;
use testudo_protocol::jose::sha256;
use toml::{Table, Value};

/// The maximum number of rounds. Of a file with more errors, the rest is reported when these are corrected.
const PROBLEMS_MAX: usize = 200;

/// The sections of the whole configuration: main file, environment variables, included files.
pub(super) fn read(
    main: &Path,
    text: &str,
    overlay: &Overlay,
    report: &mut Report,
) -> Option<(ConfigFile, Written)> {
    let name = main.display().to_string();
    let source = Source {
        name: name.clone(),
        text: text.to_owned(),
    };
    let (mut table, root) = parse(source, report)?;
    *report.locations = Locations::new(&name, root);
    overlay.apply(&mut table, report);
    let bytes_left = include::BYTES_MAX.saturating_sub(text.len() as u64);
    let found = include::look(main, &include::patterns(&table), bytes_left);
    let digest = digest_of(text, &found);
    found.append_to(&mut table, report);
    let written = Written::of(&table, main.parent().unwrap_or(Path::new(".")), digest);
    Some((sections(Value::Table(table), report)?, written))
}

/// SHA-256 of the files of a configuration, as they are now; of an empty text if the main file cannot be read.
pub(super) fn digest(main: &Path, overlay: &Overlay) -> [u8; 32] {
    let Ok((text, bytes_left)) = include::main_text(main) else {
        return sha256(b"");
    };
    let mut table = Table::new();
    // To parse a large file takes milliseconds, and this function is called every two seconds.
    if text.contains("include") {
        table = text.parse().unwrap_or_default();
    }
    overlay.apply(&mut table, &mut Report::default());
    let found = include::look(main, &include::patterns(&table), bytes_left);
    digest_of(&text, &found)
}

/// Without included files, it is the digest of the main file.
fn digest_of(main: &str, found: &include::Found) -> [u8; 32] {
    let digest = sha256(main.as_bytes());
    if found.files.is_empty() {
        return digest;
    }
    let mut bytes = digest.to_vec();
    found.hash_into(&mut bytes);
    sha256(&bytes)
}

fn sections(mut value: Value, report: &mut Report) -> Option<ConfigFile> {
    for _ in 0..PROBLEMS_MAX {
        let error = match serde_path_to_error::deserialize::<_, ConfigFile>(value.clone()) {
            Ok(file) => return Some(file),
            Err(error) => error,
        };
        let message = error.inner().message();
        let mut path: Vec<Segment> = error.path().iter().cloned().collect();
        let expected = message
            .split_once(", expected ")
            .map_or("", |(_, expected)| expected);
        let unknown = message
            .strip_prefix("unknown field `")
            .and_then(|rest| rest.split('`').next());
        if let Some(name) = unknown {
            let is_last = matches!(path.last(), Some(Segment::Map { key }) if key == name);
            if !is_last {
                path.push(Segment::Map { key: name.to_owned() });
            }
        }
        let key = path_text(&path);
        match unknown {
            Some(name) => {
                let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
                match closest(name, &known) {
                    Some(meant) => report.unknown(&key, Some(meant), &format!("did you mean `{meant}`?")),
                    None => report.unknown(&key, None, &format!("known keys here: {}", known.join(", "))),
                }
            }
            None => {
                let problem = match at(&value, &path) {
                    // The message of the parser is not used, because it contains the value, which may be a secret.
                    Some(value) if message.starts_with("invalid type") => {
                        format!("cannot be read: it is {}", a_value_of(value))
                    }
                    _ if message.starts_with("invalid value") => {
                        "cannot be read: it is out of range".to_owned()
                    }
                    _ if message.starts_with("unknown variant") => {
                        "cannot be read: it is not one of the known values".to_owned()
                    }
                    _ => format!("cannot be read: {message}"),
                };
                report.unreadable(&key, problem, expected.to_owned());
            }
        }
        if !remove(&mut value, &mut report.locations, &path) {
            return None;
        }
    }
    None
}

fn a_value_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

fn at<'v>(root: &'v Value, path: &[Segment]) -> Option<&'v Value> {
    path.iter().try_fold(root, |value, segment| match segment {
        Segment::Map { key } | Segment::Enum { variant: key } => value.get(key.as_str()),
        Segment::Seq { index } => value.get(*index),
        Segment::Unknown => None,
    })
}

/// `trust_domains[0].bundle.url`.
fn path_text(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Segment::Unknown => text.push_str(".?"),
        }
    }
    if text.is_empty() {
        "the file".to_owned()
    } else {
        text
    }
}

/// Removes the value at `path`, or its parent if that is not possible.
fn remove(root: &mut Value, locations: &mut Locations, path: &[Segment]) -> bool {
    let Some((last, parents)) = path.split_last() else {
        return false;
    };
    let mut value = &mut *root;
    for segment in parents {
        let next = match segment {
            Segment::Map { key } | Segment::Enum { variant: key } => value.get_mut(key.as_str()),
            Segment::Seq { index } => value.get_mut(*index),
            Segment::Unknown => None,
        };
        match next {
            Some(next) => value = next,
            None => return remove(root, locations, parents),
        }
    }
    let is_removed = match (last, &mut *value) {
        (Segment::Map { key } | Segment::Enum { variant: key }, Value::Table(table)) => {
            table.remove(key).is_some()
        }
        (Segment::Seq { index }, Value::Array(array)) if *index < array.len() => {
            array.remove(*index);
            true
        }
        _ => false,
    };
    if !is_removed {
        return remove(root, locations, parents);
    }
    locations.remove(parents, last);
    true
}

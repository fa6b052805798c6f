//! From text to sections, with every unknown key and wrong type reported, not only the first.
//!
//! The sections are plain serde structs, which stop at the first error. So: read, note the error and where it
//! is, take that key out, read again, until it reads. Each round removes a key, hence it ends.

use super::places::{Node, Place, Places, Source};
use super::problem::{Problem, Report};
use super::sections::ConfigFile;
use serde_path_to_error::Segment;
use std::sync::Arc;
use toml::Value;
use toml::de::DeTable;

/// Rounds at most; a file with more mistakes than this gets them in portions.
const PROBLEMS_MAX: usize = 200;

pub(super) fn read(name: &str, text: &str, report: &mut Report) -> Option<ConfigFile> {
    let value = Value::Table(parse(name, text, report)?);
    sections(value, report)
}

/// The TOML of one file, and where everything in it stands.
fn parse(name: &str, text: &str, report: &mut Report) -> Option<toml::Table> {
    let (spanned, errors) = DeTable::parse_recoverable(text);
    let mut lines = Vec::new();
    for error in errors {
        let byte = error.span().map_or(0, |span| span.start);
        let place = Place::within(name, text, byte);
        // What follows in the same line follows from the first mistake.
        if lines.contains(&place.line) || lines.len() == SYNTAX_ERRORS_MAX {
            continue;
        }
        lines.push(place.line);
        let problem = format!("is not TOML: {}", error.message());
        report
            .problems
            .push(Problem::error("the file", problem, None).at(place));
    }
    if !lines.is_empty() {
        return None;
    }
    let source = Arc::new(Source {
        name: name.to_owned(),
        text: text.to_owned(),
    });
    *report.places = Places::new(name, Node::of_file(&source, spanned.get_ref()));
    text.parse().ok()
}

/// Mistakes of syntax at most: after some, the parser guesses.
const SYNTAX_ERRORS_MAX: usize = 20;

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
                    // Not in the parser's words: they repeat the value, which may be a secret.
                    Some(value) if message.starts_with("invalid type") => {
                        format!("cannot be read: it is {}", a_value_of(value))
                    }
                    _ if message.starts_with("invalid value") => {
                        "cannot be read: it is out of range".to_owned()
                    }
                    _ if message.starts_with("unknown variant") => {
                        "cannot be read: it is none of the known values".to_owned()
                    }
                    _ => format!("cannot be read: {message}"),
                };
                report.unreadable(&key, problem, expected.to_owned());
            }
        }
        if !remove(&mut value, &mut report.places, &path) {
            return None;
        }
    }
    None
}

fn a_value_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
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

/// Takes the value at `path` out; where that is not possible, its parent.
fn remove(root: &mut Value, places: &mut Places, path: &[Segment]) -> bool {
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
            None => return remove(root, places, parents),
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
        return remove(root, places, parents);
    }
    places.remove(parents, last);
    true
}

/// The known key that differs least, if it is alike.
fn closest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let (distance, key) = known.iter().map(|key| (distance(name, key), *key)).min()?;
    (distance <= 2 + name.len() / 5).then_some(key)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let next = (diagonal + usize::from(x != *y)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = next;
            left = next;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

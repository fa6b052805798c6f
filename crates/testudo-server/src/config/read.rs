//! From text to sections, with every unknown key and wrong type reported, not only the first.
//!
//! The sections are plain serde structs, which stop at the first error. So: read, note the error and where it
//! is, take that key out, read again, until it reads. Each round removes a key, hence it ends.

use super::problem::Report;
use super::sections::ConfigFile;
use serde_path_to_error::Segment;
use toml::Value;

/// Rounds at most; a file with more mistakes than this gets them in portions.
const PROBLEMS_MAX: usize = 200;

pub(super) fn read(text: &str, report: &mut Report) -> Option<ConfigFile> {
    let mut value = match text.parse::<toml::Table>() {
        Ok(table) => Value::Table(table),
        Err(error) => {
            let at = error.span().map_or_else(String::new, |span| {
                let line = text.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
                format!(" (line {line})")
            });
            report.error("the file", format!("is not TOML: {}{at}", error.message()), None);
            return None;
        }
    };
    for _ in 0..PROBLEMS_MAX {
        let error = match serde_path_to_error::deserialize::<_, ConfigFile>(value.clone()) {
            Ok(file) => return Some(file),
            Err(error) => error,
        };
        let message = error.inner().message().to_owned();
        let mut path: Vec<Segment> = error.path().iter().cloned().collect();
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
                let expected = message
                    .split_once(", expected ")
                    .map_or("", |(_, expected)| expected);
                report.error(&key, "is not a known key", Some(&closest(name, expected)));
            }
            None => report.error(&key, format!("cannot be read: {message}"), None),
        }
        if !remove(&mut value, &path) {
            return None;
        }
    }
    None
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
fn remove(root: &mut Value, path: &[Segment]) -> bool {
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
            None => return remove(root, parents),
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
    is_removed || remove(root, parents)
}

/// "did you mean" for the known key that differs least, else the list of known keys.
fn closest(name: &str, expected: &str) -> String {
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let best = known.iter().map(|key| (distance(name, key), key)).min();
    match best {
        Some((distance, key)) if distance <= 2 + name.len() / 5 => format!("did you mean `{key}`?"),
        _ => format!("known keys here: {}", known.join(", ")),
    }
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

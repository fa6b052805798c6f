//! Parses the TOML of one file: its values and their locations.

use super::locations::{Location, Node, Source};
use super::problem::{Problem, Report};
use std::sync::Arc;
use toml::Table;
use toml::de::DeTable;

/// The values of one file, and their locations.
pub(super) fn parse(source: Source, report: &mut Report) -> Option<(Table, Node)> {
    let source = Arc::new(source);
    let (spanned, errors) = DeTable::parse_recoverable(&source.text);
    let mut lines = Vec::new();
    for error in errors {
        let byte = error.span().map_or(0, |span| span.start);
        let place = Location::within(&source.name, &source.text, byte);
        // Further errors in the same line follow from the first one.
        if lines.contains(&place.line) || lines.len() == SYNTAX_ERRORS_MAX {
            continue;
        }
        lines.push(place.line);
        report.problems.push(syntax_error(&source.text, &error).at(place));
    }
    if !lines.is_empty() {
        return None;
    }
    let table = source.text.parse().ok()?;
    Some((table, Node::of_file(&source, spanned.get_ref())))
}

/// The text of the parser, or for a key that is there twice its name and the remedy.
fn syntax_error(text: &str, error: &toml::de::Error) -> Problem {
    let key = error.span().and_then(|span| text.get(span)).unwrap_or_default();
    if error.message() != "duplicate key" || key.is_empty() {
        return Problem::error("the file", format!("is not TOML: {}", error.message()), None);
    }
    let hint = format!("write all of `{key}` in one place, and remove the other");
    let problem = format!("contains the key `{key}` twice");
    Problem::error("the file", problem, Some(hint))
}

/// The maximum number of syntax errors that are reported. After several, the errors of the parser are not reliable.
const SYNTAX_ERRORS_MAX: usize = 20;

//! The TOML of one file: its values, and where each of them stands.

use super::places::{Node, Place, Source};
use super::problem::{Problem, Report};
use std::sync::Arc;
use toml::Table;
use toml::de::DeTable;

/// The TOML of one file, and where everything in it stands.
pub(super) fn parse(source: Source, report: &mut Report) -> Option<(Table, Node)> {
    let source = Arc::new(source);
    let (spanned, errors) = DeTable::parse_recoverable(&source.text);
    let mut lines = Vec::new();
    for error in errors {
        let byte = error.span().map_or(0, |span| span.start);
        let place = Place::within(&source.name, &source.text, byte);
        // What follows in the same line follows from the first mistake.
        if lines.contains(&place.line) || lines.len() == SYNTAX_ERRORS_MAX {
            continue;
        }
        lines.push(place.line);
        let problem = format!("is not TOML: {}", error.message());
        let problem = Problem::error("the file", problem, None);
        report.problems.push(problem.at(place));
    }
    if !lines.is_empty() {
        return None;
    }
    let table = source.text.parse().ok()?;
    Some((table, Node::of_file(&source, spanned.get_ref())))
}

/// Mistakes of syntax at most: after some, the parser guesses.
const SYNTAX_ERRORS_MAX: usize = 20;

//! Checks of every source file: a head comment, its length, no TODO without an issue number, and citations of known
//! specifications.

use testudo_protocol::specifications::Specification;

/// Lines of a source file, tests included: what a reader can keep in mind, and a review can show.
const LINES_MAX: usize = 500;

/// Complains about a file below a folder `src` that is too long.
pub fn length(name: &str, text: &str, complaints: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > LINES_MAX && name.split('/').any(|folder| folder == "src") {
        complaints.push(format!(
            "{name} has {lines} lines, at most {LINES_MAX} are allowed: move one idea into a file of its own"
        ));
    }
}

/// Every source file must begin with a doc comment (`//!`), and a TODO must have an issue number.
pub fn file_head(name: &str, text: &str, complaints: &mut Vec<String>) {
    if !text.starts_with("//!") && !text.starts_with("#![no_main]") {
        complaints.push(format!("{name} does not begin with a doc comment (//!)"));
    }
    for (number, line) in text.lines().enumerate() {
        let is_marked = ["TO", "DO"].concat();
        if line.contains(&format!("{is_marked}:")) || line.contains(&format!("// {is_marked}")) {
            complaints.push(format!(
                "{name}:{} has a TODO without an issue number",
                number + 1
            ));
        }
    }
}

/// A citation such as `[RFC6749 §3]` must name a specification that is in `specifications.rs`.
pub fn citations(name: &str, text: &str, complaints: &mut Vec<String>) {
    for (number, line) in text.lines().enumerate() {
        for cited in bracketed(line) {
            let Some((short_name, _)) = cited.split_once(" §") else {
                continue;
            };
            let is_document = short_name.starts_with('`');
            if !is_document && Specification::named(short_name).is_none() {
                complaints.push(format!(
                    "{name}:{} cites {short_name}, which is not in specifications.rs",
                    number + 1
                ));
            }
        }
    }
}

/// Short names of the specifications that a line of source cites, with or without a section.
pub fn cited_in(line: &str) -> impl Iterator<Item = &str> {
    bracketed(line).map(|cited| cited.split_once(" §").map_or(cited, |(short_name, _)| short_name))
}

/// The texts in square brackets in the comment of a line.
fn bracketed(line: &str) -> impl Iterator<Item = &str> {
    let comment = line.find("//").and_then(|at| line.get(at..));
    let pieces = comment.unwrap_or_default().split('[').skip(1);
    pieces.filter_map(|piece| Some(piece.split_once(']')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_file_with_a_line_more_than_allowed_is_a_complaint_tests_too() {
        let complaints = |name: &str, lines: usize| {
            let mut complaints = Vec::new();
            length(name, &"x\n".repeat(lines), &mut complaints);
            complaints
        };
        for name in [
            "crates/x/src/lib.rs",
            "crates/x/src/a/tests.rs",
            "xtask/src/main.rs",
        ] {
            assert!(complaints(name, LINES_MAX).is_empty(), "{name}");
            let found = complaints(name, LINES_MAX + 1);
            assert!(
                found.len() == 1 && found[0].starts_with(&format!("{name} has 501 lines")),
                "{found:?}"
            );
        }
        assert!(complaints("crates/x/tests/suite/main.rs", LINES_MAX + 1).is_empty());
    }
}

//! The width of the terminal, and how text is broken into lines.

use terminal_size::{Width, terminal_size_of};
use testudo_protocol::printable::escape;
use unicode_width::UnicodeWidthStr as _;

/// In a narrower terminal, lines are not broken: broken lines would not be easier to read.
const COLUMNS_MIN: usize = 20;

/// Columns of a line: the value of `COLUMNS`, else the width of the terminal on stdout. None where stdout is a file or a
/// pipe: lines that a program reads are never broken.
pub(super) fn columns() -> Option<usize> {
    let given = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let columns = given.or_else(|| {
        let (Width(columns), _) = terminal_size_of(std::io::stdout())?;
        Some(usize::from(columns))
    });
    columns.filter(|columns| *columns >= COLUMNS_MIN)
}

/// A text, broken into lines that fit the terminal; all lines after the first are indented.
pub(super) fn prose(text: &str) -> Vec<String> {
    let room = columns().map_or(usize::MAX, |columns| columns - INDENT.len());
    let mut lines = wrap(&escape(text, &[]), room);
    for line in lines.iter_mut().skip(1) {
        line.insert_str(0, INDENT);
    }
    lines
}

const INDENT: &str = "  ";

/// Breaks a text between words. A word that is longer than a line is not broken: it is an id or a URL that is copied.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    if text.width() <= room {
        return vec![text.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_words_are_not_broken() {
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap("one two three", usize::MAX), ["one two three"]);
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(
            wrap("see spiffe://prod.example/x for it", 12),
            ["see", "spiffe://prod.example/x", "for it"]
        );
    }
}

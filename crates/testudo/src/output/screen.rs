//! How much room a line has.

use terminal_size::{Width, terminal_size_of};
use testudo_protocol::printable::escape;
use unicode_width::UnicodeWidthStr as _;

/// With fewer columns than that, nothing is gained by breaking lines.
const COLUMNS_MIN: usize = 20;

/// Columns that a person sees: what `COLUMNS` says, else those of the terminal on stdout. None where a program reads
/// stdout, to which a line is a line however long it is.
pub(super) fn columns() -> Option<usize> {
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let columns = said.or_else(|| {
        let (Width(columns), _) = terminal_size_of(std::io::stdout())?;
        Some(usize::from(columns))
    });
    columns.filter(|columns| *columns >= COLUMNS_MIN)
}

/// A text on as many lines as the terminal needs, of which the later ones are indented.
pub(super) fn prose(text: &str) -> Vec<String> {
    let room = columns().map_or(usize::MAX, |columns| columns - INDENT.len());
    let mut lines = wrap(&escape(text, &[]), room);
    for line in lines.iter_mut().skip(1) {
        line.insert_str(0, INDENT);
    }
    lines
}

const INDENT: &str = "  ";

/// Breaks a text between words. A word that is longer than a line is left whole: it is an id or a URL, to be copied.
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
    fn text_is_broken_between_words_and_no_word_is() {
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

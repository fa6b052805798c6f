//! `cargo xtask citations NAME`: lists the lines that cite a specification, which must be checked when the
//! specification has a new revision.

use crate::root;
use crate::tidy::repository::{Repository, Text};
use crate::tidy::sources::cited_in;
use testudo_protocol::specifications::{SPECIFICATIONS, Specification};

/// Characters of a line that are shown.
const SHOWN_CHARS_MAX: usize = 160;

/// Prints the lines.
pub fn print(name: &str) -> Result<(), String> {
    let Some(specification) = Specification::named(name) else {
        let known: Vec<_> = SPECIFICATIONS.iter().map(|known| known.short_name).collect();
        return Err(format!(
            "{name} is not the short name of a specification; the short names are: {}",
            known.join(", ")
        ));
    };
    println!("{name}: {}, {}", specification.title, specification.url());
    let texts = Repository::read(&root())?.texts(&root())?;
    let lines: Vec<String> = texts.iter().flat_map(|text| lines(name, text)).collect();
    for line in &lines {
        println!("{line}");
    }
    println!("{} lines", lines.len());
    Ok(())
}

/// The lines of one file: citations in comments of sources, and mentions in documents, which write `RFC 7591` with a
/// space.
fn lines(name: &str, text: &Text) -> Vec<String> {
    let spelled = name.replacen("RFC", "RFC ", 1);
    let is_source = text.name.ends_with(".rs");
    let cites = |line: &str| {
        if is_source {
            return cited_in(line).any(|cited| cited == name);
        }
        text.name.ends_with(".md") && [name, spelled.as_str()].iter().any(|form| has_word(line, form))
    };
    text.text
        .lines()
        .enumerate()
        .filter(|(_, line)| cites(line))
        .map(|(number, line)| format!("{}:{}: {}", text.name, number + 1, beginning(line.trim())))
        .collect()
}

/// The beginning of a line, short enough for a terminal: in documents, a whole paragraph is one line.
fn beginning(line: &str) -> String {
    match line.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// True if a line has this word as a whole word: `RFC 759` is not found in `RFC 7591`.
fn has_word(line: &str, word: &str) -> bool {
    let is_part_of_word = |c: char| c.is_alphanumeric() || c == '-';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part_of_word) && !after.is_some_and(is_part_of_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, file: &str, text: &str) -> Vec<String> {
        let text = Text {
            name: file.to_owned(),
            text: text.to_owned(),
        };
        lines(name, &text)
    }

    #[test]
    fn each_line_that_cites_a_specification_is_listed_with_its_file_and_number() {
        let source =
            "//! The endpoint. [RFC7591 §3]\nlet x = 1; // [RFC7592 §2] and [RFC7591 §2]\n// RFC7591\n";
        assert_eq!(
            found("RFC7591", "a.rs", source),
            [
                "a.rs:1: //! The endpoint. [RFC7591 §3]",
                "a.rs:2: let x = 1; // [RFC7592 §2] and [RFC7591 §2]"
            ]
        );
        assert_eq!(found("RFC7592", "a.rs", source).len(), 1);
        // The head of a file may cite a whole document, without a section.
        assert_eq!(
            found("JWT-SVID", "a.rs", "//! As assertion. [JWT-SVID]\n").len(),
            1
        );
    }

    #[test]
    fn documents_are_searched_for_both_spellings() {
        let text = "| RFC 7591 §2.3 | x |\n| RFC7591 | y |\n| RFC 75910 | z |\n| SPIFFE-AUTH-02 | w |\n";
        assert_eq!(found("RFC7591", "docs/specs.md", text).len(), 2);
        assert_eq!(
            found("SPIFFE-AUTH", "docs/specs.md", "| SPIFFE-AUTH §3 |").len(),
            1
        );
    }

    #[test]
    fn unknown_short_name_is_refused_with_a_list_of_the_known_ones() {
        let why = print("RFC1").unwrap_err();
        assert!(why.contains("RFC1 is not") && why.contains("RFC7591"), "{why}");
    }
}

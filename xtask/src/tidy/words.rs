//! Words that leave out who acts. The reader's first language may be another one, and "nobody" or "whoever" cannot be
//! searched for: write client, administrator, sponsor, workload or caller.

use super::repository::Text;

/// Refused in sources and documents, in any case, as whole words.
const REFUSED: &[&str] = &["whoever", "somebody", "nobody", "knocks", "to and fro"];

/// This list names them.
const OWN_SOURCE: &str = "xtask/src/tidy/words.rs";

/// Complains about each line of a source or document that has one of these words.
pub fn check(texts: &[Text], complaints: &mut Vec<String>) {
    for text in texts.iter().filter(|text| is_read(&text.name)) {
        for (number, line) in text.text.lines().enumerate() {
            for word in words_in(line) {
                complaints.push(format!(
                    "{}:{} \"{word}\" leaves out who acts: name the client, administrator, sponsor or caller",
                    text.name,
                    number + 1
                ));
            }
        }
    }
}

fn is_read(name: &str) -> bool {
    name != OWN_SOURCE && (name.ends_with(".rs") || name.ends_with(".md"))
}

fn words_in(line: &str) -> Vec<&'static str> {
    let lower = line.to_lowercase();
    let is_part_of_word = |char: char| char.is_alphanumeric() || char == '_';
    REFUSED
        .iter()
        .flat_map(|word| lower.match_indices(word))
        .filter(|(at, word)| {
            !lower[..*at].ends_with(is_part_of_word) && !lower[at + word.len()..].starts_with(is_part_of_word)
        })
        .filter_map(|(_, word)| REFUSED.iter().find(|refused| **refused == word).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{OWN_SOURCE, Text, check, is_read, words_in};

    #[test]
    fn refused_words_are_found_as_whole_words_in_any_case() {
        assert_eq!(
            words_in("Whoever knocks, nobody hears."),
            ["whoever", "nobody", "knocks"]
        );
        assert_eq!(words_in("goes to and fro"), ["to and fro"]);
        assert!(words_in("fn for_whoever_is_not_approved() { nobodys() }").is_empty());
    }

    #[test]
    fn sources_and_documents_are_read_and_the_list_itself_is_not() {
        assert!(is_read("crates/testudo-core/src/lib.rs"));
        assert!(is_read("README.md"));
        assert!(!is_read("docs/reference/admin-api.json"));
        assert!(!is_read(OWN_SOURCE));
    }

    #[test]
    fn each_refused_word_is_a_complaint_with_its_file_and_line() {
        let texts = [Text {
            name: "docs/specs.md".to_owned(),
            text: "a client\nnobody\nsomebody".to_owned(),
        }];
        let mut complaints = Vec::new();
        check(&texts, &mut complaints);
        assert_eq!(complaints.len(), 2);
        assert!(
            complaints[0].contains("docs/specs.md:2 \"nobody\""),
            "{complaints:?}"
        );
        assert!(
            complaints[1].contains("docs/specs.md:3 \"somebody\""),
            "{complaints:?}"
        );
    }
}

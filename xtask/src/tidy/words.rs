//! Words that leave out who acts. The reader's first language may be another one, and "nobody" or "whoever" cannot be
//! searched for: write client, administrator, sponsor, workload or caller.

use super::repository::Text;
use std::collections::BTreeMap;

/// Refused in sources and documents, in any case, as whole words.
const REFUSED: &[&str] = &["whoever", "somebody", "nobody", "knocks", "to and fro"];

/// This list names them.
const OWN_SOURCE: &str = "xtask/src/tidy/words.rs";

/// How often they still stand in each part of the repository. These numbers may only become smaller; a part that is not
/// named has none.
const KNOWN: &[(&str, usize)] = &[("crates/testudo-core", 9)];

/// Complains about each part of the repository that has more of these words than are known.
pub fn check(texts: &[Text], complaints: &mut Vec<String>) {
    complaints.extend(refused(texts, KNOWN));
}

fn refused(texts: &[Text], known: &[(&str, usize)]) -> Vec<String> {
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for text in texts.iter().filter(|text| text.name != OWN_SOURCE) {
        if !text.name.ends_with(".rs") && !text.name.ends_with(".md") {
            continue;
        }
        for (number, line) in text.text.lines().enumerate() {
            for word in words_in(line) {
                found.entry(part_of(&text.name)).or_default().push(format!(
                    "  {}:{} \"{word}\"",
                    text.name,
                    number + 1
                ));
            }
        }
    }
    found
        .into_iter()
        .filter_map(|(part, places)| {
            let allowed = known
                .iter()
                .find(|(name, _)| *name == part)
                .map_or(0, |(_, count)| *count);
            (places.len() > allowed).then(|| {
                format!(
                    "{part}: {} words that leave out who acts, allowed are {allowed}. Name the client, administrator, \
                     sponsor or caller:\n{}",
                    places.len(),
                    places.join("\n")
                )
            })
        })
        .collect()
}

/// `crates/testudo-core`, `docs`, `README.md`: counted by part and not by file, so that a file may be moved.
fn part_of(name: &str) -> &str {
    let depth = if name.starts_with("crates/") { 2 } else { 1 };
    name.match_indices('/')
        .nth(depth - 1)
        .map_or(name, |(at, _)| &name[..at])
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
    use super::{Text, part_of, refused, words_in};

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
    fn files_are_counted_by_the_part_of_the_repository_that_holds_them() {
        assert_eq!(part_of("crates/testudo-core/src/lib.rs"), "crates/testudo-core");
        assert_eq!(part_of("docs/doors/README.md"), "docs");
        assert_eq!(part_of("README.md"), "README.md");
    }

    #[test]
    fn a_part_may_not_have_more_of_them_than_are_known() {
        let texts = [Text {
            name: "docs/specs.md".to_owned(),
            text: "nobody\nsomebody".to_owned(),
        }];
        assert!(refused(&texts, &[("docs", 2)]).is_empty());
        let complaints = refused(&texts, &[("docs", 1)]);
        assert_eq!(complaints.len(), 1);
        assert!(
            complaints[0].contains("docs/specs.md:2 \"somebody\""),
            "{complaints:?}"
        );
        assert_eq!(refused(&texts, &[]).len(), 1);
    }
}

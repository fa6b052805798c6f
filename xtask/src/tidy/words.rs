//! Words and phrases that a reader whose first language is not English may not understand: they do not name who acts
//! (client, administrator, sponsor, workload, caller, attacker), or they are pictures where the field has a term.

use super::repository::Text;

/// Refused in sources and documents, in any case, as whole words: each with what to write instead.
const REFUSED: &[(&str, &str)] = &[
    ("whoever", ACTOR),
    ("somebody", ACTOR),
    ("someone", ACTOR),
    ("nobody", ACTOR),
    ("stranger", CALLER),
    ("strangers", CALLER),
    ("thief", "write attacker"),
    ("knocks", VERB),
    ("to and fro", VERB),
    ("hung up", CLOSED),
    ("hangs up", CLOSED),
    (
        "waited in vain",
        "write that the deadline was exceeded, and what was expected",
    ),
    ("in silence", "write what is not reported"),
    ("lets in", "write admits or accepts"),
    ("let in again", "write unblocked, thawed or admitted again"),
    ("fail loudly", "write that an error panics"),
    ("fails loudly", "write that an error panics"),
    ("has a say", "write which rule, key or setting applies"),
    ("positive twin", "write the same case without the fault"),
    ("everybody", ACTOR),
    ("newcomer", "write new user or new administrator"),
    ("is told", TOLD),
    ("are told", TOLD),
    ("was told", TOLD),
    ("were told", TOLD),
    ("hears", TOLD),
    ("speak of", VERB),
    ("speaks of", VERB),
    ("talk to", SENDS),
    ("talks to", SENDS),
    ("knows nothing", "write what it does not depend on or contain"),
    ("comes of", "write causes or results from"),
    ("stands at", PLACE),
    ("stands on", PLACE),
    ("looks at", CHECKS),
    ("kept out", "write refused or blocked"),
    ("taken back", "write removed or undone"),
    ("left behind", "write not removed"),
    ("leaves behind", "write does not remove"),
    ("hands on", "write passes, sends or re-exports"),
    ("handed on", "write passed, sent or re-exported"),
    ("its like", "name the other members, files or requests"),
    ("their like", "name the other members, files or requests"),
    ("for real", "write with which real program, server or network"),
];

const ACTOR: &str = "name the client, administrator, sponsor or caller";
const CALLER: &str = "write unknown client, unauthenticated request or anonymous caller";
const CLOSED: &str = "write which side closed the connection";
const VERB: &str = "write what the request contains or what changes";
const TOLD: &str = "write notified, receives or reads, and by which message";
const SENDS: &str = "write connects to or sends requests to";
const PLACE: &str = "write is at, is in or is stored in";
const CHECKS: &str = "write checks, reads or compares";

/// This list names them.
const OWN_SOURCE: &str = "xtask/src/tidy/words.rs";

/// Complains about each line of a source or document that has one of these words.
pub fn check(texts: &[Text], complaints: &mut Vec<String>) {
    for text in texts.iter().filter(|text| is_read(&text.name)) {
        for (number, line) in text.text.lines().enumerate() {
            for (word, instead) in words_in(line) {
                complaints.push(format!("{}:{} \"{word}\": {instead}", text.name, number + 1));
            }
        }
    }
}

fn is_read(name: &str) -> bool {
    name != OWN_SOURCE && (name.ends_with(".rs") || name.ends_with(".md"))
}

fn words_in(line: &str) -> Vec<(&'static str, &'static str)> {
    let lower = line.to_lowercase();
    let is_part_of_word = |char: char| char.is_alphanumeric() || char == '_';
    REFUSED
        .iter()
        .filter(|(word, _)| {
            lower.match_indices(word).any(|(at, _)| {
                !lower[..at].ends_with(is_part_of_word)
                    && !lower[at + word.len()..].starts_with(is_part_of_word)
            })
        })
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{OWN_SOURCE, REFUSED, Text, check, is_read, words_in};

    #[test]
    fn refused_words_are_found_as_whole_words_in_any_case() {
        let found = |line| {
            words_in(line)
                .into_iter()
                .map(|(word, _)| word)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            found("Whoever knocks, nobody hears."),
            ["whoever", "nobody", "knocks", "hears"]
        );
        assert_eq!(found("goes to and fro"), ["to and fro"]);
        assert_eq!(found("a Stranger's key; strangers"), ["stranger", "strangers"]);
        assert!(words_in("fn for_whoever_is_not_approved() { nobodys() }").is_empty());
    }

    #[test]
    fn every_refused_word_is_found_and_has_a_replacement() {
        for (word, instead) in REFUSED {
            assert_eq!(words_in(&format!("x {word}.")), [(*word, *instead)], "{word}");
            assert!(
                instead.starts_with("write ") || instead.starts_with("name "),
                "{word}: {instead}"
            );
        }
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

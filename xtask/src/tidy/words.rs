//! Words and phrases that a reader whose first language is not English may not understand: they do not name who acts
//! (client, administrator, sponsor, workload, caller, attacker), or they are pictures where the field has a term.

use super::repository::Text;

/// Refused in all texts and names, in any case, as whole words: each with what to write instead. The parts of a name in
/// code are words too.
const REFUSED: &[(&str, &str)] = &[
    ("whoever", ACTOR),
    ("somebody", ACTOR),
    ("someone", ACTOR),
    ("nobody", ACTOR),
    ("stranger", CALLER),
    ("strangers", CALLER),
    ("thief", "write attacker"),
    ("knocks", SENDS),
    ("to and fro", "write in both directions"),
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
    ("anybody", ACTOR),
    ("keeps out", "write refuses or blocks"),
    ("newcomer", "write new user or new administrator"),
    ("is told", TOLD),
    ("are told", TOLD),
    ("was told", TOLD),
    ("were told", TOLD),
    ("hears", TOLD),
    ("speak of", CONTAINS),
    ("speaks of", CONTAINS),
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
const CONTAINS: &str = "write names, contains or describes, and what";
const TOLD: &str = "write notified, receives or reads, and by which message";
const SENDS: &str = "write connects to or sends requests to";
const PLACE: &str = "write is at, is in or is stored in";
const CHECKS: &str = "write checks, reads or compares";

/// This list names them.
const OWN_SOURCE: &str = "xtask/src/tidy/words.rs";

/// Complains about each line of a text that has one of these words.
pub fn check(texts: &[Text], complaints: &mut Vec<String>) {
    for text in texts.iter().filter(|text| text.name != OWN_SOURCE) {
        for (number, line) in text.text.lines().enumerate() {
            for (word, instead) in words_in(line) {
                complaints.push(format!("{}:{} \"{word}\": {instead}", text.name, number + 1));
            }
        }
    }
}

fn words_in(line: &str) -> Vec<(&'static str, &'static str)> {
    let lower = line.to_lowercase().replace('_', " ");
    REFUSED
        .iter()
        .filter(|(word, _)| {
            lower.match_indices(word).any(|(at, _)| {
                !lower[..at].ends_with(char::is_alphanumeric)
                    && !lower[at + word.len()..].starts_with(char::is_alphanumeric)
            })
        })
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{OWN_SOURCE, REFUSED, Text, check, words_in};
    use crate::scratch::Scratch;
    use crate::tidy::repository::Repository;

    #[test]
    fn refused_words_are_found_as_whole_words_in_any_case() {
        let found = |line| {
            words_in(line)
                .into_iter()
                .map(|(word, _)| word)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            found("The client Knocks, hears an answer and ends IN SILENCE."),
            ["knocks", "in silence", "hears"]
        );
        assert_eq!(found("bytes are sent to and fro"), ["to and fro"]);
        assert_eq!(
            found("a Stranger's key; requests of strangers"),
            ["stranger", "strangers"]
        );
        assert_eq!(found("fn rule_has_a_say() { is_told }"), ["has a say", "is told"]);
        assert!(words_in("fn f() { hearsay(overhears) }").is_empty());
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
    fn refused_word_is_found_in_every_kind_of_text_but_not_in_the_list_itself() {
        let names = [
            ".ci/run",
            "Cargo.toml",
            "README.md",
            "crates/x/src/001.sql",
            "crates/x/src/lib.rs",
            "deploy/Containerfile",
            "deploy/debian/postinst",
            "deploy/helm/testudo/templates/_helpers.tpl",
            "deploy/helm/testudo/values.yaml",
            "x.sh",
        ];
        let mut files: Vec<(&str, &str)> = names.iter().map(|name| (*name, "to and fro\n")).collect();
        files.extend([(OWN_SOURCE, "to and fro"), ("Cargo.lock", "to and fro")]);
        let folder = Scratch::with(&files);
        let texts = Repository::read(folder.path())
            .unwrap()
            .texts(folder.path())
            .unwrap();
        let mut complaints = Vec::new();
        check(&texts, &mut complaints);
        let found: Vec<&str> = complaints
            .iter()
            .filter_map(|text| Some(text.split_once(':')?.0))
            .collect();
        assert_eq!(found, names);
    }

    #[test]
    fn each_refused_word_is_a_complaint_with_its_file_and_line() {
        let texts = [Text {
            name: "docs/specs.md".to_owned(),
            text: "a client\nto and fro\nin silence".to_owned(),
        }];
        let mut complaints = Vec::new();
        check(&texts, &mut complaints);
        assert_eq!(complaints.len(), 2);
        assert!(
            complaints[0].contains("docs/specs.md:2 \"to and fro\""),
            "{complaints:?}"
        );
        assert!(
            complaints[1].contains("docs/specs.md:3 \"in silence\""),
            "{complaints:?}"
        );
    }
}

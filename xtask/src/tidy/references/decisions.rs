//! Checks that a cited decision, such as `decision 0006`, has a note in `docs/decisions/`.

use super::super::repository::{Repository, Text};
use std::collections::BTreeMap;

const FOLDER: &str = "docs/decisions/";

/// Complaints about numbers after the word "decision" or "decisions" that have no note in `docs/decisions/`.
pub fn missing(repository: &Repository, line: &str) -> Vec<String> {
    cited(line)
        .into_iter()
        .filter(|number| {
            number.len() != 4
                || !repository
                    .files
                    .iter()
                    .any(|name| name.starts_with(&format!("{FOLDER}{number}-")))
        })
        .map(|number| {
            format!(
                "cites decision {number}, but there is no file {FOLDER}{number}-….md (the number has four digits)"
            )
        })
        .collect()
}

/// The numbers in "decision 0001" and "decisions 0001, 0002 and 0003".
fn cited(line: &str) -> Vec<String> {
    let lower = line.to_ascii_lowercase();
    let mut numbers = Vec::new();
    for (at, word) in lower.match_indices("decision") {
        let mut rest = &lower[at + word.len()..];
        rest = rest.strip_prefix('s').unwrap_or(rest);
        while let Some(after) = [", ", " and ", " "]
            .iter()
            .find_map(|join| rest.strip_prefix(join))
        {
            let number: String = after.chars().take_while(char::is_ascii_digit).collect();
            if number.is_empty() {
                break;
            }
            rest = &after[number.len()..];
            numbers.push(number);
        }
    }
    numbers
}

/// Each note must have a number that no other note has, and must be listed in `docs/decisions/README.md`.
pub fn check_list(repository: &Repository, texts: &[Text], complaints: &mut Vec<String>) {
    let readme = format!("{FOLDER}README.md");
    let list = texts
        .iter()
        .find(|text| text.name == readme)
        .map_or("", |text| text.text.as_str());
    let mut by_number: BTreeMap<&str, &str> = BTreeMap::new();
    for note in repository
        .files
        .iter()
        .filter_map(|name| name.strip_prefix(FOLDER))
    {
        if note == "README.md" {
            continue;
        }
        let (number, _) = note.split_once('-').unwrap_or((note, ""));
        if let Some(other) = by_number.insert(number, note) {
            complaints.push(format!("{FOLDER}{note} and {other} have the same number"));
        }
        if !list.contains(&format!("({note})")) {
            complaints.push(format!("{readme} does not list {note}"));
        }
    }
}

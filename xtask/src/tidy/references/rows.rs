//! Checks rows of the conformance tables: `RF-24` in a comment must be in `docs/conformance/`, and no name of a test begins
//! with a row.

use super::super::repository::Text;
use std::collections::BTreeSet;

const FOLDER: &str = "docs/conformance";

/// The rows of the tables: the first column of each line, `| RF-24 | …`.
pub fn known(texts: &[Text]) -> BTreeSet<String> {
    texts
        .iter()
        .filter(|text| text.name.starts_with(FOLDER))
        .flat_map(|text| text.text.lines())
        .filter_map(|line| Some(line.strip_prefix("| ")?.split_once(" |")?.0.to_owned()))
        .filter(|row| parts(row).is_some())
        .collect()
}

/// Complains about the name of a function that begins with a row: the name is the behaviour, and a comment above it names
/// the rows.
pub fn in_function_name(known: &BTreeSet<String>, line: &str) -> Option<String> {
    let (_, name) = line.split_once("fn ")?;
    let mut words = name
        .split(|char: char| !char.is_ascii_alphanumeric() && char != '_')
        .next()?
        .split('_');
    let row = format!("{}-{}", words.next()?.to_ascii_uppercase(), words.next()?);
    is_row(known, &row).then(|| {
        format!(
            "names row {row} in the name of a function: name the behaviour, and the row in a comment above it"
        )
    })
}

/// Complaints about rows in a comment that are in no table.
pub fn missing_in_comment(known: &BTreeSet<String>, comment: &str) -> Vec<String> {
    comment
        .split(|char: char| !char.is_ascii_alphanumeric() && char != '-')
        .filter(|word| is_row(known, word) && !known.contains(*word))
        .map(|row| format!("names row {row}, which is in no table of {FOLDER}"))
        .collect()
}

/// True if the word has the form of a row, and the tables have rows with the same letters. `P-256` is a curve, not a row.
fn is_row(known: &BTreeSet<String>, word: &str) -> bool {
    let Some((family, _)) = parts(word) else {
        return false;
    };
    let start = format!("{family}-");
    known
        .range(start.clone()..)
        .next()
        .is_some_and(|row| row.starts_with(&start))
}

/// Splits a row such as `RF-24`: one to three capital letters, then two or three digits.
fn parts(word: &str) -> Option<(&str, &str)> {
    let (family, number) = word.split_once('-')?;
    let is_family = (1..=3).contains(&family.len()) && family.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_number = (2..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_family && is_number).then_some((family, number))
}

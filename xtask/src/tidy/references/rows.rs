//! Checks rows of the conformance tables that tests name: `rf_24_…` and `RF-24` must be in `docs/conformance/`.

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

/// Complaints about rows in the name of a test that are in no table.
pub fn missing_in_test_name(known: &BTreeSet<String>, line: &str) -> Vec<String> {
    let Some((_, name)) = line.split_once("fn ") else {
        return Vec::new();
    };
    let words: Vec<&str> = name
        .split(|char: char| !char.is_ascii_alphanumeric() && char != '_')
        .next()
        .unwrap_or_default()
        .split('_')
        .collect();
    let mut at = 0;
    let mut rows = Vec::new();
    // `rf_30_to_rf_32_…` and `dr_02_dr_13_…`: the rows come first, then the behaviour.
    while let Some([family, number]) = words.get(at..at + 2) {
        let row = format!("{}-{number}", family.to_ascii_uppercase());
        if *family == "to" {
            at += 1;
        } else if is_row(known, &row) {
            rows.push(row);
            at += 2;
        } else {
            break;
        }
    }
    complaints(known, rows)
}

/// Complaints about rows in a comment that are in no table.
pub fn missing_in_comment(known: &BTreeSet<String>, comment: &str) -> Vec<String> {
    let rows = comment
        .split(|char: char| !char.is_ascii_alphanumeric() && char != '-')
        .filter(|word| is_row(known, word))
        .map(str::to_owned)
        .collect();
    complaints(known, rows)
}

fn complaints(known: &BTreeSet<String>, rows: Vec<String>) -> Vec<String> {
    rows.into_iter()
        .filter(|row| !known.contains(row))
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

//! Checks references: every document, decision, link, path and row that a text names must be in this repository, so
//! that a reader without other sources can look it up.

mod decisions;
mod links;
mod paths;
mod rows;
#[cfg(test)]
mod tests;

use super::repository::{Repository, Text};

/// The sources of this check are not checked: its tests contain references to files that do not exist.
const OWN_SOURCE: &str = "xtask/src/tidy/references/";

/// Complains about each reference whose target does not exist.
pub fn check(repository: &Repository, texts: &[Text], complaints: &mut Vec<String>) {
    decisions::check_list(repository, texts, complaints);
    let known_rows = rows::known(texts);
    for text in texts.iter().filter(|text| !text.name.starts_with(OWN_SOURCE)) {
        for (number, line) in text.text.lines().enumerate() {
            let mut found = Vec::new();
            found.extend(decisions::missing(repository, line));
            found.extend(paths::missing_documents(repository, &text.name, line));
            if text.name.ends_with(".md") {
                found.extend(links::missing(repository, &text.name, line));
                found.extend(paths::missing_in_backticks(repository, line));
            }
            if text.name.ends_with(".rs") {
                if let Some((_, comment)) = line.split_once("//") {
                    found.extend(paths::missing_in_backticks(repository, comment));
                    found.extend(rows::missing_in_comment(&known_rows, comment));
                }
                found.extend(rows::in_function_name(&known_rows, line));
            }
            for what in found {
                complaints.push(format!("{}:{} {what}", text.name, number + 1));
            }
        }
    }
}

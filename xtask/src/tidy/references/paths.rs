//! Checks names of documents and source files, such as `docs/registration.md`, `server/http/token.rs` and `admit.rs`.

use super::super::repository::Repository;
use super::links::joined;

/// Short names of the crates, as documents use them: `core/doors/` is `crates/testudo-core/src/doors/`.
const SHORT_NAMES: &[&str] = &[
    "client", "core", "fetch", "protocol", "resource", "server", "store", "testkit",
];

/// Complaints about names of documents, anywhere in a line, that are not in the repository. Web addresses and names with
/// a placeholder (`<name>.md`) are not checked.
pub fn missing_documents(repository: &Repository, file: &str, line: &str) -> Vec<String> {
    line.split_whitespace()
        .filter(|word| !word.contains("://"))
        .flat_map(|word| word.split(|char: char| !is_part_of_path(char) && !"<>*…".contains(char)))
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.ends_with(".md") && *word != ".md" && !has_placeholder(word))
        .filter(|word| !repository.has(&joined(file, word)))
        .filter(|word| !repository.has_end(word.trim_start_matches(['.', '/'])))
        .map(|word| format!("names {word}, which is not in the repository"))
        .collect()
}

/// Complaints about words in backticks that look like a path or a source file of this repository but do not exist.
pub fn missing_in_backticks(repository: &Repository, line: &str) -> Vec<String> {
    line.split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| looks_like_ours(repository, word))
        .filter(|word| !is_there(repository, word))
        .map(|word| format!("names `{word}`, which is not in the repository"))
        .collect()
}

fn looks_like_ours(repository: &Repository, word: &str) -> bool {
    if !word
        .chars()
        .all(|char| is_part_of_path(char) || "<>*{}".contains(char))
        || word.starts_with(['/', '.', '-'])
    {
        return false;
    }
    if word.ends_with(".rs") {
        return !has_placeholder(word.rsplit('/').next().unwrap_or_default()) || word.contains('/');
    }
    word.split_once('/').is_some_and(|(first, _)| {
        SHORT_NAMES.contains(&first) || (repository.folders.contains(first) && !first.contains('/'))
    })
}

fn is_there(repository: &Repository, word: &str) -> bool {
    // For a path with a placeholder, such as `core/doors/<name>.rs`, the folder must exist.
    let known = match word.find(['<', '*', '{']) {
        Some(at) => match word[..at].rsplit_once('/') {
            Some((folder, _)) => folder,
            None => return true,
        },
        None => word.trim_end_matches('/'),
    };
    let short = known.split_once('/').unwrap_or((known, ""));
    let is_in_crate = SHORT_NAMES.contains(&short.0)
        && ["src/", ""].iter().any(|below| {
            let path = format!("crates/testudo-{}/{below}{}", short.0, short.1);
            repository.has(path.trim_end_matches('/'))
        });
    is_in_crate || repository.has_end(known)
}

fn has_placeholder(word: &str) -> bool {
    word.contains(['<', '*', '{', '…'])
}

fn is_part_of_path(char: char) -> bool {
    char.is_ascii_alphanumeric() || "-_./".contains(char)
}

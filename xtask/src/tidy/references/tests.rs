//! Tests of references whose target exists, and of references whose target does not exist.

use super::super::repository::Repository;
use super::{check, rows};
use crate::scratch::Scratch;

/// The complaints about a repository with these files.
fn complaints_of(files: &[(&str, &str)]) -> Vec<String> {
    let folder = Scratch::with(files);
    let repository = Repository::read(folder.path()).unwrap();
    let texts = repository.texts(folder.path()).unwrap();
    let mut complaints = Vec::new();
    check(&repository, &texts, &mut complaints);
    complaints
}

const DECISIONS: (&str, &str) = ("docs/decisions/README.md", "- [0001](0001-first.md)\n");
const FIRST: (&str, &str) = ("docs/decisions/0001-first.md", "# 0001\n");

#[test]
fn a_document_that_is_not_in_the_repository_is_refused_everywhere() {
    for (name, text) in [
        ("crates/a/src/lib.rs", "//! Ids. [`registration-design.md` §3]"),
        ("clippy.toml", "# pure (style.md §3)"),
        ("docs/guide.md", "See house.md."),
        ("a.sql", "-- as in findings.md, row 3"),
        (".ci/run", "# dependencies.md"),
    ] {
        assert_eq!(complaints_of(&[(name, text)]).len(), 1, "{name}");
    }
}

#[test]
fn a_document_of_the_repository_or_of_the_web_is_accepted() {
    let found = complaints_of(&[
        (
            "docs/guide.md",
            "See `limits.md`, ../README.md, <name>.md and https://example.net/style.md",
        ),
        ("docs/operations/limits.md", ""),
        ("README.md", "docs/guide.md."),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_decision_without_a_note_is_refused() {
    for line in [
        "[decision 17]",
        "decisions 0001 and 0002",
        "Decision 0009.",
        "decision 1",
    ] {
        let text = format!("//! {line}");
        let found = complaints_of(&[DECISIONS, FIRST, ("crates/a/src/lib.rs", &text)]);
        assert_eq!(found.len(), 1, "{line}: {found:?}");
    }
}

#[test]
fn a_decision_with_a_note_is_accepted() {
    let found = complaints_of(&[
        DECISIONS,
        FIRST,
        ("a.rs", "//! decision 0001, and the decision of an administrator"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_note_that_is_not_listed_or_shares_its_number_is_refused() {
    let found = complaints_of(&[DECISIONS, FIRST, ("docs/decisions/0001-second.md", "# 0001\n")]);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn a_link_to_a_file_that_does_not_exist_is_refused() {
    let found = complaints_of(&[
        (
            "docs/guide.md",
            "[a](gone.html) [b](../README.md#top) [c](#here) [d](https://example.net/x) [e](doors)",
        ),
        ("docs/doors/README.md", ""),
        ("README.md", ""),
    ]);
    assert_eq!(
        found,
        ["docs/guide.md:1 links to gone.html, which is not in the repository"]
    );
}

#[test]
fn a_path_that_does_not_exist_is_refused() {
    let source = ("crates/testudo-server/src/http/token.rs", "//! Tokens.\n");
    for (line, complaints) in [
        ("`server/http/token.rs`", 0),
        ("`http/token.rs` and `token.rs`", 0),
        ("`server/http/<name>.rs`", 0),
        ("`server/http/`", 0),
        ("`application/json` and `/token`", 0),
        ("`server/http/gone.rs`", 1),
        ("`http/gone.rs`", 1),
        ("`gone.rs`", 1),
        ("`server/gone/<name>.rs`", 1),
        ("`crates/gone/`", 1),
    ] {
        let found = complaints_of(&[source, ("ARCHITECTURE.md", line)]);
        assert_eq!(found.len(), complaints, "{line}: {found:?}");
        let comment = format!("//! {line}");
        let found = complaints_of(&[source, ("crates/a/src/lib.rs", &comment)]);
        assert_eq!(found.len(), complaints, "{line}: {found:?}");
    }
}

#[test]
fn row_that_is_in_no_table_or_in_the_name_of_a_test_is_refused() {
    let table = (
        "docs/conformance/first-use.md",
        "| row | what |\n|---|---|\n| RF-24 | stored |\n",
    );
    for (line, complaints) in [
        ("fn rf_24_is_stored() {}", 1),
        ("    async fn rf_24_to_rf_26_are_stored() {}", 1),
        ("fn rf_30_is_stored() {}", 1),
        ("fn sha_25_is_no_row() {}", 0),
        ("fn what_rf_24_requires_is_stored() {}", 0),
        ("//! Rows RF-24 and RF-30, with P-256.", 1),
    ] {
        let found = complaints_of(&[table, ("crates/a/src/lib.rs", line)]);
        assert_eq!(found.len(), complaints, "{line}: {found:?}");
    }
    assert!(rows::known(&[]).is_empty());
}

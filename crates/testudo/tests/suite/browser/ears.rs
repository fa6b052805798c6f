//! What a screen reader gets from the browser for each page.

use super::{PEOPLE, Pages};
use std::fmt::Write as _;
use std::path::Path;

/// What is read of each page, as text: one line for each part, indented as the parts are in each other.
fn read_aloud(looks: &serde_json::Value) -> String {
    let mut text = String::new();
    for look in looks.as_array().unwrap() {
        writeln!(text, "# {}\n", look["page"].as_str().unwrap()).unwrap();
        for line in look["lines"].as_array().unwrap() {
            writeln!(text, "{}", line.as_str().unwrap()).unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn screen_reader_gets_headings_landmarks_names_states_and_messages_in_the_order_of_the_page() {
    let Some(pages) = Pages::start(PEOPLE) else {
        return;
    };
    let mut text = read_aloud(&pages.walk_with_invitations("ears.mjs", "told"));
    let closed = Pages::start("").unwrap();
    text.push_str(&read_aloud(&closed.walk("ears.mjs", "closed", &[])));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/browser/read_aloud.txt");
    // As the pictures of the documentation, the text is made anew with UPDATE_PICTURES=1.
    if std::env::var_os("UPDATE_PICTURES").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differing = text
        .lines()
        .zip(written.lines())
        .find(|(found, known)| found != known);
    assert!(
        text == written,
        "run this test with UPDATE_PICTURES=1: {differing:?}"
    );
}

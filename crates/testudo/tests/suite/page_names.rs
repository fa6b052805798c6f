//! What the pages about doors and registration name in their text: commands and metrics exist as they are written.

use crate::binary::stderr;
use crate::docs::page;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The pages about doors, and those about clients of other issuers.
fn pages() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doors");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut pages: Vec<String> = entries
        .map(|entry| format!("docs/doors/{}", entry.unwrap().file_name().into_string().unwrap()))
        .collect();
    pages.extend(
        [
            "registration",
            "guides/kubernetes",
            "guides/ci",
            "guides/federation",
        ]
        .map(|name| format!("docs/{name}.md")),
    );
    pages.sort();
    pages
}

#[test]
fn commands_that_pages_name_in_their_text_are_commands_of_the_binary_with_these_options() {
    let mut commands = BTreeSet::new();
    for name in pages() {
        let text = page(&name);
        let spans = text.split('`').skip(1).step_by(2);
        let named = spans.filter(|span| span.starts_with("testudo ") && !span.contains('\n'));
        commands.extend(named.map(str::to_owned));
    }
    assert!(commands.len() >= 20, "{commands:?}");
    let binary = Path::new(env!("CARGO_BIN_EXE_testudo")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    for command in commands {
        // The help is printed where the command and its options before it are known.
        let output = Command::new("bash")
            .args(["-c", &format!("{command} --help")])
            .env("PATH", &path)
            .output()
            .unwrap();
        assert!(output.status.success(), "`{command}`: {}", stderr(&output));
    }
}

#[test]
fn metrics_that_pages_name_are_metrics_of_the_server() {
    let known = page("docs/reference/metrics.md");
    let is_part = |character: char| character.is_ascii_lowercase() || character == '_';
    let mut found = 0;
    for name in pages() {
        let text = page(&name);
        let words = text.split(|character: char| !is_part(character));
        for metric in words.filter(|word| word.starts_with("testudo_")) {
            assert!(known.contains(&format!("`{metric}`")), "{name}: {metric}");
            found += 1;
        }
    }
    assert!(found >= 4, "{found}");
}

//! Outputs that are stored as files; values that differ from run to run are masked.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;

/// The output of a command, with the fault of the set-up before it.
pub fn of(how: &str, command: &str, output: &Output, folder: &Path) -> String {
    let mut text = format!("{how}\n\n$ {command}\n");
    text.push_str(&String::from_utf8_lossy(&output.stdout));
    let messages = String::from_utf8_lossy(&output.stderr);
    if !messages.is_empty() {
        let _ = write!(text, "[stderr]\n{messages}");
    }
    let _ = writeln!(text, "[exit {}]", output.status.code().unwrap_or(-1));
    mask(&text, folder)
}

/// Compares the output with the file, or writes the file where `UPDATE_SNAPSHOTS` is set.
pub fn compare(name: &str, printed: &str) -> Result<(), String> {
    let path = folder().join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, printed).unwrap();
        return Ok(());
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected == printed {
        return Ok(());
    }
    Err(format!(
        "{name}: the output differs from {}\n--- expected\n{expected}--- printed\n{printed}",
        path.display()
    ))
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/broken/snapshots")
}

/// Replaces the folder, times, ports, ids and digests by words. The width of a column depends on its widest cell, so
/// gaps between columns become two spaces.
fn mask(text: &str, folder: &Path) -> String {
    let text = text.replace(&folder.display().to_string(), "FOLDER");
    let lines: Vec<String> = text.lines().map(mask_line).collect();
    lines.join("\n") + "\n"
}

fn mask_line(line: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-:._".contains(c);
    let indent = line.len() - line.trim_start().len();
    let mut masked = line[..indent].to_owned();
    let mut rest = &line[indent..];
    while !rest.is_empty() {
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        masked.push_str(&mask_word(word));
        let end = after.find(is_part).unwrap_or(after.len());
        let (between, after) = after.split_at(end);
        // A gap between two columns.
        match between.split_once("  ") {
            Some((before, gap)) => masked.push_str(&format!("{before}  {}", gap.trim_start())),
            None => masked.push_str(between),
        }
        rest = after;
    }
    masked.trim_end().to_owned()
}

fn mask_word(word: &str) -> String {
    let bare = word.trim_end_matches([':', '.']);
    let tail = &word[bare.len()..];
    let is_time = bare.len() >= 20 && bare.ends_with('Z') && bare.as_bytes()[4] == b'-' && bare.contains('T');
    let is_hex = |length| bare.len() >= length && bare.chars().all(|c| c.is_ascii_hexdigit());
    if is_time {
        return format!("TIME{tail}");
    }
    if is_hex(24) {
        return format!("ID{tail}");
    }
    if bare.len() > 7 && bare.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("NUMBER{tail}");
    }
    match bare.split_once(':') {
        Some((host @ ("127.0.0.1" | "localhost" | ""), port))
            if port.parse().is_ok_and(|port: u16| port > 9_999) =>
        {
            format!("{host}:PORT{tail}")
        }
        _ => word.to_owned(),
    }
}

#[test]
fn only_values_that_differ_from_run_to_run_are_masked() {
    let folder = Path::new("/tmp/x-1");
    for (text, masked) in [
        (
            "/tmp/x-1/testudo.toml: it ends at 2026-11-26T04:08:43Z.",
            "FOLDER/testudo.toml: it ends at TIME.",
        ),
        ("ok      store     /tmp/x-1/t.db", "ok  store  FOLDER/t.db"),
        ("    indented", "    indented"),
        (
            "FAILED  (os error 111)       `ss`",
            "FAILED  (os error 111)  `ss`",
        ),
        (
            "request 019ac0ffee019ac0ffee01234567: refused",
            "request ID: refused",
        ),
        ("http://127.0.0.1:40123/bundle", "http://127.0.0.1:PORT/bundle"),
        ("listen [::]:40123", "listen [::]:PORT"),
        (
            "listen 127.0.0.1:8080, 600 s, ES256",
            "listen 127.0.0.1:8080, 600 s, ES256",
        ),
    ] {
        assert_eq!(mask(text, folder), format!("{masked}\n"));
    }
}

/// A snapshot without a set-up would not be compared by any test.
#[test]
fn every_snapshot_belongs_to_a_broken_set_up() {
    let known: Vec<String> = super::check::names()
        .chain(super::doctor::names())
        .chain(super::explain::names())
        .collect();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.iter().any(|known| format!("{known}.txt") == name), "{name}");
    }
    assert!(known.len() >= 30, "{}", known.len());
}

//! What a command says on stderr beside its data: lines for people, or with `--json` one object on each line.

use serde_json::{Value, json};
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use testudo_protocol::printable::{escape, escape_json};
use testudo_server::config::Report;

/// Of the process, not of a command: it is set once, before the command runs, and also holds for what ends it.
static SPEAKS_JSON: AtomicBool = AtomicBool::new(false);

/// From here on, every line on stderr is a JSON object.
pub fn speak_json() {
    SPEAKS_JSON.store(true, Ordering::Relaxed);
}

/// Talk of one line or several.
pub fn note(text: &str) {
    let text = text.trim_end_matches('\n');
    say(text, &json!({ "note": text }));
}

/// What the reader should know, of a command that did what was asked.
pub fn warn(text: &str) {
    say(&format!("warning: {text}"), &json!({ "warning": text }));
}

/// Why the command did not succeed, and what to do.
pub fn error(message: &str, hint: Option<&str>) {
    let mut object = json!({ "error": message });
    let mut text = format!("error: {message}");
    if let Some(hint) = hint {
        object["hint"] = Value::from(hint);
        text.push_str(&format!("\nhint: {hint}"));
    }
    say(&text, &object);
}

/// What is wrong with a configuration, and what of it the environment says.
pub fn note_report(report: &Report) {
    note_variables(report);
    for problem in &report.problems {
        let kind = if problem.is_warning { "warning" } else { "error" };
        let mut object = serde_json::to_value(problem).unwrap_or_else(|_| json!({}));
        object[kind] = Value::from(problem.sentence());
        say(&problem.to_string(), &object);
    }
}

/// Which keys variables of the environment have set. Their values may be secrets.
pub fn note_variables(report: &Report) {
    for set in &report.variables {
        note(&set.to_string());
    }
}

/// What is wrong with the arguments: as the library words it, or for programs its first line and the rest as hint.
pub fn usage_error(answer: &clap::Error) {
    if !SPEAKS_JSON.load(Ordering::Relaxed) {
        // Where stderr is gone or full, the exit status still says it.
        let _ = answer.print();
        return;
    }
    let text = answer.render().to_string();
    let text = text.trim();
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    error(first.strip_prefix("error: ").unwrap_or(first), Some(rest.trim()));
}

fn say(text: &str, object: &Value) {
    let line = match SPEAKS_JSON.load(Ordering::Relaxed) {
        true => escape_json(&object.to_string()).into_owned(),
        false => escape(text.trim_end_matches('\n'), &['\n']).into_owned(),
    };
    // Where stderr is gone or full, there is no other place to say so.
    let _ = writeln!(io::stderr(), "{line}");
}

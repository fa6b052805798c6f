//! Messages of a command on stderr: text, or with `--json` one JSON object per line.

use serde_json::{Value, json};
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use testudo_protocol::printable::{escape, escape_json};
use testudo_server::config::{Problem, Report};

/// One value for the process: it is set once, before the command runs, and errors in the arguments use it too.
static MESSAGES_ARE_JSON: AtomicBool = AtomicBool::new(false);

/// From now on, every line on stderr is a JSON object.
pub fn print_messages_as_json() {
    MESSAGES_ARE_JSON.store(true, Ordering::Relaxed);
}

/// A message of one or more lines.
pub fn note(text: &str) {
    let text = text.trim_end_matches('\n');
    print_message(text, &json!({ "note": text }));
}

/// A warning of a command that succeeded.
pub fn warn(text: &str) {
    print_message(&format!("warning: {text}"), &json!({ "warning": text }));
}

/// Why the command failed, and what to do.
pub fn error(message: &str, hint: Option<&str>) {
    let mut object = json!({ "error": message });
    let mut text = format!("error: {message}");
    if let Some(hint) = hint {
        object["hint"] = Value::from(hint);
        text.push_str(&format!("\nhint: {hint}"));
    }
    print_message(&text, &object);
}

/// The problems of a configuration, and which of its keys the environment sets.
pub fn note_report(report: &Report) {
    note_variables(report);
    report.problems.iter().for_each(note_problem);
}

/// One problem of a configuration; as JSON with its key, value, expected form and hint as members.
pub fn note_problem(problem: &Problem) {
    let kind = if problem.is_warning { "warning" } else { "error" };
    let mut object = serde_json::to_value(problem).unwrap_or_else(|_| json!({}));
    object[kind] = Value::from(problem.sentence());
    print_message(&problem.to_string(), &object);
}

/// Which configuration keys are set by environment variables. Values are not printed: they may be secrets.
pub fn note_variables(report: &Report) {
    for set in &report.variables {
        note(&set.to_string());
    }
}

/// An error in the arguments: the text of the library, or with `--json` its first line as error and the rest as hint.
pub fn usage_error(answer: &clap::Error) {
    if !MESSAGES_ARE_JSON.load(Ordering::Relaxed) {
        // If stderr is closed or full, only the exit status reports the error.
        let _ = answer.print();
        return;
    }
    let text = answer.render().to_string();
    let text = text.trim();
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    error(first.strip_prefix("error: ").unwrap_or(first), Some(rest.trim()));
}

fn print_message(text: &str, object: &Value) {
    let line = match MESSAGES_ARE_JSON.load(Ordering::Relaxed) {
        true => escape_json(&object.to_string()).into_owned(),
        false => escape(text.trim_end_matches('\n'), &['\n']).into_owned(),
    };
    // If stderr is closed or full, this error cannot be reported anywhere else.
    let _ = writeln!(io::stderr(), "{line}");
}

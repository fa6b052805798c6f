//! How results and failures are printed.
//!
//! Identities, key ids, reasons and errors are words of strangers. Everything that is printed goes through here, where
//! characters that a terminal obeys, or a reader does not see, are written out.

use comfy_table::{Table, presets};
use serde::Serialize;
use testudo_protocol::printable::{escape, escape_json};
use testudo_server::config::Report;

/// A command did not succeed.
#[derive(Debug)]
pub struct Failed {
    message: String,
    hint: Option<String>,
}

impl Failed {
    pub fn new(message: impl Into<String>) -> Failed {
        Failed {
            message: message.into(),
            hint: None,
        }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Failed {
        self.hint = Some(hint.into());
        self
    }

    pub fn hint_if(mut self, hint: Option<String>) -> Failed {
        self.hint = hint.or(self.hint);
        self
    }

    /// `error: …` and `hint: …` on stderr; nothing where the command has said everything already.
    pub fn print(&self) {
        if !self.message.is_empty() {
            note(&format!("error: {}", self.message));
        }
        if let Some(hint) = &self.hint {
            note(&format!("hint: {hint}"));
        }
    }
}

/// One JSON document on stdout.
pub fn print_json(value: &impl Serialize) -> Result<(), Failed> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failed::new(error.to_string()))?;
    println!("{}", escape_json(&text));
    Ok(())
}

/// One line on stdout: data.
pub fn print_line(text: &str) {
    println!("{}", escape(text, &[]));
}

/// Talk on stderr, of one line or several.
pub fn note(text: &str) {
    eprintln!("{}", escape(text.trim_end_matches('\n'), &['\n']));
}

/// What is wrong with a configuration, on stderr.
pub fn note_report(report: &Report) {
    if !report.problems.is_empty() {
        note(&report.to_string());
    }
}

/// A plain table on stdout, without lines or colour.
pub fn print_table(header: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(header.iter().map(|name| name.to_uppercase()));
    for row in rows {
        // Before the columns are measured.
        table.add_row(row.iter().map(|cell| escape(cell, &[])));
    }
    for line in table.lines() {
        println!("{}", line.trim_end());
    }
}

/// `name  value` lines on stdout.
pub fn print_fields(fields: &[(&str, String)]) {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in fields {
        print_line(&format!("{name:width$}  {value}"));
    }
}

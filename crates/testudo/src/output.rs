//! How results and failures are printed.
//!
//! Identities, key ids, reasons and errors are words of strangers. Everything that is printed goes through here, where
//! characters that a terminal obeys, or a reader does not see, are written out.

use comfy_table::{Table, presets};
use serde::Serialize;
use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;
use testudo_protocol::printable::{escape, escape_json};
use testudo_server::config::Report;

/// A command did not succeed.
#[derive(Debug)]
pub struct Failed {
    message: String,
    hint: Option<String>,
    /// The program that read the output has ended (`… | head -1`): that is no failure, and nothing is said.
    is_closed_pipe: bool,
}

impl Failed {
    pub fn new(message: impl Into<String>) -> Failed {
        Failed {
            message: message.into(),
            hint: None,
            is_closed_pipe: false,
        }
    }

    /// Stdout did not take what was printed.
    pub fn undelivered(error: &io::Error) -> Failed {
        let mut failed = Failed::new(format!("cannot write to stdout: {error}"));
        failed.is_closed_pipe = error.kind() == ErrorKind::BrokenPipe;
        failed
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Failed {
        self.hint = Some(hint.into());
        self
    }

    /// Names the one of several things that failed.
    pub fn about(mut self, what: &str) -> Failed {
        self.message = format!("{what}: {}", self.message);
        self
    }

    pub fn hint_if(mut self, hint: Option<String>) -> Failed {
        self.hint = hint.or(self.hint);
        self
    }

    /// `error: …` and `hint: …` on stderr; nothing where the command has said everything already.
    pub fn print(&self) {
        if self.is_closed_pipe {
            return;
        }
        if !self.message.is_empty() {
            note(&format!("error: {}", self.message));
        }
        if let Some(hint) = &self.hint {
            note(&format!("hint: {hint}"));
        }
    }

    pub fn exit_code(&self) -> ExitCode {
        if self.is_closed_pipe {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// One JSON document on stdout.
pub fn print_json(value: &impl Serialize) -> Result<(), Failed> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failed::new(error.to_string()))?;
    write_line(&escape_json(&text))
}

/// One line on stdout: data.
pub fn print_line(text: &str) {
    end_unless_delivered(write_line(&escape(text, &[])));
}

/// The same for text of our own of several lines, in commands that have something to clean up when they end.
pub fn print_text(text: &str) -> Result<(), Failed> {
    write_line(&escape(text, &['\n']))
}

/// The only place that writes to stdout. `println!` would panic where the reader is gone or the device is full.
fn write_line(text: &str) -> Result<(), Failed> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Failed::undelivered(&error))
}

/// Ends the process where stdout takes no more: what a command prints here comes after everything that it does.
fn end_unless_delivered(delivered: Result<(), Failed>) {
    if let Err(failed) = delivered {
        failed.print();
        std::process::exit(i32::from(!failed.is_closed_pipe));
    }
}

/// Talk on stderr, of one line or several.
pub fn note(text: &str) {
    // Where stderr is gone or full, there is no other place to say so.
    let _ = writeln!(io::stderr(), "{}", escape(text.trim_end_matches('\n'), &['\n']));
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
        end_unless_delivered(write_line(line.trim_end()));
    }
}

/// `name  value` lines on stdout.
pub fn print_fields(fields: &[(&str, String)]) {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in fields {
        print_line(&format!("{name:width$}  {value}"));
    }
}

//! Data on stdout. `println!` is not used: it panics if the reader closed the pipe or the device is full.

use super::Failed;
use super::screen::prose;
use serde::Serialize;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};
use testudo_protocol::printable::{escape, escape_json};

/// One JSON document, over several lines.
pub fn print_json(value: &impl Serialize) -> Result<(), Failed> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failed::new(error.to_string()))?;
    write_line(&escape_json(&text))
}

/// One line.
pub fn print_line(text: &str) -> Result<(), Failed> {
    write_line(&escape(text, &[]))
}

/// The body of an answer of an API: exactly these bytes if a program reads them, and text without control characters on a
/// terminal.
pub fn print_bytes(bytes: &[u8]) -> Result<(), Failed> {
    let mut stdout = io::stdout().lock();
    let written = if stdout.is_terminal() {
        let text = String::from_utf8_lossy(bytes);
        stdout.write_all(escape(&text, &['\n']).as_bytes())
    } else {
        stdout.write_all(bytes)
    };
    written
        .and_then(|()| stdout.flush())
        .map_err(|error| Failed::undelivered(&error))
}

/// A sentence, broken into lines that fit the terminal.
pub fn print_prose(text: &str) -> Result<(), Failed> {
    prose(text).iter().try_for_each(|line| write_line(line))
}

/// Several lines of text. Only for text of this program: line breaks are not escaped.
pub fn print_text(text: &str) -> Result<(), Failed> {
    write_line(&escape(text, &['\n']))
}

/// One line of text that is already escaped.
pub(super) fn write_line(text: &str) -> Result<(), Failed> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Failed::undelivered(&error))
}

/// Many lines, written through a buffer.
pub struct Lines(BufWriter<Stdout>);

impl Lines {
    pub fn new() -> Lines {
        Lines(BufWriter::new(io::stdout()))
    }

    /// A line of `name=value`, broken into lines that fit the terminal.
    pub fn text(&mut self, text: &str) -> Result<(), Failed> {
        for line in prose(text) {
            self.write(&line)?;
        }
        Ok(())
    }

    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failed> {
        let text = serde_json::to_string(value).map_err(|error| Failed::new(error.to_string()))?;
        self.write(&escape_json(&text))
    }

    fn write(&mut self, line: &str) -> Result<(), Failed> {
        writeln!(self.0, "{line}").map_err(|error| Failed::undelivered(&error))
    }

    /// Writes the rest of the buffer to stdout.
    pub fn flush(&mut self) -> Result<(), Failed> {
        self.0.flush().map_err(|error| Failed::undelivered(&error))
    }
}

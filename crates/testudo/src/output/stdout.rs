//! Data. `println!` would panic where the reader is gone or the device is full.

use super::Failed;
use super::screen::prose;
use serde::Serialize;
use std::io::{self, BufWriter, Stdout, Write as _};
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

/// A sentence, which goes on in the next line where a person's terminal ends.
pub fn print_prose(text: &str) -> Result<(), Failed> {
    prose(text).iter().try_for_each(|line| write_line(line))
}

/// Text of our own of several lines.
pub fn print_text(text: &str) -> Result<(), Failed> {
    write_line(&escape(text, &['\n']))
}

/// One line, of words that are escaped already.
pub(super) fn write_line(text: &str) -> Result<(), Failed> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Failed::undelivered(&error))
}

/// Many lines, which are written together.
pub struct Lines(BufWriter<Stdout>);

impl Lines {
    pub fn new() -> Lines {
        Lines(BufWriter::new(io::stdout()))
    }

    /// A line of `name=value`, which goes on in the next line where a person's terminal ends.
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

    /// What was written is on stdout after this.
    pub fn flush(&mut self) -> Result<(), Failed> {
        self.0.flush().map_err(|error| Failed::undelivered(&error))
    }
}

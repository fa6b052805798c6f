//! Why a command did not succeed.

use super::talk;
use crate::exit::Exit;
use std::io::{self, ErrorKind};

/// A command did not succeed.
#[derive(Debug)]
pub struct Failed {
    message: String,
    hint: Option<String>,
    kind: Kind,
}

/// What a caller may make of it.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// It is said on stderr.
    Said,
    /// The program that read the output has ended (`… | head -1`): that is no failure, and nothing is said.
    ClosedPipe,
    /// The server does not answer now: it is not there, or starts, or cannot reach its store.
    Away,
}

impl Failed {
    pub fn new(message: impl Into<String>) -> Failed {
        Failed {
            message: message.into(),
            hint: None,
            kind: Kind::Said,
        }
    }

    /// Stdout did not take what was printed.
    pub fn undelivered(error: &io::Error) -> Failed {
        let mut failed = Failed::new(format!("cannot write to stdout: {error}"));
        if error.kind() == ErrorKind::BrokenPipe {
            failed.kind = Kind::ClosedPipe;
        }
        failed
    }

    /// The server does not answer; the same request may be answered later.
    pub fn away(message: impl Into<String>) -> Failed {
        Failed {
            kind: Kind::Away,
            ..Failed::new(message)
        }
    }

    pub fn is_away(&self) -> bool {
        self.kind == Kind::Away
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

    /// `error: …` and `hint: …` on stderr, or `{"error", "hint"}` with `--json`.
    pub fn print(&self) {
        if self.kind != Kind::ClosedPipe {
            talk::error(&self.message, self.hint.as_deref());
        }
    }

    /// The same for `serve`, whose words are lines of the log.
    pub fn log(&self) {
        crate::log::failed(&self.message, self.hint.as_deref());
    }

    pub fn exit(&self) -> Exit {
        match self.kind {
            Kind::ClosedPipe => Exit::Done,
            Kind::Said | Kind::Away => Exit::Failed,
        }
    }
}

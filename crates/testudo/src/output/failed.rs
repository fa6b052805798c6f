//! The error of a command.

use super::stderr;
use crate::exit::Exit;
use std::io::{self, ErrorKind};
use testudo_server::config::Problem;

/// Why a command failed, and what to do.
#[derive(Debug)]
pub struct Failed {
    message: String,
    hint: Option<String>,
    /// The problems of a configuration that caused the failure.
    problems: Vec<Problem>,
    kind: Kind,
}

/// How the failure is reported.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// As an error on stderr.
    Reported,
    /// The program that reads the output closed the pipe (`… | head -1`): no error is printed, and the exit status is 0.
    ClosedPipe,
    /// As an error on stderr. The server does not answer now: it is not running, is starting, or cannot reach its store.
    Unavailable,
}

impl Failed {
    pub fn new(message: impl Into<String>) -> Failed {
        Failed {
            message: message.into(),
            hint: None,
            problems: Vec::new(),
            kind: Kind::Reported,
        }
    }

    /// Writing to stdout failed.
    pub fn undelivered(error: &io::Error) -> Failed {
        let mut failed = Failed::new(format!("cannot write to stdout: {error}"));
        if error.kind() == ErrorKind::BrokenPipe {
            failed.kind = Kind::ClosedPipe;
        }
        failed
    }

    /// The server does not answer; the same request may be answered later.
    pub fn unavailable(message: impl Into<String>) -> Failed {
        Failed {
            kind: Kind::Unavailable,
            ..Failed::new(message)
        }
    }

    pub fn is_unavailable(&self) -> bool {
        self.kind == Kind::Unavailable
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Failed {
        self.hint = Some(hint.into());
        self
    }

    /// Adds which of several things failed.
    pub fn about(mut self, what: &str) -> Failed {
        self.message = format!("{what}: {}", self.message);
        self
    }

    pub fn hint_if(mut self, hint: Option<String>) -> Failed {
        self.hint = hint.or(self.hint);
        self
    }

    /// Adds the problems of a configuration, which are printed one by one before the error.
    pub fn with_problems(mut self, problems: Vec<Problem>) -> Failed {
        self.problems = problems;
        self
    }

    /// `error: …` and `hint: …` on stderr, or `{"error", "hint"}` with `--json`.
    pub fn print(&self) {
        if self.kind != Kind::ClosedPipe {
            self.problems.iter().for_each(stderr::note_problem);
            stderr::error(&self.message, self.hint.as_deref());
        }
    }

    /// The same for `serve`, which writes it as a line of the log.
    pub fn log(&self) {
        crate::log::failed(&self.message, self.hint.as_deref());
    }

    pub fn exit(&self) -> Exit {
        match self.kind {
            Kind::ClosedPipe => Exit::Done,
            Kind::Reported | Kind::Unavailable => Exit::Failed,
        }
    }
}

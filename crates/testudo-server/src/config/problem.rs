//! What is wrong with a configuration, said so that it can be fixed: key, value, what was expected, hint.

use serde::Serialize;
use std::fmt;

/// One error or warning in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Path of the key: `trust_domains[0].bundle.url`.
    pub key: String,
    /// What is wrong with its value, and what was expected.
    pub problem: String,
    /// What the administrator can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// A warning leaves the configuration usable.
    pub is_warning: bool,
}

impl Problem {
    /// A problem that makes the configuration unusable.
    pub fn error(key: impl Into<String>, problem: impl Into<String>, hint: Option<String>) -> Problem {
        Problem {
            key: key.into(),
            problem: problem.into(),
            hint,
            is_warning: false,
        }
    }

    /// A problem that leaves the configuration usable.
    pub fn warning(key: impl Into<String>, problem: impl Into<String>, hint: Option<String>) -> Problem {
        Problem {
            is_warning: true,
            ..Problem::error(key, problem, hint)
        }
    }
}

/// All problems of one configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order of the file, as far as possible.
    pub problems: Vec<Problem>,
}

impl Report {
    /// A report of one problem.
    pub fn of(problem: Problem) -> Report {
        Report {
            problems: vec![problem],
        }
    }

    /// Adds a problem that makes the configuration unusable.
    pub fn error(&mut self, key: impl Into<String>, problem: impl Into<String>, hint: Option<&str>) {
        self.problems
            .push(Problem::error(key, problem, hint.map(str::to_owned)));
    }

    /// Adds a problem that leaves the configuration usable.
    pub fn warn(&mut self, key: impl Into<String>, problem: impl Into<String>, hint: Option<&str>) {
        self.problems
            .push(Problem::warning(key, problem, hint.map(str::to_owned)));
    }

    /// True where something makes the configuration unusable.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| !problem.is_warning)
    }

    /// Unites entries that are word for word the same.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| !problem.is_warning)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            let kind = if problem.is_warning { "warning" } else { "error" };
            writeln!(f, "{kind}: {} {}", problem.key, problem.problem)?;
            if let Some(hint) = &problem.hint {
                writeln!(f, "hint: {hint}")?;
            }
        }
        Ok(())
    }
}

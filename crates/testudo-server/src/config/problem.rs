//! What is wrong with a configuration, said so that it can be fixed: place, key, value, what was expected, hint.

use super::forms::{form, is_secret};
use super::places::{Place, Places};
use serde::Serialize;
use std::fmt;

/// One error or warning in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where the value is written, or the table in which it is missing.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// Path of the key in its file: `trust_domains[0].bundle.url`.
    pub key: String,
    /// The rule, client or authority that the key belongs to: `` rule `payments` ``.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The value as it is written. Absent for a secret, and where it is long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What is wrong: the rest of a sentence that begins with the key.
    pub problem: String,
    /// What can stand there, with an example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
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
            place: None,
            key: key.into(),
            entry: None,
            value: None,
            problem: problem.into(),
            expected: None,
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

    /// Says where it is.
    pub fn at(self, place: Place) -> Problem {
        Problem {
            place: Some(place),
            ..self
        }
    }

    /// What is wrong where: ``testudo.toml:24:10: rule `payments`, rules[0].scopes[0] "a b" is not a scope value``.
    pub fn sentence(&self) -> String {
        let place = self.place.iter().map(|place| format!("{place}: "));
        let entry = self.entry.iter().map(|entry| format!("{entry}, "));
        let whole = [self.key.as_str(), " ", &self.problem].map(str::to_owned);
        place.chain(entry).chain(whole).collect()
    }

    fn log(&self) {
        let place = self.place.as_ref().map(Place::to_string);
        let (key, value, hint) = (&self.key, &self.value, &self.hint);
        let (expected, sentence) = (&self.expected, self.sentence());
        match self.is_warning {
            true => tracing::warn!(
                event = "configuration.warning",
                place,
                key,
                value,
                expected,
                hint,
                "{sentence}"
            ),
            false => tracing::error!(
                event = "configuration.problem",
                place,
                key,
                value,
                expected,
                hint,
                "{sentence}"
            ),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_warning { "warning: " } else { "error: " })?;
        writeln!(f, "{}", self.sentence())?;
        if let Some(value) = self.value.as_ref().filter(|value| !self.problem.contains(*value)) {
            writeln!(f, "value: {value}")?;
        }
        if let Some(expected) = &self.expected {
            writeln!(f, "expected: {expected}")?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "hint: {hint}")?;
        }
        Ok(())
    }
}

/// A key that a variable has set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetByVariable {
    /// `TESTUDO__SERVER__LISTEN`
    pub variable: String,
    /// `server.listen`
    pub key: String,
}

impl fmt::Display for SetByVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the environment sets {}", self.variable, self.key)
    }
}

/// All problems of one configuration.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// In the order of the files.
    pub problems: Vec<Problem>,
    /// Keys that variables of the environment have set.
    #[serde(skip)]
    pub variables: Vec<SetByVariable>,
    #[serde(skip)]
    pub(super) places: Box<Places>,
    /// Keys at which something could not be read. What is then missing has been said.
    #[serde(skip)]
    unread: Vec<String>,
}

impl Report {
    /// A report of one problem.
    pub fn of(problem: Problem) -> Report {
        Report {
            problems: vec![problem],
            ..Report::default()
        }
    }

    /// Adds a problem that makes the configuration unusable, with what can stand there.
    pub fn error(&mut self, key: impl AsRef<str>, problem: impl Into<String>, hint: Option<&str>) {
        let key = key.as_ref();
        let problem = Problem::error(key, problem, hint.map(str::to_owned));
        self.add(key, false, problem, form(key));
    }

    /// Adds a problem that leaves the configuration usable.
    pub fn warn(&mut self, key: impl AsRef<str>, problem: impl Into<String>, hint: Option<&str>) {
        let key = key.as_ref();
        let problem = Problem::warning(key, problem, hint.map(str::to_owned));
        self.add(key, false, problem, None);
    }

    /// Adds that a value is well formed, and cannot be used all the same.
    pub(super) fn refuse(&mut self, key: impl AsRef<str>, problem: impl Into<String>, hint: Option<&str>) {
        let key = key.as_ref();
        let problem = Problem::error(key, problem, hint.map(str::to_owned));
        self.add(key, false, problem, None);
    }

    /// Adds that a name stands there which the value of another key has already.
    pub(super) fn twice(&mut self, key: &str, name: &str, first: &str) {
        let place = self.places.find(first, false).place;
        let place = place.map_or_else(|| first.to_owned(), |place| place.to_string());
        let problem = format!("{name:?} is there twice: {place} has it first");
        self.refuse(key, problem, Some("give one of them another name, or remove it"));
    }

    /// Adds a key that is not known. What it may have been meant to be counts as not read.
    pub(super) fn unknown(&mut self, key: &str, meant: Option<&str>, hint: &str) {
        let problem = Problem::error(key, "is not a known key", Some(hint.to_owned()));
        self.add(key, true, problem, None);
        let section = key.rfind('.').and_then(|at| key.get(..=at)).unwrap_or_default();
        self.unread.push(key.to_owned());
        self.unread.extend(meant.map(|meant| format!("{section}{meant}")));
    }

    /// Adds that a value is of another type, where that does not follow from a part of it that could not be read.
    pub(super) fn unreadable(&mut self, key: &str, problem: String, expected: String) {
        let is_part = |unread: &String| unread.starts_with(key) && unread.len() > key.len();
        if self.unread.iter().any(is_part) {
            return;
        }
        let problem = Problem::error(key, problem, None);
        self.add(key, false, problem, form(key).or(Some(expected)));
        self.unread.push(key.to_owned());
    }

    /// Notes that what is written at a key could not be read.
    pub(super) fn note_unread(&mut self, key: &str) {
        self.unread.push(key.to_owned());
    }

    /// True where something is written at this key, or below it, that could not be read: it is not missing.
    pub(super) fn is_unread(&self, key: &str) -> bool {
        let is_in = |unread: &String| {
            let rest = unread.strip_prefix(key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.unread.iter().any(is_in)
    }

    fn add(&mut self, key: &str, is_about_key: bool, problem: Problem, expected: Option<String>) {
        let found = self.places.find(key, is_about_key);
        self.problems.push(Problem {
            place: found.place,
            key: found.key,
            entry: found.entry,
            value: found.value.filter(|_| !is_about_key && !is_secret(key)),
            expected,
            ..problem
        });
    }

    /// By place: what variables say, then the main file, then the included ones.
    pub(super) fn sort(&mut self, main: &str) {
        self.problems.sort_by(|one, other| {
            let place = |of: &Problem| {
                let place = of.place.clone()?;
                let is_included = place.file.as_deref().is_some_and(|file| file != main);
                Some((is_included, place.file, place.line, place.column))
            };
            place(one).cmp(&place(other))
        });
    }

    /// True where something makes the configuration unusable.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| !problem.is_warning)
    }

    /// Writes each problem as a line of the log, and which keys variables of the environment have set.
    pub fn log(&self) {
        for set in &self.variables {
            let SetByVariable { variable, key } = set;
            tracing::info!(event = "configuration.variable", variable, key, "{set}");
        }
        for problem in &self.problems {
            problem.log();
        }
    }

    /// What makes the configuration unusable.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| !problem.is_warning)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| problem.fmt(f))
    }
}

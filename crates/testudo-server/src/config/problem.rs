//! The problems of a configuration, with all that an administrator needs to solve them: location, key, value, expected
//! form, hint.

use super::forms::{form, is_secret};
use super::locations::{Location, Locations};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One error or warning in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The location of the value, or of the table in which it is missing.
    #[serde(flatten)]
    pub place: Option<Location>,
    /// Path of the key in its file: `trust_domains[0].bundle.url`.
    pub key: String,
    /// The rule, client or authority that the key belongs to: `` rule `payments` ``.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The text of the value; absent for a secret and for a long value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What is wrong, as the rest of a sentence that begins with the key.
    pub problem: String,
    /// The expected form, with an example.
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

    /// Adds the location.
    pub fn at(self, place: Location) -> Problem {
        Problem {
            place: Some(place),
            ..self
        }
    }

    /// Location, entry, key and problem as one sentence: ``testudo.toml:24:10: rule `payments`, rules[0].scopes[0] "a b" is not a scope value``.
    pub fn sentence(&self) -> String {
        let place = self.place.iter().map(|place| format!("{place}: "));
        let entry = self.entry.iter().map(|entry| format!("{entry}, "));
        let whole = [self.key.as_str(), " ", &self.problem].map(str::to_owned);
        place.chain(entry).chain(whole).collect()
    }

    fn log(&self) {
        let place = self.place.as_ref().map(Location::to_string);
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

/// A key that an environment variable set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetByVariable {
    /// `TESTUDO__SERVER__LISTEN`
    pub variable: String,
    /// `server.listen`
    pub key: String,
}

impl fmt::Display for SetByVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the environment variable {} sets {}", self.variable, self.key)
    }
}

/// All problems of one configuration.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The problems, in the order of the files.
    pub problems: Vec<Problem>,
    /// The keys that environment variables set.
    #[serde(skip)]
    pub variables: Vec<SetByVariable>,
    #[serde(skip)]
    pub(super) locations: Box<Locations>,
    /// Keys whose value could not be read. Nothing below them is reported as missing.
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

    /// Adds a problem that makes the configuration unusable, with the expected form.
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

    /// Adds that a value has the right form and nevertheless cannot be used.
    pub(super) fn refuse(&mut self, key: impl AsRef<str>, problem: impl Into<String>, hint: Option<&str>) {
        let key = key.as_ref();
        let problem = Problem::error(key, problem, hint.map(str::to_owned));
        self.add(key, false, problem, None);
    }

    /// Adds that a name is already used by another entry.
    pub(super) fn twice(&mut self, key: &str, name: &str, first: &str) {
        let place = self.locations.find(first, false).place;
        let place = place.map_or_else(|| first.to_owned(), |place| place.to_string());
        let problem = format!("{name:?} is used twice: first at {place}");
        self.refuse(key, problem, Some("give one of them another name, or remove it"));
    }

    /// Adds a key that is not known. The key that was probably meant is treated as unread, and not as missing.
    pub(super) fn unknown(&mut self, key: &str, meant: Option<&str>, hint: &str) {
        let problem = Problem::error(key, "is not a known key", Some(hint.to_owned()));
        self.add(key, true, problem, None);
        let section = key.rfind('.').and_then(|at| key.get(..=at)).unwrap_or_default();
        self.unread.push(key.to_owned());
        self.unread.extend(meant.map(|meant| format!("{section}{meant}")));
    }

    /// Adds that a value has the wrong type, unless a part of it could not be read, which is already reported.
    pub(super) fn unreadable(&mut self, key: &str, problem: String, expected: String) {
        let is_part = |unread: &String| unread.starts_with(key) && unread.len() > key.len();
        if self.unread.iter().any(is_part) {
            return;
        }
        let problem = Problem::error(key, problem, None);
        self.add(key, false, problem, form(key).or(Some(expected)));
        self.unread.push(key.to_owned());
    }

    /// Notes that the value of a key could not be read.
    pub(super) fn note_unread(&mut self, key: &str) {
        self.unread.push(key.to_owned());
    }

    /// True if a value at or below this key could not be read: then it is not missing.
    pub(super) fn is_unread(&self, key: &str) -> bool {
        let is_in = |unread: &String| {
            let rest = unread.strip_prefix(key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.unread.iter().any(is_in)
    }

    fn add(&mut self, key: &str, is_about_key: bool, problem: Problem, expected: Option<String>) {
        let found = self.locations.find(key, is_about_key);
        self.problems.push(Problem {
            place: found.place,
            key: found.key,
            entry: found.entry,
            value: found.value.filter(|_| !is_about_key && !is_secret(key)),
            expected,
            ..problem
        });
    }

    /// Sorts by location: environment variables, then the main file, then the included files.
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

    /// True if a problem makes the configuration unusable.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| !problem.is_warning)
    }

    /// Logs each problem, and the keys that environment variables set.
    pub fn log(&self) {
        for set in &self.variables {
            let SetByVariable { variable, key } = set;
            tracing::info!(event = "configuration.variable", variable, key, "{set}");
        }
        for problem in &self.problems {
            problem.log();
        }
    }

    /// The problems that make the configuration unusable.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| !problem.is_warning)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| problem.fmt(f))
    }
}

//! Environment variables that set a key: `TESTUDO__SERVER__LISTEN` sets `server.listen`.
//!
//! The value is read as TOML, or as a text if it is not TOML. A variable replaces the value of the file. The lists of
//! tables (`rules`, `trust_domains`, `issuers`, `clients`) cannot be set, because a variable cannot name an entry.

use super::include::LISTS;
use super::locations::{Location, Node};
use super::problem::{Problem, Report, SetByVariable};
use std::ffi::OsString;
use toml::{Table, Value};

/// The prefix of the names of these variables.
const PREFIX: &str = "TESTUDO__";

/// The variables, by name.
#[derive(Default)]
pub(super) struct Overlay(Vec<(String, OsString)>);

impl Overlay {
    pub(super) fn of_environment() -> Overlay {
        Overlay::of(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))))
    }

    /// The variables in the order of their names, so that a variable for a table precedes those for its keys.
    pub(super) fn of(variables: impl Iterator<Item = (String, OsString)>) -> Overlay {
        let mut ours: Vec<_> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        ours.sort();
        Overlay(ours)
    }

    /// Sets the keys in the table, and lists them in the report.
    pub(super) fn apply(&self, table: &mut Table, report: &mut Report) {
        for (variable, value) in &self.0 {
            let keys = variable.strip_prefix(PREFIX).and_then(keys_of);
            let (problem, hint) = match (keys, value.to_str()) {
                (None, _) => (
                    "names no key",
                    "write the key in capitals, and __ where it has a dot: TESTUDO__SERVER__LISTEN sets server.listen",
                ),
                (Some(_), None) => ("is not UTF-8", "give it a value in UTF-8"),
                (Some(keys), _) if keys.first().is_some_and(|first| LISTS.contains(&first.as_str())) => (
                    "names a list of tables, which no variable can set",
                    "write its entries in the configuration file, or in a file that it includes",
                ),
                (Some(keys), Some(text)) => {
                    let value = text.parse().unwrap_or_else(|_| Value::String(text.to_owned()));
                    let node = Node::of_variable(variable, text, &value);
                    set(table, &keys, value);
                    report.locations.set(&keys, node);
                    report.variables.push(SetByVariable {
                        variable: variable.clone(),
                        key: keys.join("."),
                    });
                    continue;
                }
            };
            let problem = Problem::error("the variable", problem, Some(hint.to_owned()));
            report.problems.push(problem.at(Location::variable(variable)));
        }
    }
}

/// `SERVER__LISTEN` is `server`, `listen`.
fn keys_of(name: &str) -> Option<Vec<String>> {
    let is_key = |key: &str| {
        let is_legal = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        !key.is_empty() && key.chars().all(is_legal)
    };
    let keys = name.split("__");
    keys.map(|key| is_key(key).then(|| key.to_ascii_lowercase()))
        .collect()
}

/// A value on the path that is not a table is replaced.
fn set(table: &mut Table, keys: &[String], value: Value) {
    let Some((first, rest)) = keys.split_first() else {
        return;
    };
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return;
    }
    let inner = table
        .entry(first.clone())
        .or_insert_with(|| Value::Table(Table::new()));
    if !inner.is_table() {
        *inner = Value::Table(Table::new());
    }
    if let Value::Table(inner) = inner {
        set(inner, rest, value);
    }
}

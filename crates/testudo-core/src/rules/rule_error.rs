//! An error in a rule that an administrator wrote.

/// An error in a rule: the key, and the rest of a sentence that begins with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The key within the rule.
    pub key: &'static str,
    /// The index of the wrong entry, if the value of the key is a list.
    pub entry: Option<usize>,
    /// The error, as the rest of a sentence that begins with the key.
    pub problem: String,
    /// What to do.
    pub hint: Option<&'static str>,
}

pub(super) fn fault(key: &'static str, problem: impl Into<String>) -> RuleError {
    RuleError {
        key,
        entry: None,
        problem: problem.into(),
        hint: None,
    }
}

/// The error of an entry of a list.
pub(super) fn fault_of_entry(key: &'static str, entry: usize, problem: impl Into<String>) -> RuleError {
    RuleError {
        entry: Some(entry),
        ..fault(key, problem)
    }
}

impl RuleError {
    /// `scopes`, or `scopes[1]`.
    pub fn path(&self) -> String {
        match self.entry {
            Some(entry) => format!("{}[{entry}]", self.key),
            None => self.key.to_owned(),
        }
    }
}

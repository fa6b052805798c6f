//! `claims` of a rule: values that claims of the credential must have.

use crate::identity::{ClaimSource, ClaimValue, NamedClaims};
use std::collections::BTreeMap;

/// The values that the rule requires, all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimConditions(Vec<(ClaimSource, ClaimValue)>);

impl ClaimConditions {
    /// The conditions as they are written, and the errors of those that cannot be read.
    pub(super) fn parse(written: &BTreeMap<String, ClaimValue>) -> (ClaimConditions, Vec<String>) {
        let mut conditions = Vec::new();
        let mut problems = Vec::new();
        for (source, value) in written {
            match ClaimSource::parse(source) {
                Ok(source) => conditions.push((source, value.clone())),
                Err(problem) => problems.push(format!("has the key {source:?}, which {problem}")),
            }
        }
        (ClaimConditions(conditions), problems)
    }

    /// True if the rule requires no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The claims, and the value that each must have.
    pub fn iter(&self) -> impl Iterator<Item = (&ClaimSource, &ClaimValue)> {
        self.0.iter().map(|(source, value)| (source, value))
    }

    /// The first condition that these claims do not meet.
    pub(super) fn first_unmet(&self, claims: &NamedClaims) -> Option<(&ClaimSource, &ClaimValue)> {
        self.iter()
            .find(|(source, value)| !claims.get(*source).is_some_and(|claim| value.is(claim)))
    }
}

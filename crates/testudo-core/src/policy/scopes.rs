//! What scopes mean, in words for people, and how long a person can grant them.

use std::collections::BTreeMap;
use testudo_protocol::Seconds;
use testudo_protocol::oauth::Scope;

/// What one scope means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeDescription {
    /// What the consent page states that the client may do.
    pub text: Box<str>,
    /// What a person grants with this scope ends after this time. `None`: after the time of the rule.
    pub authorization_lifetime: Option<Seconds>,
}

/// The `[scopes]` section.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScopeDescriptions(BTreeMap<Scope, ScopeDescription>);

impl ScopeDescriptions {
    /// The description of a scope, if the configuration has one.
    pub fn of(&self, scope: &Scope) -> Option<&ScopeDescription> {
        self.0.get(scope)
    }
}

impl FromIterator<(Scope, ScopeDescription)> for ScopeDescriptions {
    fn from_iter<I: IntoIterator<Item = (Scope, ScopeDescription)>>(described: I) -> ScopeDescriptions {
        ScopeDescriptions(described.into_iter().collect())
    }
}

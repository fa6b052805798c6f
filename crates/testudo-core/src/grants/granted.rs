//! The claims of a token that depend on the request.

use super::binding::Binding;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use testudo_protocol::Seconds;
use testudo_protocol::oauth::{Resource, ScopeSet};

/// Members of the answer that one grant adds, by name, for example `refresh_token`. Their values are secrets.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Members(BTreeMap<&'static str, String>);

impl Members {
    /// These members and one more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Members {
        self.0.insert(name, value);
        self
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The claims of a token that depend on the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Scope, possibly empty.
    pub scope: ScopeSet,
    /// The audience, exactly one.
    pub resource: Resource,
    /// Lifetime of the token.
    pub lifetime: Seconds,
    /// What the token is bound to.
    pub binding: Option<Binding>,
    /// Members that the answer contains beside the token.
    pub members: Members,
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "scope `{}` for {}, valid for {} s",
            self.scope, self.resource, self.lifetime.0
        )
    }
}

//! The claims of a token that depend on the request.

use super::binding::Binding;
use std::fmt;
use testudo_protocol::Seconds;
use testudo_protocol::oauth::{Resource, ScopeSet};

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

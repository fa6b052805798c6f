//! What is granted: what a token will say that depends on the request.

use super::binding::Binding;
use std::fmt;
use testudo_protocol::Seconds;
use testudo_protocol::oauth::{Resource, ScopeSet};

/// What a token will say that depends on the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Scope, possibly empty.
    pub scope: ScopeSet,
    /// The one audience.
    pub resource: Resource,
    /// Life of the token.
    pub lifetime: Seconds,
    /// What the token is bound to.
    pub binding: Option<Binding>,
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "scope `{}` for {} during {} s",
            self.scope, self.resource, self.lifetime.0
        )
    }
}

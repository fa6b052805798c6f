//! What is granted: what a token will say that depends on the request.

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
    /// Certificate that the token is bound to. [RFC8705 §3]
    pub certificate_thumbprint: Option<[u8; 32]>,
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

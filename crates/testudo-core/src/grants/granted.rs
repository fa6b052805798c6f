//! The claims of a token that depend on the request.

use super::binding::Binding;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use testudo_protocol::oauth::{Resource, ScopeSet};
use testudo_protocol::{Seconds, Timestamp};

/// Members of the answer that one grant adds, by name, for example `refresh_token`. Their values are secrets.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Members(BTreeMap<&'static str, Value>);

impl Members {
    /// These members and one more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Members {
        self.0.insert(name, value.into());
        self
    }

    /// These members and a number of seconds.
    #[must_use]
    pub fn with_seconds(mut self, name: &'static str, value: Seconds) -> Members {
        self.0.insert(name, value.0.into());
        self
    }

    /// The member with this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
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
    /// For a token with the scope value `client.register`: what the authority of the client attests as the most that it
    /// may have (`SponsorLimits`).
    pub registration_limits: Option<Box<Map<String, Value>>>,
    /// The person for whom the client acts; `None` if it acts for itself.
    pub person: Option<Box<OfPerson>>,
}

/// The claims of a token that name the person for whom the client acts. [RFC9068 §2.2.1]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfPerson {
    /// `sub`.
    pub sub: String,
    /// When the person signed in.
    pub auth_time: Timestamp,
    /// The strength of that sign-in, where it has a name.
    pub acr: Option<String>,
    /// What the person granted, by which this server finds whether it was revoked.
    pub grant_id: String,
    /// When the authorization ends, which no token outlives. `None`: it has no end.
    pub ends: Option<Timestamp>,
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

//! What a client asks for, within what its rule and its registration allow.

use crate::policy::Policy;
use crate::records::Registration;
use crate::rejection::Rejection;
use crate::rules::Rule;
use testudo_protocol::Seconds;
use testudo_protocol::oauth::authorization::AuthorizationRequest;
use testudo_protocol::oauth::{Resource, ScopeSet};

/// What a person would grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) scope: ScopeSet,
    /// The first is the default.
    pub(super) resources: Vec<Resource>,
    /// `None`: without end.
    pub(super) lasts: Option<Seconds>,
}

impl Terms {
    pub(super) fn of(
        request: &AuthorizationRequest,
        rule: &Rule,
        registration: Option<&Registration>,
        policy: &Policy,
    ) -> Result<Terms, Rejection> {
        let scope = scope(request.scope.as_ref(), rule, registration)?;
        let resources = crate::grants::resources_of_rule(&request.resources, rule, policy)?;
        // [RT-EXPIRATION §6.1.1] The shortest of the lifetimes of the granted scope values.
        let of_scopes = scope
            .iter()
            .filter_map(|value| policy.scopes.of(value)?.authorization_lifetime);
        // What is granted to a client ends with the client.
        let of_rule = rule
            .people
            .authorization_lifetime
            .into_iter()
            .chain(rule.client_lifetime);
        let lasts = of_scopes.chain(of_rule).min();
        Ok(Terms {
            scope,
            resources,
            lasts,
        })
    }
}

/// [RFC6749 §3.3] The requested scope, which must be allowed completely; without one, the default of the rule.
fn scope(
    asked: Option<&ScopeSet>,
    rule: &Rule,
    registration: Option<&Registration>,
) -> Result<ScopeSet, Rejection> {
    let limit = registration.and_then(|stands| stands.scope.as_ref());
    let lowered = |scope: &ScopeSet| match limit {
        Some(limit) => scope.intersection(limit),
        None => scope.clone(),
    };
    match asked {
        None => Ok(lowered(&rule.default_scopes)),
        Some(asked) => {
            crate::grants::must_be_within(asked, &lowered(&rule.scopes), rule).map(|()| asked.clone())
        }
    }
}

//! The client acts for itself. [RFC6749 §4.4]

use super::granted::Granted;
use super::parameters::{parse_resource, parse_scope};
use crate::admission::governed::GovernedIdentity;
use crate::decision::Moment;
use crate::metadata::attested;
use crate::policy::Policy;
use crate::records::Registration;
use crate::rejection::{AdmissionReason, Rejection, RequestReason};
use testudo_protocol::oauth::{Form, GRANT_CLIENT_CREDENTIALS, Resource, ScopeSet};

/// A client_credentials request.
#[derive(Debug, Clone, Default)]
pub struct ClientCredentials {
    /// `scope`.
    pub scope: Option<ScopeSet>,
    /// `resource`. [RFC8707 §2]
    pub resource: Option<Resource>,
}

impl ClientCredentials {
    /// Parses the request.
    pub fn parse(form: &Form) -> Result<ClientCredentials, Rejection> {
        Ok(ClientCredentials {
            scope: parse_scope(form)?,
            resource: parse_resource(form)?,
        })
    }

    /// Decides what the token may say.
    pub fn decide(
        &self,
        governed: &GovernedIdentity<'_>,
        registration: Option<&Registration>,
        at: &Moment<'_>,
    ) -> Result<Granted, Rejection> {
        let rule = governed.found.rule;
        let attested = attested::attested_grant_types(governed.identity)?;
        let registered = registration.and_then(|registration| registration.grant_types.as_ref());
        let allows = |types: &Vec<String>| types.iter().any(|name| name == GRANT_CLIENT_CREDENTIALS);
        let is_allowed = allows(&rule.grant_types)
            && attested.as_ref().is_none_or(allows)
            && registered.is_none_or(allows);
        if !is_allowed {
            return Err(AdmissionReason::GrantNotAllowed {
                rule: rule.name.clone(),
            }
            .into());
        }
        let configured = at.policy.tokens.access_token_lifetime;
        let mut lifetime = rule
            .access_token_lifetime
            .map_or(configured, |shorter| shorter.min(configured));
        let must_bind =
            rule.must_bind_tokens || registration.is_some_and(|registration| registration.must_bind_tokens);
        let certificate_thumbprint = match (must_bind, governed.identity.proof.certificate_thumbprint) {
            (false, _) => None,
            (true, None) => {
                return Err(AdmissionReason::BindingMissing {
                    rule: rule.name.clone(),
                }
                .into());
            }
            (true, Some(thumbprint)) => {
                // [RFC8705 §6.3] Bound to a certificate that ends, the token is of no use after it.
                lifetime = lifetime.min(governed.identity.proof.expires - at.now);
                Some(thumbprint)
            }
        };
        Ok(Granted {
            scope: self.scope(governed, registration)?,
            resource: self.resource(governed, at.policy)?,
            lifetime,
            certificate_thumbprint,
        })
    }

    /// [RFC6749 §3.3] What is asked for, if all of it is allowed; else the rule's default. An attested scope
    /// lowers the ceiling, never raises it.
    fn scope(
        &self,
        governed: &GovernedIdentity<'_>,
        registration: Option<&Registration>,
    ) -> Result<ScopeSet, Rejection> {
        let rule = governed.found.rule;
        let attested = attested::attested_scope(governed.identity)?;
        let registered = registration.and_then(|registration| registration.scope.as_ref());
        let lowered = |ceiling: &ScopeSet| {
            let limits = [attested.as_ref(), registered].into_iter().flatten();
            limits.fold(ceiling.clone(), |ceiling, limit| ceiling.intersection(limit))
        };
        let Some(asked) = &self.scope else {
            return Ok(lowered(&rule.default_scopes));
        };
        let ceiling = lowered(&rule.scopes);
        match asked
            .iter()
            .find(|scope| !ceiling.iter().any(|allowed| allowed == *scope))
        {
            None => Ok(asked.clone()),
            Some(refused) => Err(AdmissionReason::ScopeNotAllowed {
                rule: rule.name.clone(),
                refused: refused.as_str().to_owned(),
            }
            .into()),
        }
    }

    /// [RFC8707 §2] One of the rule's; the first where none is named. [RFC9068 §3] Without any, the issuer.
    fn resource(&self, governed: &GovernedIdentity<'_>, policy: &Policy) -> Result<Resource, Rejection> {
        let rule = governed.found.rule;
        let refused = || {
            Rejection::Admission(AdmissionReason::ResourceNotAllowed {
                rule: rule.name.clone(),
            })
        };
        match (&self.resource, rule.resources.first()) {
            (None, Some(first)) => Ok(first.clone()),
            (None, None) => Resource::parse(policy.issuer.as_str())
                .map_err(|why| RequestReason::MalformedResource(why).into()),
            (Some(asked), _) if rule.resources.contains(asked) => Ok(asked.clone()),
            (Some(asked), None) if asked.as_str() == policy.issuer.as_str() => Ok(asked.clone()),
            (Some(_), _) => Err(refused()),
        }
    }
}

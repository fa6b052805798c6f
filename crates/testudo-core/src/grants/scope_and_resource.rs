//! Parameters that several grants share: `scope`, and `resource` with `audience`; and the check that their values are
//! allowed.

use super::requester::Requester;
use crate::policy::Policy;
use crate::rejection::{AdmissionReason, Rejection, RequestReason};
use crate::rules::Rule;
use testudo_protocol::limits::RESOURCES_MAX;
use testudo_protocol::oauth::{Form, Resource, ScopeSet};

/// The requested scope and resource.
#[derive(Debug, Clone, Default)]
pub struct ScopeAndResource {
    /// `scope`.
    pub scope: Option<ScopeSet>,
    /// `resource`. [RFC8707 §2]
    pub resource: Option<Resource>,
}

impl ScopeAndResource {
    /// Parses both.
    pub(super) fn parse(form: &Form) -> Result<ScopeAndResource, Rejection> {
        Ok(ScopeAndResource {
            scope: parse_scope(form)?,
            resource: parse_resource(form)?,
        })
    }

    /// [RFC6749 §3.3] The requested scope, which must be allowed completely; without one, the default of the rule. An
    /// attested scope can only reduce what is allowed.
    pub(crate) fn scope(&self, requester: &Requester<'_>) -> Result<ScopeSet, Rejection> {
        let rule = requester.governed.found.rule;
        let Some(asked) = &self.scope else {
            return requester.lowered(&rule.default_scopes);
        };
        must_be_within(asked, &requester.scope_ceiling()?, rule)?;
        Ok(asked.clone())
    }

    /// [RFC8707 §2] The requested resource, which must be one of the rule's; without a request, the first of them.
    /// [RFC9068 §3] If the rule has none, the issuer.
    pub(super) fn resource(&self, requester: &Requester<'_>, policy: &Policy) -> Result<Resource, Rejection> {
        resource_of_rule(self.resource.as_ref(), requester.governed.found.rule, policy)
    }
}

/// Checks that every requested scope value is allowed.
pub(crate) fn must_be_within(asked: &ScopeSet, ceiling: &ScopeSet, rule: &Rule) -> Result<(), Rejection> {
    match asked
        .iter()
        .find(|scope| !ceiling.iter().any(|allowed| allowed == *scope))
    {
        None => Ok(()),
        Some(refused) => Err(AdmissionReason::ScopeNotAllowed {
            rule: rule.name.clone(),
            refused: refused.as_str().to_owned(),
        }
        .into()),
    }
}

/// The resources of an authorization: the requested ones, or without a request the default of the rule.
pub(crate) fn resources_of_rule(
    asked: &[Resource],
    rule: &Rule,
    policy: &Policy,
) -> Result<Vec<Resource>, Rejection> {
    if asked.is_empty() {
        return Ok(vec![resource_of_rule(None, rule, policy)?]);
    }
    let resources = asked
        .iter()
        .map(|resource| resource_of_rule(Some(resource), rule, policy));
    resources.collect()
}

fn resource_of_rule(asked: Option<&Resource>, rule: &Rule, policy: &Policy) -> Result<Resource, Rejection> {
    match (asked, rule.resources.first()) {
        (None, Some(first)) => Ok(first.clone()),
        (None, None) => Resource::parse(policy.issuer.as_str())
            .map_err(|why| RequestReason::MalformedResource(why).into()),
        (Some(asked), _) if rule.resources.contains(asked) => Ok(asked.clone()),
        (Some(asked), None) if asked.as_str() == policy.issuer.as_str() => Ok(asked.clone()),
        (Some(asked), _) => Err(AdmissionReason::ResourceNotAllowed {
            rule: rule.name.clone(),
            refused: asked.as_str().to_owned(),
        }
        .into()),
    }
}

/// Parses `scope`.
fn parse_scope(form: &Form) -> Result<Option<ScopeSet>, Rejection> {
    form.get("scope")
        .map(|text| ScopeSet::parse(text).map_err(|why| RequestReason::MalformedScope(why).into()))
        .transpose()
}

/// `resource` and `audience` are read by the same code (decision 0012), and a token has one audience.
fn parse_resource(form: &Form) -> Result<Option<Resource>, Rejection> {
    let mut wanted: Option<Resource> = None;
    for text in form
        .all("resource")
        .chain(form.all("audience"))
        .take(RESOURCES_MAX + 1)
    {
        let resource = Resource::parse(text).map_err(RequestReason::MalformedResource)?;
        match &wanted {
            Some(known) if *known != resource => return Err(RequestReason::SeveralResources.into()),
            _ => wanted = Some(resource),
        }
    }
    Ok(wanted)
}

//! The sponsor of a client, and what a sponsor can give.

use super::{Authority, CredentialKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::ScopeSet;

/// The holder of the initial access token with which a client without evidence was registered. The rule that governs
/// the sponsor governs the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Sponsor {
    /// Key of the authority of the sponsor. Example: `spiffe://prod.example`.
    #[schemars(with = "String")]
    pub authority: Authority,
    /// Identity of the sponsor. Example: `spiffe://prod.example/portal`.
    pub subject: String,
    /// The instance of the sponsor, where its credential named one: the uid of a pod, or the thumbprint of its key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instance: Option<String>,
    /// Kind of the credential with which the sponsor authenticated last.
    pub credential: CredentialKind,
    /// When the verifiable credential of the sponsor ended, as of the registration of this client, which ends then too.
    /// Example: `2026-11-23T11:06:40Z`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>")]
    pub ends: Option<Timestamp>,
    /// The most that the sponsor may have of its rule, as of the registration of this client.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limits: Option<Box<SponsorLimits>>,
}

/// The scope value that allows its holder to register clients. A client cannot get it by a registration.
pub const SCOPE_REGISTER: &str = "client.register";

/// The limits of a sponsor: those that its authority attests, and those that it registered. Without them, a sponsor could
/// register a client with rights that it must not have itself, and use them with the keys of that client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SponsorLimits {
    /// The only scope values, separated by spaces. Example: `orders.read`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>")]
    pub scope: Option<ScopeSet>,
    /// The only grant types. Example: `client_credentials`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub grant_types: Option<Vec<String>>,
    /// Tokens must be bound to the key of a DPoP proof. [RFC9449 §5.2]
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub dpop_bound_access_tokens: bool,
    /// Tokens must be bound to the client's certificate. [RFC8705 §3.4]
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub tls_client_certificate_bound_access_tokens: bool,
    /// Authorization requests must be pushed. [RFC9126 §6]
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub require_pushed_authorization_requests: bool,
    /// Authorization requests must be signed. [RFC9101 §10.5]
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub require_signed_request_object: bool,
}

/// The members of client metadata that reduce what a client may do. `response_types` can exclude grant types.
pub(crate) const LIMITS: [&str; 8] = [
    "scope",
    METHOD,
    "grant_types",
    "response_types",
    "dpop_bound_access_tokens",
    "tls_client_certificate_bound_access_tokens",
    "require_pushed_authorization_requests",
    "require_signed_request_object",
];

/// The member that is no limit of what a sponsor can give: a client that it registers has a method of its own.
const METHOD: &str = "token_endpoint_auth_method";

/// The limits of a sponsor.
fn limits() -> impl Iterator<Item = &'static str> {
    LIMITS.into_iter().filter(|member| *member != METHOD)
}

fn is_listed(listed: &[String], member: &str) -> bool {
    listed.iter().any(|name| name == member)
}

impl SponsorLimits {
    /// No limits.
    pub(super) const NONE: SponsorLimits = SponsorLimits {
        scope: None,
        grant_types: None,
        dpop_bound_access_tokens: false,
        tls_client_certificate_bound_access_tokens: false,
        require_pushed_authorization_requests: false,
        require_signed_request_object: false,
    };

    /// These limits, as the claim `registration_limits` of a token. `listed` are the members that the authority may attest:
    /// one that it does not attest is `null`.
    pub(crate) fn claim(&self, listed: &[String]) -> Map<String, Value> {
        let mut claim = match serde_json::to_value(self) {
            Ok(Value::Object(claim)) => claim,
            Ok(_) | Err(_) => Map::new(),
        };
        for member in limits().filter(|member| is_listed(listed, member)) {
            claim.entry(member).or_insert(Value::Null);
        }
        claim
    }

    /// The limits that a token states. `None` if they cannot be read, or if one of the members that are `listed` now was
    /// not listed when the token was issued: it is not known what the authority attests there.
    pub fn of_claim(claim: &Map<String, Value>, listed: &[String]) -> Option<SponsorLimits> {
        let is_known = |member: &str| claim.contains_key(member) || !is_listed(listed, member);
        if !limits().all(is_known) {
            return None;
        }
        let stated = claim.iter().filter(|(_, value)| !value.is_null());
        let stated: Map<String, Value> = stated
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        serde_json::from_value(stated.into()).ok()
    }

    /// These limits and further ones.
    #[must_use]
    pub fn narrowed(mut self, scope: Option<&ScopeSet>, grant_types: Option<&Vec<String>>) -> SponsorLimits {
        if let Some(scope) = scope {
            self.scope = Some(self.scopes(scope.clone()));
        }
        if let Some(grant_types) = grant_types {
            self.grant_types = Some(self.grant_types(grant_types.clone()));
        }
        self
    }

    /// What remains of the scope values of the rule.
    pub fn scopes(&self, of_rule: ScopeSet) -> ScopeSet {
        match &self.scope {
            Some(attested) => of_rule.intersection(attested),
            None => of_rule,
        }
    }

    /// What remains of the grant types of the rule.
    pub fn grant_types(&self, mut of_rule: Vec<String>) -> Vec<String> {
        if let Some(attested) = &self.grant_types {
            of_rule.retain(|grant| attested.contains(grant));
        }
        of_rule
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_of_a_token_are_known_unless_the_authority_may_attest_more_members_since_its_issue() {
        let limits = SponsorLimits {
            scope: ScopeSet::parse("a b").ok(),
            ..SponsorLimits::NONE
        };
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let before = list(&["scope", "dpop_bound_access_tokens", "client_name"]);
        let claim = limits.claim(&before);
        assert_eq!(
            Value::from(claim.clone()),
            json!({ "scope": "a b", "dpop_bound_access_tokens": null })
        );
        for (case, now, known) in [
            ("as before", before.clone(), true),
            ("fewer", list(&["scope"]), true),
            ("no limit more", list(&["scope", "tos_uri"]), true),
            ("one more", list(&["scope", "grant_types"]), false),
            ("one more that excludes grants", list(&["response_types"]), false),
        ] {
            let read = SponsorLimits::of_claim(&claim, &now);
            assert_eq!(read, known.then(|| limits.clone()), "{case}");
        }
        let mut malformed = claim;
        malformed.insert("scope".into(), json!(["a"]));
        assert_eq!(SponsorLimits::of_claim(&malformed, &before), None);
    }

    #[test]
    fn further_limits_only_narrow() {
        let scope = |text: &str| ScopeSet::parse(text).unwrap();
        let grants = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let none = SponsorLimits::NONE.narrowed(None, None);
        assert_eq!(none, SponsorLimits::NONE);
        let one = none.narrowed(Some(&scope("a b")), Some(&grants(&["x", "y"])));
        assert_eq!(one.scope, Some(scope("a b")));
        let two = one.narrowed(Some(&scope("b c")), Some(&grants(&["y", "z"])));
        assert_eq!(
            (two.scope, two.grant_types),
            (Some(scope("b")), Some(grants(&["y"])))
        );
    }
}

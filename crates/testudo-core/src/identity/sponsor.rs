//! The sponsor of a client, and what a sponsor can give.

use super::{Authority, CredentialKind};
use serde::{Deserialize, Serialize};
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
    /// What its authority attested as the most that the sponsor may have, as of the registration of this client.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limits: Option<Box<SponsorLimits>>,
}

/// The limits that the authority of a sponsor attests. Without them, a sponsor could register a client with rights that it
/// must not have itself, and use them with the keys of that client.
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

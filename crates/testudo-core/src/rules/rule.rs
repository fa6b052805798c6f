//! A rule: what the identities that it matches may have.

use super::client_id::ClientIdTemplate;
use super::label::ConfiguredLabel;
use super::pattern::Pattern;
use super::redirect_uris::{HostTemplate, RedirectTemplate};
use crate::identity::{CredentialKind, OccasionKind};
use serde::{Deserialize, Serialize};
use testudo_protocol::Seconds;
use testudo_protocol::oauth::{Resource, ScopeSet};

/// A compiled rule.
#[derive(Debug)]
#[expect(
    missing_docs,
    reason = "each field is documented at RuleSpec, which it is compiled from"
)]
pub struct Rule {
    pub name: String,
    pub patterns: Vec<Pattern>,
    pub credentials: Option<Vec<CredentialKind>>,
    pub occasions: Option<Vec<OccasionKind>>,
    pub scopes: ScopeSet,
    pub default_scopes: ScopeSet,
    pub resources: Vec<Resource>,
    pub grant_types: Vec<String>,
    pub redirect_uris: Vec<RedirectTemplate>,
    pub redirect_uri_hosts: Vec<HostTemplate>,
    pub registration: RegistrationForm,
    /// Of `client_name` and the other labels that a rule may set, those that it sets.
    pub labels: Vec<ConfiguredLabel>,
    pub client_idle_lifetime: Option<Seconds>,
    pub client_lifetime: Option<Seconds>,
    pub access_token_lifetime: Option<Seconds>,
    pub client: GrainOfClient,
    /// Tokens are bound to the client's certificate, or not issued.
    pub must_bind_tokens: bool,
    pub client_id: ClientIdTemplate,
    pub registrations_per_minute: Option<u32>,
    pub registrations_burst: Option<u32>,
    pub clients_max: Option<u64>,
    pub first_use: Option<FirstUse>,
    pub enabled: bool,
    /// First bytes of the hash of the sentence as written: changes whenever the rule does.
    pub revision: String,
}

/// What a registration may do to a client's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationForm {
    /// Narrow them, for all instances and until the next registration.
    #[default]
    Narrowing,
    /// Nothing: limits are the rule's, whatever one instance asks for.
    Fixed,
}

/// What happens to an identity that is shown for the first time.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema, Default,
)]
#[serde(rename_all = "snake_case")]
pub enum FirstUse {
    /// Refused.
    Off,
    /// Refused, with an event that says what would have happened.
    Observe,
    /// Registered.
    #[default]
    On,
}

/// Whether running copies of one workload share a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrainOfClient {
    /// One client for all instances.
    #[default]
    Workload,
    /// One client per instance.
    Instance,
}

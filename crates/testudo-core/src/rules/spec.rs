//! A rule as an administrator writes it.

use crate::identity::{CredentialKind, OccasionKind};
use serde::{Deserialize, Serialize};

/// `[[rules]]`: these identities may have this. The first rule that matches governs.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuleSpec {
    /// Unique name, used in events, logs and on the command line.
    pub name: String,
    /// Patterns of identities (`spiffe://prod.example/ns/{namespace}`, `cluster-a:{namespace}/*`), whole segments: literal, `{name}`, `*`, final `**`.
    pub identities: Vec<String>,
    /// Must be true for a pattern that admits a whole trust domain.
    pub entire_trust_domain: bool,
    /// Kinds of credential the rule is for. Default: all that the trust domain accepts.
    pub credentials: Option<Vec<CredentialKind>>,
    /// Requests the rule is for. Default: all.
    pub occasions: Option<Vec<OccasionKind>>,
    /// Scope values that may be asked for.
    pub scopes: Vec<String>,
    /// Scope values given when none is asked for. Default: none.
    pub default_scopes: Vec<String>,
    /// Resources that tokens may be for; the first is the default. None: tokens are for the issuer itself.
    pub resources: Vec<String>,
    /// Grants. Default: `client_credentials`.
    pub grant_types: Option<Vec<String>>,
    /// Redirect URIs, literal or derived from captures.
    pub redirect_uris: Vec<String>,
    /// Hosts that redirect URIs of attested clients may lead to: of those that an attester states, and of those
    /// that a client names which proved possession of a key. Captures stand for whole labels.
    pub redirect_uri_hosts: Vec<String>,
    /// Display name; `{name}` inserts a capture.
    pub client_name: Option<String>,
    /// Home page of the client, https; `{name}` inserts a capture, as in redirect URIs.
    pub client_uri: Option<String>,
    /// Logo of the client, https; `{name}` inserts a capture, as in redirect URIs.
    pub logo_uri: Option<String>,
    /// Unused that long, a client is removed by the sweep.
    pub client_idle_lifetime: Option<String>,
    /// A client older than this counts as unknown.
    pub client_lifetime: Option<String>,
    /// Overrides `tokens.access_token_lifetime`; can only shorten it.
    pub access_token_lifetime: Option<String>,
    /// Whether a client may narrow its limits when it registers.
    pub registration: RegistrationForm,
    /// Whether instances (`{instance}`) share one client or are one each.
    pub client: GrainOfClient,
    /// How the `client_id` is made: `identity`, `opaque`, or a template of literals and captures.
    pub client_id: Option<String>,
    /// What a token must be bound to: `none`, `dpop`, `mtls` or `any`.
    pub sender_constraint: Option<String>,
    /// New clients per minute under this rule.
    pub registrations_per_minute: Option<u32>,
    /// New clients at once under this rule. Default: the rate.
    pub registrations_burst: Option<u32>,
    /// Clients under this rule, active and frozen.
    pub clients_max: Option<u64>,
    /// First use for these identities; can only be stricter than the setting of the trust domain.
    pub first_use: Option<FirstUse>,
    /// False refuses every identity the rule matches.
    pub enabled: Option<bool>,
}

impl RuleSpec {
    /// The labels that are set, by their keys, which are the names of members of client metadata.
    pub(super) fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let labels = [
            ("client_name", &self.client_name),
            ("client_uri", &self.client_uri),
            ("logo_uri", &self.logo_uri),
        ];
        labels
            .into_iter()
            .filter_map(|(key, text)| Some((key, text.as_deref()?)))
    }
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

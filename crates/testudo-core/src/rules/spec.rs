//! A rule as an administrator writes it. It is in this crate, although it is the form of a section of the configuration:
//! the revision that records and events name is the hash of this form, and [`Rule::compile`](super::Rule::compile) names
//! each error by the key in it.

use crate::identity::{ClaimValue, CredentialKind, OccasionKind, SenderConstraint};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `[[rules]]`: what the matching identities may have. The first matching rule governs an identity.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuleSpec {
    /// Unique name, used in events, logs and on the command line. Required.
    pub name: String,
    /// Patterns of identities (`spiffe://prod.example/ns/{namespace}`, `cluster-a:{namespace}/*`), whole segments: literal, `{name}`, `*`, final `**`. Required, unless the rule has `authorities`.
    pub identities: Vec<String>,
    /// Names of `[[issuers]]` entries whose identities the rule matches, instead of patterns or beside them. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<String>,
    /// Values that claims of the credential must have: equal, and of the same type. A key is the name of a claim, or with
    /// a leading `/` a JSON Pointer (RFC 6901). For identities of `[[issuers]]` entries only. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, ClaimValue>,
    /// Must be true for a pattern that matches every identity of a trust domain. Default: `false`.
    pub entire_trust_domain: bool,
    /// Must be true for a rule without `claims` that matches every identity of an `[[issuers]]` entry. Default: `false`.
    pub entire_authority: bool,
    /// Kinds of credential to which the rule applies. Default: all that the authority accepts.
    pub credentials: Option<Vec<CredentialKind>>,
    /// Kinds of request to which the rule applies. Default: all.
    pub occasions: Option<Vec<OccasionKind>>,
    /// Names of attesters. Besides its own authentication the client must show an attestation of one of them for its
    /// client id. Default: none.
    pub attested_by: Vec<String>,
    /// Scope values that a client may request.
    pub scopes: Vec<String>,
    /// Scope values of a token if the client requests none. Default: none.
    pub default_scopes: Vec<String>,
    /// Resources for which a client may request tokens; the first is the default. Default: none;
    /// then tokens are for the issuer itself.
    pub resources: Vec<String>,
    /// Grants that a client may use. Default: `["client_credentials"]`.
    pub grant_types: Option<Vec<String>>,
    /// Redirect URIs, literal or derived from captures.
    pub redirect_uris: Vec<String>,
    /// Allowed hosts of redirect URIs of attested clients: of URIs that an attester states, and of URIs that a client
    /// registers with proof of possession of a key. Captures stand for whole labels.
    pub redirect_uri_hosts: Vec<String>,
    /// Display name; `{name}` inserts a capture.
    pub client_name: Option<String>,
    /// Home page of the client, https; `{name}` inserts a capture, as in redirect URIs.
    pub client_uri: Option<String>,
    /// Logo of the client, https; `{name}` inserts a capture, as in redirect URIs.
    pub logo_uri: Option<String>,
    /// A client that was not used for this time is removed by the sweep. Default: none, it is kept.
    pub client_idle_lifetime: Option<String>,
    /// A client counts as unknown this long after it was registered. Default: none, it never ends.
    pub client_lifetime: Option<String>,
    /// A shorter lifetime of access tokens. Default: that of `tokens.access_token_lifetime`.
    pub access_token_lifetime: Option<String>,
    /// Whether a client may reduce its limits when it registers. Default: `"narrowing"`.
    pub registration: RegistrationForm,
    /// Whether all instances (`{instance}`) of a workload share one client, or each is a client. Without `{instance}`, the
    /// key of an attestation names the instance. Default: `"workload"`.
    pub client: GrainOfClient,
    /// How the `client_id` is made: `identity`, `opaque`, or a template of literals and captures.
    /// Default: `"identity"`.
    pub client_id: Option<String>,
    /// What a token must be bound to. Default: `"none"`; a client that sends a DPoP proof gets a bound token in any case.
    pub sender_constraint: Option<SenderConstraint>,
    /// Maximum number of new clients per minute under this rule. Default: none besides the limit of the authority.
    pub registrations_per_minute: Option<u32>,
    /// Maximum number of new clients at one moment under this rule. Default: the rate per minute.
    pub registrations_burst: Option<u32>,
    /// Maximum number of clients under this rule, active and frozen. Default: none besides the limit of the authority.
    pub clients_max: Option<u64>,
    /// What happens at the first use of an identity; the setting of the authority applies if it is stricter.
    /// Default: that of the authority.
    pub first_use: Option<FirstUse>,
    /// False refuses every identity that the rule matches. Default: `true`.
    pub enabled: Option<bool>,
}

impl RuleSpec {
    /// The labels that the rule sets. Their keys are the names of members of client metadata.
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

/// Which effect a registration may have on a client's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationForm {
    /// It may reduce them, for all instances and until the next registration.
    #[default]
    Narrowing,
    /// None: the limits are always those of the rule.
    Fixed,
}

/// What happens at the first use of an identity.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema, Default,
)]
#[serde(rename_all = "snake_case")]
pub enum FirstUse {
    /// The request is refused.
    Off,
    /// The request is refused, with an event that records what would have happened.
    Observe,
    /// The identity is registered as a client.
    #[default]
    On,
}

/// Whether the instances of one workload share a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrainOfClient {
    /// One client for all instances.
    #[default]
    Workload,
    /// One client per instance.
    Instance,
}

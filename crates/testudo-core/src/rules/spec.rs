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
    /// A client that was not used for this time is removed by the sweep, unless a person has a valid refresh token of it or
    /// a consent for it. Default: none, it is kept.
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
    /// Whether authorization requests must be pushed. If `"optional"`, a browser may bring a request of a client that is
    /// not known yet, and the client registers when it redeems the code. Default: `"required"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushed_authorization: Option<PushedAuthorization>,
    /// Whether a person is asked before a client of the rule gets access: `"trusted"` asks never, and is for applications
    /// of your own with https redirect URIs. Default: `"explicit"`.
    #[serde(skip_serializing_if = "ConsentForm::is_default")]
    pub consent: ConsentForm,
    /// Lifetime of a code, at most `"10m"`. Default: `"60s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_lifetime: Option<String>,
    /// For how long a person grants access, or `"none"` for no end; access ends with the client at the latest. Default:
    /// `"90d"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_lifetime: Option<String>,
    /// A refresh token that was not used for this time ends. Default: `"14d"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_idle_lifetime: Option<String>,
    /// For how long a refresh token may be sent again after its first use, until its successor is used: the answer may
    /// have been lost. Only for clients that prove a key or their identity; `"0s"` for never. Default: `"30s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_grace: Option<String>,
    /// Groups of people who may use the clients of the rule: `PROVIDER/GROUP`, or a group of this server. Default: none;
    /// then every person may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Audiences whose tokens the client may introspect, besides tokens of its own. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub introspects: Vec<String>,
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

/// Whether the authorization requests of a client must be pushed. [RFC9126 §5]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PushedAuthorization {
    /// The client sends each request to the pushed authorization request endpoint first.
    Required,
    /// The browser may bring the request.
    Optional,
}

/// Whether a person is asked before a client gets access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentForm {
    /// The person is asked, unless the person consented to the same before.
    #[default]
    Explicit,
    /// The person is not asked.
    Trusted,
}

impl ConsentForm {
    /// True for the value of a rule that names none. Then it is left out, so that the revision of such a rule does not
    /// depend on the version of the server.
    fn is_default(&self) -> bool {
        *self == ConsentForm::Explicit
    }
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

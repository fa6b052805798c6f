//! `[registration]`: which kinds of registration are allowed, and the limits of clients without attester and sponsor.

use super::checker::Checker;
use schemars::JsonSchema;
use serde::Deserialize;
use testudo_core::grants;
use testudo_core::identity::SCOPE_REGISTER;
use testudo_core::policy::{OpenPolicy, RegistrationPolicy};
use testudo_core::rules::{PushedAuthorization, Rule, RuleSpec};
use testudo_core::velocity::Rate;

/// `[registration]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RegistrationSection {
    /// Clients register by evidence: a software statement or a certificate. Default: `true`.
    pub statements: Option<bool>,
    /// Clients are registered by a sponsor: a client that sends an access token of this server for the registration
    /// endpoint with the scope value `client.register`. Default: `false`.
    pub initial_access_tokens: bool,
    /// Clients without evidence may register, for a limited time and within limits: `true` for the defaults, or a table
    /// with settings. Default: `false`.
    pub open: OpenDoor,
}

/// `registration.open`: closed, open, or open with settings of its own.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum OpenDoor {
    /// `true`: open with the defaults. `false`: closed.
    Switch(bool),
    /// Open, with these settings.
    Settings(Box<OpenSection>),
}

impl Default for OpenDoor {
    fn default() -> OpenDoor {
        OpenDoor::Switch(false)
    }
}

/// Written by hand, so that the error names an unknown key in the settings; serde's own error for an untagged enum
/// names none.
impl<'de> Deserialize<'de> for OpenDoor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SwitchOrSettings;
        impl<'de> serde::de::Visitor<'de> for SwitchOrSettings {
            type Value = OpenDoor;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false or a table")
            }
            fn visit_bool<E>(self, open: bool) -> Result<OpenDoor, E> {
                Ok(OpenDoor::Switch(open))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<OpenDoor, A::Error> {
                let settings = OpenSection::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(OpenDoor::Settings(Box::new(settings)))
            }
        }
        deserializer.deserialize_any(SwitchOrSettings)
    }
}

/// `[registration.open]`: what clients without attester and sponsor may have.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OpenSection {
    /// Scope values that may be registered. Default: none.
    pub scopes: Vec<String>,
    /// Scope values given when none is asked for. Default: none.
    pub default_scopes: Vec<String>,
    /// Resources that tokens may be for; the first is the default.
    pub resources: Vec<String>,
    /// Grant types that may be registered. Default: `["authorization_code", "refresh_token"]`.
    pub grant_types: Option<Vec<String>>,
    /// Whether authorization requests of these clients must be pushed. Default: `"required"`.
    pub pushed_authorization: Option<PushedAuthorization>,
    /// For how long a person grants access, or `"none"` for no end; access ends with the client at the latest. Default:
    /// `"90d"`.
    pub authorization_lifetime: Option<String>,
    /// A refresh token that was not used for this time ends. Default: `"14d"`.
    pub refresh_token_idle_lifetime: Option<String>,
    /// Groups of people who may use these clients: `PROVIDER/GROUP`, or a group of this server. Default: none; then every
    /// person may.
    pub groups: Vec<String>,
    /// Lifetime of a client from its registration; after it, the client counts as unknown. Default: `"30d"`.
    pub client_lifetime: Option<String>,
    /// A client that was not used for this time is removed, unless a person has a valid refresh token of it or a consent
    /// for it. Default: `"7d"`.
    pub client_idle_lifetime: Option<String>,
    /// A shorter lifetime of access tokens. Default: that of `tokens.access_token_lifetime`.
    pub access_token_lifetime: Option<String>,
    /// New clients per minute, of all addresses together. Default: `60`.
    pub registrations_per_minute: Option<u32>,
    /// New clients at once. Default: the rate.
    pub registrations_burst: Option<u32>,
    /// New clients per minute from one address, or one /64 of IPv6. Default: `10`.
    pub registrations_per_minute_per_address: Option<u32>,
    /// Clients registered without evidence, at most. Default: `1000`.
    pub clients_max: Option<u64>,
    /// Clients may register `jwks_uri`, from which this server fetches their keys. Default: `false`; then only `jwks`.
    pub jwks_uri: bool,
}

/// Name, in events and counters, of the rule for clients that register without evidence.
const OPEN_RULE: &str = "registration.open";

impl Checker<'_> {
    pub(super) fn registration(
        &mut self,
        section: Option<&RegistrationSection>,
        rules: &[RuleSpec],
    ) -> RegistrationPolicy {
        let Some(section) = section else {
            return RegistrationPolicy::default();
        };
        let open = match &section.open {
            OpenDoor::Switch(false) => None,
            OpenDoor::Switch(true) => self.open_door(&OpenSection::default()),
            OpenDoor::Settings(settings) => self.open_door(settings),
        };
        let policy = RegistrationPolicy {
            receives_certificates: false,
            takes_evidence: section.statements.unwrap_or(true),
            takes_initial_access_tokens: section.initial_access_tokens,
            open,
        };
        let may_vouch = |rule: &RuleSpec| rule.scopes.iter().any(|scope| scope == SCOPE_REGISTER);
        let is_useless = policy.takes_initial_access_tokens && !rules.iter().any(may_vouch);
        if is_useless && !self.report.is_unread("rules") {
            let hint = "add it to the scopes of a rule, and the registration endpoint to its resources";
            self.report.warn(
                "registration.initial_access_tokens",
                format!(
                    "is on, and no rule has the scope {SCOPE_REGISTER:?}: no client can get such a token"
                ),
                Some(hint),
            );
        }
        policy
    }

    fn open_door(&mut self, section: &OpenSection) -> Option<OpenPolicy> {
        let grant_types = section.grant_types.clone();
        let spec = RuleSpec {
            name: OPEN_RULE.to_owned(),
            scopes: section.scopes.clone(),
            default_scopes: section.default_scopes.clone(),
            resources: section.resources.clone(),
            grant_types: Some(
                grant_types.unwrap_or_else(|| vec!["authorization_code".into(), "refresh_token".into()]),
            ),
            pushed_authorization: Some(
                section
                    .pushed_authorization
                    .unwrap_or(PushedAuthorization::Required),
            ),
            authorization_lifetime: section.authorization_lifetime.clone(),
            refresh_token_idle_lifetime: section.refresh_token_idle_lifetime.clone(),
            groups: section.groups.clone(),
            client_lifetime: Some(section.client_lifetime.clone().unwrap_or("30d".into())),
            client_idle_lifetime: Some(section.client_idle_lifetime.clone().unwrap_or("7d".into())),
            access_token_lifetime: section.access_token_lifetime.clone(),
            registrations_per_minute: Some(section.registrations_per_minute.unwrap_or(60)),
            registrations_burst: section.registrations_burst,
            clients_max: Some(section.clients_max.unwrap_or(1000)),
            ..RuleSpec::default()
        };
        if !spec
            .grant_types
            .iter()
            .flatten()
            .any(|grant| grants::is_offered(grant, self.people_sign_in))
        {
            let problem = "has only grant types for which a person signs in, and there is no [login]: clients can register and cannot get a token";
            let hint = "add [login], or client_credentials for clients with keys";
            self.report
                .warn(format!("{OPEN_RULE}.grant_types"), problem, Some(hint));
        }
        self.lifetimes_of_people(OPEN_RULE, &spec);
        let per_address = section.registrations_per_minute_per_address.map(u64::from);
        let limits = [("registrations_per_minute_per_address", per_address)];
        self.limits_are_not_zero(OPEN_RULE, &limits, "to register no client, set open = false");
        match Rule::compile_for_client(&spec) {
            Ok(rule) => Some(OpenPolicy {
                rule,
                takes_jwks_uri: section.jwks_uri,
                per_address: Rate::new(section.registrations_per_minute_per_address.unwrap_or(10), None),
            }),
            Err(errors) => {
                self.rule_errors(OPEN_RULE, errors);
                None
            }
        }
    }
}

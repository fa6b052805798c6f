//! `[registration]`: which doors of the registration endpoint are open, and what strangers may have.

use super::judge::Judge;
use super::sections::{ConfigFile, OpenDoor, OpenSection};
use testudo_core::occasions::unattested::SCOPE_REGISTER;
use testudo_core::policy::{OpenPolicy, RegistrationPolicy};
use testudo_core::rules::{Rule, RuleSpec};
use testudo_core::velocity::Rate;
use testudo_protocol::oauth::GRANT_CLIENT_CREDENTIALS;

/// Name of the rule that the open door is, in events and counters.
const OPEN_RULE: &str = "registration.open";

impl Judge<'_> {
    pub(super) fn registration(&mut self, file: &ConfigFile) -> RegistrationPolicy {
        let Some(section) = &file.registration else {
            return RegistrationPolicy::default();
        };
        let open = match &section.open {
            OpenDoor::Switch(false) => None,
            OpenDoor::Switch(true) => self.open_door(&OpenSection::default()),
            OpenDoor::Settings(settings) => self.open_door(settings),
        };
        let policy = RegistrationPolicy {
            takes_evidence: section.statements.unwrap_or(true),
            takes_initial_access_tokens: section.initial_access_tokens,
            open,
        };
        let may_vouch = |rule: &RuleSpec| rule.scopes.iter().any(|scope| scope == SCOPE_REGISTER);
        if policy.takes_initial_access_tokens && !file.rules.iter().any(may_vouch) {
            let hint = "add it to the scopes of a rule, and the registration endpoint to its resources";
            self.report.warn(
                "registration.initial_access_tokens",
                format!("is on, and no rule has the scope {SCOPE_REGISTER:?}: nobody gets such a token"),
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
            client_lifetime: Some(section.client_lifetime.clone().unwrap_or("30d".into())),
            client_idle_lifetime: Some(section.client_idle_lifetime.clone().unwrap_or("7d".into())),
            access_token_lifetime: section.access_token_lifetime.clone(),
            registrations_per_minute: Some(section.registrations_per_minute.unwrap_or(60)),
            registrations_burst: section.registrations_burst,
            clients_max: Some(section.clients_max.unwrap_or(1000)),
            ..RuleSpec::default()
        };
        let is_usable = |grant: &String| grant == GRANT_CLIENT_CREDENTIALS;
        if !spec.grant_types.iter().flatten().any(is_usable) {
            let problem = "has only grants that redirect: they can be registered and not yet used, this version has no authorization endpoint";
            let hint = "add client_credentials for clients with keys";
            self.report
                .warn(format!("{OPEN_RULE}.grant_types"), problem, Some(hint));
        }
        if section.registrations_per_minute_per_address == Some(0) {
            let key = format!("{OPEN_RULE}.registrations_per_minute_per_address");
            self.report
                .error(key, "is zero", Some("to register nobody, set open = false"));
        }
        match Rule::compile_for_client(&spec) {
            Ok(rule) => Some(OpenPolicy {
                rule,
                takes_jwks_uri: section.jwks_uri,
                per_address: Rate::new(section.registrations_per_minute_per_address.unwrap_or(10), None),
            }),
            Err(faults) => {
                for fault in faults {
                    let key = format!("{OPEN_RULE}.{}", fault.key);
                    self.report.error(key, fault.problem, fault.hint);
                }
                None
            }
        }
    }
}

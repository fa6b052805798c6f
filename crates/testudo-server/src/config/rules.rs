//! `[[rules]]` and `[[clients]]`: who may have what.

use super::judge::Judge;
use super::sections::{ClientSection, ConfigFile, JwksSection};
use std::collections::HashMap;
use testudo_core::policy::{ConfiguredClient, TrustDomainPolicy};
use testudo_core::rules::client_id::ClientIdTemplate;
use testudo_core::rules::reserved_ids::{ReservedIds, built_in};
use testudo_core::rules::{GrainOfClient, Pattern};
use testudo_core::rules::{Rule, RuleSet, RuleSpec};
use testudo_protocol::jose::KeySet;
use testudo_protocol::limits::IDENTIFIER_BYTES_MAX;
use testudo_protocol::oauth::{GRANT_CLIENT_CREDENTIALS, is_vschar};

/// Ids that no rule's template makes: those of this server, and those in the names of other issuers.
pub(super) fn reserved_ids(file: &ConfigFile) -> ReservedIds {
    let issuers = file.issuers.iter().filter_map(|issuer| issuer.issuer.as_deref());
    ReservedIds {
        prefixes: file
            .issuers
            .iter()
            .map(|issuer| format!("{}:", issuer.name).into())
            .collect(),
        issuers: file
            .issuer
            .as_deref()
            .into_iter()
            .chain(issuers)
            .map(Box::from)
            .collect(),
    }
}

impl Judge<'_> {
    pub(super) fn rules(
        &mut self,
        specs: &[RuleSpec],
        domains: &HashMap<Box<str>, TrustDomainPolicy>,
    ) -> RuleSet {
        let mut rules: Vec<Rule> = Vec::new();
        for (position, spec) in specs.iter().enumerate() {
            let key = format!("rules[{position}]");
            match Rule::compile(spec) {
                Ok(rule) => {
                    if rules.iter().any(|known| known.name == rule.name) {
                        self.report.error(
                            format!("{key}.name"),
                            format!("{:?} is there twice", rule.name),
                            None,
                        );
                    }
                    let is_served = |grant: &&String| *grant == GRANT_CLIENT_CREDENTIALS;
                    for grant in rule.grant_types.iter().filter(|grant| !is_served(grant)) {
                        let problem = format!(
                            "{grant:?} is not served by this version: a client can register for it, and not use it"
                        );
                        self.report.warn(format!("{key}.grant_types"), problem, None);
                    }
                    for pattern in &rule.patterns {
                        if !domains.contains_key(pattern.trust_domain()) {
                            let problem =
                                format!("{:?} is outside every configured trust domain", pattern.as_str());
                            let hint =
                                format!("add a [[trust_domains]] entry named {:?}", pattern.trust_domain());
                            self.report
                                .warn(format!("{key}.identities"), problem, Some(&hint));
                        }
                    }
                    self.ids_may_clash(&key, &rule);
                    rules.push(rule);
                }
                Err(faults) => {
                    for fault in faults {
                        self.report
                            .error(format!("{key}.{}", fault.key), fault.problem, fault.hint);
                    }
                }
            }
        }
        let rules = RuleSet::new(rules);
        for (rule, by) in rules.shadowed() {
            let problem = format!(
                "never governs: rule `{}` before it matches everything it matches",
                by.name
            );
            self.report.warn(
                format!("rule `{}`", rule.name),
                problem,
                Some("move it up, or remove it"),
            );
        }
        if rules.iter().next().is_none() {
            self.report
                .warn("rules", "is empty: no workload gets a token", None);
        }
        rules
    }

    /// A template that leaves out what tells two identities apart gives both one id: the second is refused.
    fn ids_may_clash(&mut self, key: &str, rule: &Rule) {
        let ClientIdTemplate::Template(pieces) = &rule.client_id else {
            return;
        };
        let is_used = |name: &str| {
            let mut captures = pieces.iter().filter_map(|piece| piece.capture());
            captures.any(|used| used == name)
        };
        let mut domains = rule.patterns.iter().map(|pattern| pattern.trust_domain());
        let first = domains.next();
        let has_several = domains.any(|domain| Some(domain) != first);
        // Instances of one workload are one client, where the rule says so.
        let is_folded = |name: &str| name == "instance" && rule.client == GrainOfClient::Workload;
        let is_loose = |pattern: &Pattern| {
            let mut captures = pattern.capture_names();
            pattern.has_wildcards() || captures.any(|name| !is_used(name) && !is_folded(name))
        };
        if has_several || rule.patterns.iter().any(is_loose) {
            let problem =
                "gives several identities of the rule one id: the first keeps it, the others are refused";
            let hint = "use every capture in it, capture what is * now, and write one rule per trust domain";
            self.report.warn(format!("{key}.client_id"), problem, Some(hint));
        }
    }

    pub(super) fn clients(&mut self, sections: &[ClientSection]) -> HashMap<Box<str>, ConfiguredClient> {
        let mut clients = HashMap::new();
        for (position, section) in sections.iter().enumerate() {
            let key = format!("clients[{position}]");
            let id = section.client_id.as_str();
            let is_legal = !id.is_empty()
                && id.len() <= IDENTIFIER_BYTES_MAX
                && is_vschar(id)
                && !matches!(
                    built_in(id),
                    Some("c_" | "u_" | "spiffe:" | "http:" | "https:" | "vc:")
                );
            if !is_legal {
                self.report.error(
                    format!("{key}.client_id"),
                    format!("{id:?} cannot be a configured client's id"),
                    Some("expected: 1 to 2048 printable ASCII characters, neither a SPIFFE ID nor a URL, and not beginning with c_, u_ or vc:"),
                );
            }
            if clients.contains_key(id) {
                self.report
                    .error(format!("{key}.client_id"), format!("{id:?} is there twice"), None);
            }
            if section
                .token_endpoint_auth_method
                .as_deref()
                .is_some_and(|method| method != "private_key_jwt")
            {
                self.report.error(
                    format!("{key}.token_endpoint_auth_method"),
                    "must be \"private_key_jwt\": there are no client secrets here",
                    None,
                );
            }
            let keys = self.client_keys(&key, section.jwks.as_ref());
            let spec = RuleSpec {
                name: format!("client {id}"),
                scopes: section.scopes.clone(),
                default_scopes: section.default_scopes.clone(),
                resources: section.resources.clone(),
                grant_types: section.grant_types.clone(),
                client_name: section.client_name.clone(),
                access_token_lifetime: section.access_token_lifetime.clone(),
                ..RuleSpec::default()
            };
            match (Rule::compile_for_client(&spec), keys) {
                (Ok(rule), Some(keys)) => {
                    clients.insert(
                        id.into(),
                        ConfiguredClient {
                            keys: keys.into(),
                            rule,
                        },
                    );
                }
                (Ok(_), None) => {}
                (Err(faults), _) => {
                    for fault in faults {
                        self.report
                            .error(format!("{key}.{}", fault.key), fault.problem, fault.hint);
                    }
                }
            }
        }
        clients
    }

    pub(super) fn client_keys(&mut self, key: &str, section: Option<&JwksSection>) -> Option<KeySet> {
        let key = format!("{key}.jwks");
        let bytes = match section {
            Some(JwksSection {
                file: Some(file),
                keys: None,
            }) => {
                let path = self.path(file);
                match std::fs::read(&path) {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        self.report
                            .error(&key, format!("{} cannot be read: {error}", path.display()), None);
                        return None;
                    }
                }
            }
            Some(JwksSection {
                file: None,
                keys: Some(keys),
            }) => serde_json::json!({ "keys": keys }).to_string().into_bytes(),
            _ => {
                self.report
                    .error(&key, "must have exactly one of file, keys", None);
                return None;
            }
        };
        match KeySet::from_client_jwks(&bytes) {
            Ok(keys) if !keys.is_empty() => Some(keys),
            Ok(_) => {
                self.report.error(&key, "has no keys", None);
                None
            }
            Err(problem) => {
                self.report.error(
                    &key,
                    format!("is not a JWK Set of usable public keys: {problem}"),
                    None,
                );
                None
            }
        }
    }
}

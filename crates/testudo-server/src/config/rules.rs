//! `[[rules]]`: which identities may have which scopes and resources.

use super::checker::Checker;
use super::instances::{captures_instance, credentials_name_instances};
use std::collections::HashMap;
use testudo_core::grants;
use testudo_core::identity::ClaimSource;
use testudo_core::policy::AuthorityPolicy;
use testudo_core::rules::client_id::ClientIdTemplate;
use testudo_core::rules::{ClaimCaptures, GrainOfClient, INSTANCE, Pattern, Rule, RuleSet, RuleSpec};
use testudo_core::{Authority, AuthorityKind, CredentialKind};
use testudo_protocol::Seconds;

impl Checker<'_> {
    pub(super) fn rules(
        &mut self,
        specs: &[RuleSpec],
        authorities: &HashMap<Authority, AuthorityPolicy>,
        captures: HashMap<Authority, Vec<(String, ClaimSource)>>,
    ) -> RuleSet {
        let captures = ClaimCaptures::new(captures);
        let mut rules: Vec<Rule> = Vec::new();
        let mut names: HashMap<&str, usize> = HashMap::new();
        for (position, spec) in specs.iter().enumerate() {
            let key = format!("rules[{position}]");
            match names.get(spec.name.as_str()) {
                // A missing name is an error of its own.
                Some(first) if !spec.name.is_empty() => {
                    let first = format!("rules[{first}].name");
                    self.report.twice(&format!("{key}.name"), &spec.name, &first);
                }
                _ => drop(names.insert(&spec.name, position)),
            }
            // A rule with an error is checked too, so that all problems are reported at once.
            self.grants_are_served(&key, spec);
            self.authorities_are_configured(&key, spec, authorities);
            self.attesters_are_configured(&format!("{key}.attested_by"), &spec.attested_by, authorities);
            self.attestation_is_possible(&key, spec, authorities);
            match Rule::compile_with(spec, &captures) {
                Ok(rule) => {
                    self.ids_may_clash(&key, &rule, authorities);
                    self.instances_of_rule(&key, spec, &rule, authorities);
                    self.rule_can_allow(&key, &rule, authorities);
                    self.rule_of_ci_systems(&key, &rule, authorities);
                    rules.push(rule);
                }
                Err(errors) => self.rule_errors(&key, errors),
            }
        }
        let rules = RuleSet::new(rules, captures);
        for (rule, by) in rules.shadowed() {
            let position = specs.iter().position(|spec| spec.name == rule.name);
            let problem = format!(
                "never governs: the earlier rule `{}` matches every identity that this rule matches",
                by.name
            );
            self.report.warn(
                format!("rules[{}]", position.unwrap_or_default()),
                problem,
                Some("move it up, or remove it"),
            );
        }
        if specs.is_empty() && !self.report.is_unread("rules") {
            self.report
                .warn("rules", "is empty: no workload gets a token", None);
        }
        rules
    }

    /// Warns of a lifetime that has no effect, because a rule can only shorten the lifetime of all tokens.
    pub(super) fn lifetimes_of_rules(&mut self, specs: &[RuleSpec], of_all: Seconds) {
        for (position, spec) in specs.iter().enumerate() {
            let text = spec.access_token_lifetime.as_deref().unwrap_or_default();
            if Seconds::parse(text).is_ok_and(|lifetime| lifetime > of_all) {
                self.report.warn(
                    format!("rules[{position}].access_token_lifetime"),
                    format!(
                        "{text:?} has no effect: it is longer than tokens.access_token_lifetime, {} s, and the shorter one applies",
                        of_all.0
                    ),
                    Some("shorten it, or lengthen tokens.access_token_lifetime"),
                );
            }
            self.lifetimes_of_people(&format!("rules[{position}]"), spec);
        }
    }

    /// Warns of a written lifetime that has no effect, because what people grant to a client ends with the client.
    pub(super) fn lifetimes_of_people(&mut self, key: &str, spec: &RuleSpec) {
        let text = spec.client_lifetime.as_deref().unwrap_or_default();
        let Ok(of_client) = Seconds::parse(text) else {
            return;
        };
        for (name, written) in [
            ("authorization_lifetime", &spec.authorization_lifetime),
            ("refresh_token_idle_lifetime", &spec.refresh_token_idle_lifetime),
        ] {
            let Some(written) = written.as_deref() else {
                continue;
            };
            // `none`: without end.
            let is_shorter = Seconds::parse(written).is_ok_and(|lifetime| lifetime <= of_client);
            if !is_shorter {
                self.report.warn(
                    format!("{key}.{name}"),
                    format!(
                        "{written:?} has no effect: what people grant to a client ends with the client, and client_lifetime is {text:?}"
                    ),
                    Some("shorten it, or lengthen client_lifetime"),
                );
            }
        }
    }

    fn grants_are_served(&mut self, key: &str, spec: &RuleSpec) {
        for (entry, grant) in spec.grant_types.iter().flatten().enumerate() {
            if grants::is_offered(grant, self.people_sign_in) {
                continue;
            }
            let key = format!("{key}.grant_types[{entry}]");
            if grants::is_served(grant) {
                let problem = format!(
                    "{grant:?} needs people who sign in, and there is no [login]: a client can register for it, and not use it"
                );
                let hint = "add [login], or remove the grant type";
                self.report.warn(key, problem, Some(hint));
            } else {
                let problem = format!(
                    "{grant:?} is not served by this version: a client can register for it, and not use it"
                );
                self.report.warn(key, problem, None);
            }
        }
    }

    fn authorities_are_configured(
        &mut self,
        key: &str,
        spec: &RuleSpec,
        authorities: &HashMap<Authority, AuthorityPolicy>,
    ) {
        if !self.knows_all_authorities {
            return;
        }
        for (entry, name) in spec.authorities.iter().enumerate() {
            let authority = Authority::issuer(name);
            if authority.is_some_and(|authority| !authorities.contains_key(&authority)) {
                let problem = format!("{name:?} is no issuer that has a door in this version");
                let hint = format!("add an [[issuers]] entry named {name:?}");
                self.report
                    .warn(format!("{key}.authorities[{entry}]"), problem, Some(&hint));
            }
        }
        for (entry, text) in spec.identities.iter().enumerate() {
            // A pattern with an error is reported where the rule is compiled.
            if let Ok(pattern) = Pattern::parse(text)
                && !authorities.contains_key(pattern.authority())
            {
                self.has_no_authority(&format!("{key}.identities[{entry}]"), &pattern);
            }
        }
    }

    /// `attested_by` of a rule or a client, and `attesters` of an issuer of credentials, name attesters.
    pub(super) fn attesters_are_configured(
        &mut self,
        key: &str,
        attested_by: &[String],
        authorities: &HashMap<Authority, AuthorityPolicy>,
    ) {
        if !self.knows_all_authorities {
            return;
        }
        for (entry, name) in attested_by.iter().enumerate() {
            // A name with an error in a rule is reported where the rule is compiled.
            if Authority::issuer(name).is_some_and(|attester| !attests_keys(&attester, authorities)) {
                let problem = format!("{name:?} is no attester");
                let hint = format!("add an [[issuers]] entry named {name:?} with kind = \"attester\"");
                self.report.error(format!("{key}[{entry}]"), problem, Some(&hint));
            }
        }
    }

    /// The identities of an attester authenticate with an attestation, and a request can have only one.
    fn attestation_is_possible(
        &mut self,
        key: &str,
        spec: &RuleSpec,
        authorities: &HashMap<Authority, AuthorityPolicy>,
    ) {
        if spec.attested_by.is_empty() {
            return;
        }
        let of_attester = |authority: Option<Authority>| {
            authority.is_some_and(|authority| attests_keys(&authority, authorities))
        };
        let patterns = spec.identities.iter().enumerate().map(|(entry, text)| {
            let pattern = Pattern::parse(text).ok();
            let authority = pattern.map(|pattern| pattern.authority().clone());
            (format!("identities[{entry}]"), authority)
        });
        let named = spec.authorities.iter().enumerate();
        let named = named.map(|(entry, name)| (format!("authorities[{entry}]"), Authority::issuer(name)));
        for (place, authority) in patterns.chain(named) {
            if of_attester(authority) {
                let problem = "is of an attester: its clients cannot send a second attestation";
                let hint = Some("write a rule of its own without attested_by for these identities");
                self.report.error(format!("{key}.{place}"), problem, hint);
            }
        }
    }

    /// No identity comes from an authority that is not configured.
    fn has_no_authority(&mut self, key: &str, pattern: &Pattern) {
        let (authority, text) = (pattern.authority(), pattern.as_str());
        let (problem, section) = match authority.kind() {
            AuthorityKind::Spiffe => ("is outside every configured trust domain", "trust_domains"),
            AuthorityKind::Issuer | AuthorityKind::Configuration | AuthorityKind::Registration => {
                ("is of no issuer that has a door in this version", "issuers")
            }
        };
        let hint = format!("add a [[{section}]] entry named {:?}", authority.name());
        self.report.warn(key, format!("{text:?} {problem}"), Some(&hint));
    }

    /// Warns of a template that gives two identities the same client id, because it does not use every capture: the second
    /// identity is refused.
    fn ids_may_clash(&mut self, key: &str, rule: &Rule, authorities: &HashMap<Authority, AuthorityPolicy>) {
        let ClientIdTemplate::Template(pieces) = &rule.client_id else {
            return;
        };
        let is_used = |name: &str| {
            let mut captures = pieces.iter().filter_map(|piece| piece.capture());
            captures.any(|used| used == name)
        };
        let mut named = rule.patterns.iter().map(|pattern| pattern.authority());
        let first = named.next();
        let has_several = named.any(|authority| Some(authority) != first);
        // With `client = "workload"`, all instances of a workload are one client.
        let is_folded = |name: &str| name == INSTANCE && rule.client == GrainOfClient::Workload;
        let is_loose = |pattern: &Pattern| {
            // The instance that the credential names is no capture.
            let is_by_credential = rule.client == GrainOfClient::Instance
                && !captures_instance(pattern)
                && credentials_name_instances(rule, pattern, authorities);
            let mut captures = pattern.capture_names();
            is_by_credential
                || pattern.has_wildcards()
                || captures.any(|name| !is_used(name) && !is_folded(name))
        };
        if has_several || rule.patterns.iter().any(is_loose) {
            let problem = "gives several identities of the rule the same id: the first one gets it, the others are refused";
            let hint = "use every capture in it, capture what is * now, and write one rule per trust domain";
            self.report.warn(format!("{key}.client_id"), problem, Some(hint));
        }
    }
}

/// True for a configured attester.
fn attests_keys(authority: &Authority, authorities: &HashMap<Authority, AuthorityPolicy>) -> bool {
    let policy = authorities.get(authority);
    policy.is_some_and(|policy| policy.credentials.contains(&CredentialKind::Attestation))
}

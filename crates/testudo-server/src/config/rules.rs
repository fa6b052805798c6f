//! `[[rules]]`: which identities may have which scopes and resources.

use super::checker::Checker;
use std::collections::HashMap;
use testudo_core::grants;
use testudo_core::policy::AuthorityPolicy;
use testudo_core::rules::client_id::ClientIdTemplate;
use testudo_core::rules::{GrainOfClient, Pattern};
use testudo_core::rules::{Rule, RuleSet, RuleSpec};
use testudo_core::{Authority, AuthorityKind};

impl Checker<'_> {
    pub(super) fn rules(
        &mut self,
        specs: &[RuleSpec],
        authorities: &HashMap<Authority, AuthorityPolicy>,
    ) -> RuleSet {
        let mut rules: Vec<Rule> = Vec::new();
        for (position, spec) in specs.iter().enumerate() {
            let key = format!("rules[{position}]");
            match Rule::compile(spec) {
                Ok(rule) => {
                    if rules.iter().any(|known| known.name == rule.name) {
                        let first = specs.iter().position(|spec| spec.name == rule.name);
                        let first = format!("rules[{}].name", first.unwrap_or_default());
                        self.report.twice(&format!("{key}.name"), &rule.name, &first);
                    }
                    for (entry, grant) in rule.grant_types.iter().enumerate() {
                        if !grants::is_served(grant) {
                            let problem = format!(
                                "{grant:?} is not served by this version: a client can register for it, and not use it"
                            );
                            self.report
                                .warn(format!("{key}.grant_types[{entry}]"), problem, None);
                        }
                    }
                    for (entry, pattern) in rule.patterns.iter().enumerate() {
                        if self.knows_all_authorities && !authorities.contains_key(pattern.authority()) {
                            self.has_no_authority(&format!("{key}.identities[{entry}]"), pattern);
                        }
                    }
                    self.ids_may_clash(&key, &rule);
                    rules.push(rule);
                }
                Err(errors) => self.rule_errors(&key, errors),
            }
        }
        let rules = RuleSet::new(rules);
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
    fn ids_may_clash(&mut self, key: &str, rule: &Rule) {
        let ClientIdTemplate::Template(pieces) = &rule.client_id else {
            return;
        };
        let is_used = |name: &str| {
            let mut captures = pieces.iter().filter_map(|piece| piece.capture());
            captures.any(|used| used == name)
        };
        let mut authorities = rule.patterns.iter().map(|pattern| pattern.authority());
        let first = authorities.next();
        let has_several = authorities.any(|authority| Some(authority) != first);
        // With `client = "workload"`, all instances of a workload are one client.
        let is_folded = |name: &str| name == "instance" && rule.client == GrainOfClient::Workload;
        let is_loose = |pattern: &Pattern| {
            let mut captures = pattern.capture_names();
            pattern.has_wildcards() || captures.any(|name| !is_used(name) && !is_folded(name))
        };
        if has_several || rule.patterns.iter().any(is_loose) {
            let problem = "gives several identities of the rule the same id: the first one gets it, the others are refused";
            let hint = "use every capture in it, capture what is * now, and write one rule per trust domain";
            self.report.warn(format!("{key}.client_id"), problem, Some(hint));
        }
    }
}

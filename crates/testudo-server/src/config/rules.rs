//! `[[rules]]`: who may have what.

use super::judge::Judge;
use std::collections::HashMap;
use testudo_core::policy::TrustDomainPolicy;
use testudo_core::rules::client_id::ClientIdTemplate;
use testudo_core::rules::{GrainOfClient, Pattern};
use testudo_core::rules::{Rule, RuleSet, RuleSpec};
use testudo_protocol::oauth::GRANT_CLIENT_CREDENTIALS;

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
}

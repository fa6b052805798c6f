//! Warnings of rules whose instances are not what the rule suggests.

use super::checker::Checker;
use std::collections::HashMap;
use testudo_core::Authority;
use testudo_core::policy::AuthorityPolicy;
use testudo_core::rules::{GrainOfClient, INSTANCE, Pattern, Rule, RuleSpec};

impl Checker<'_> {
    /// Warns of a rule that makes a client of each instance and cannot distinguish instances, and of one that makes one
    /// client of all instances and names it by one of them.
    pub(super) fn instances_of_rule(
        &mut self,
        key: &str,
        spec: &RuleSpec,
        rule: &Rule,
        authorities: &HashMap<Authority, AuthorityPolicy>,
    ) {
        match rule.client {
            GrainOfClient::Instance => self.instances_are_named(key, rule, authorities),
            GrainOfClient::Workload => self.shared_client_is_not_named_by_one(key, spec),
        }
    }

    fn instances_are_named(
        &mut self,
        key: &str,
        rule: &Rule,
        authorities: &HashMap<Authority, AuthorityPolicy>,
    ) {
        let is_named = |pattern: &&Pattern| {
            let is_unknown = !authorities.contains_key(pattern.authority());
            is_unknown || captures_instance(pattern) || credentials_name_instances(rule, pattern, authorities)
        };
        if let Some(pattern) = rule.patterns.iter().find(|pattern| !is_named(pattern)) {
            let problem = format!(
                "has no effect on {:?}: neither the pattern nor a credential of its identities names an instance",
                pattern.as_str()
            );
            let hint = Some("write {instance} as the last segment of the pattern, or remove this key");
            self.report.warn(format!("{key}.client"), problem, hint);
        }
    }

    fn shared_client_is_not_named_by_one(&mut self, key: &str, spec: &RuleSpec) {
        let one = |name: &'static str, text: &Option<String>| (name.to_owned(), text.clone());
        let many = |name: &'static str, texts: &[String]| {
            let entries = texts.iter().cloned().enumerate();
            let named = entries.map(move |(entry, text)| (format!("{name}[{entry}]"), Some(text)));
            named.collect::<Vec<_>>()
        };
        let mut texts = vec![
            one("client_id", &spec.client_id),
            one("client_name", &spec.client_name),
            one("client_uri", &spec.client_uri),
            one("logo_uri", &spec.logo_uri),
        ];
        texts.extend(many("redirect_uris", &spec.redirect_uris));
        texts.extend(many("redirect_uri_hosts", &spec.redirect_uri_hosts));
        let braced = format!("{{{INSTANCE}}}");
        for (name, text) in texts {
            if text.is_some_and(|text| text.contains(&braced)) {
                let problem = "uses {instance}, and all instances share one client: it gets the value of the instance that is seen first";
                let hint = Some("remove {instance} from it, or set client = \"instance\"");
                self.report.warn(format!("{key}.{name}"), problem, hint);
            }
        }
    }
}

/// True if the pattern ends in `{instance}`.
pub(super) fn captures_instance(pattern: &Pattern) -> bool {
    pattern.capture_names().any(|name| name == INSTANCE)
}

/// True if a credential that the authority of the pattern may issue, and that the rule takes, names an instance.
pub(super) fn credentials_name_instances(
    rule: &Rule,
    pattern: &Pattern,
    authorities: &HashMap<Authority, AuthorityPolicy>,
) -> bool {
    let policy = authorities.get(pattern.authority());
    let mut kinds = policy.into_iter().flat_map(|policy| &policy.credentials);
    kinds.any(|kind| {
        let is_taken = rule.credentials.as_ref().is_none_or(|taken| taken.contains(kind));
        is_taken && kind.names_instances()
    })
}

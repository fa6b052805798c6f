//! Rules, trust domains and clients with which every request is refused, although each value by itself is good.

use super::checker::Checker;
use super::clients::ClientSection;
use super::trust::TrustDomainSection;
use std::collections::HashMap;
use testudo_core::identity::{SenderConstraint, VerifiedBy};
use testudo_core::policy::AuthorityPolicy;
use testudo_core::rules::{Rule, RuleSet};
use testudo_core::{Authority, CredentialKind};

impl Checker<'_> {
    /// A rule can allow a request only if one of its authorities takes a kind of credential that the rule takes, and
    /// with `sender_constraint = "mtls"` a certificate. A DPoP proof can be sent with any credential.
    pub(super) fn rule_can_allow(
        &mut self,
        key: &str,
        rule: &Rule,
        authorities: &HashMap<Authority, AuthorityPolicy>,
    ) {
        let configured: Option<Vec<&AuthorityPolicy>> = rule
            .all_authorities()
            .map(|authority| authorities.get(authority))
            .collect();
        // An authority that is not configured is already reported.
        let Some(configured) = configured.filter(|_| rule.enabled && self.knows_all_authorities) else {
            return;
        };
        let is_taken =
            |kind: &&CredentialKind| rule.credentials.as_ref().is_none_or(|taken| taken.contains(kind));
        let taken: Vec<CredentialKind> = configured
            .iter()
            .flat_map(|authority| authority.credentials.iter().filter(is_taken).copied())
            .collect();
        if taken.is_empty()
            && configured
                .iter()
                .any(|authority| !authority.credentials.is_empty())
        {
            let hint = "add a kind of credential that the rule takes to `credentials` of the trust domain, or one of the trust domain to `credentials` of the rule";
            let problem = "has no kind of credential that a trust domain of its identities takes: every request under this rule would be refused";
            self.report
                .error(format!("{key}.credentials"), problem, Some(hint));
            return;
        }
        let has_certificate = taken
            .iter()
            .any(|kind| kind.verified_by() == Some(VerifiedBy::Certificates));
        if rule.sender_constraint == SenderConstraint::Mtls && !taken.is_empty() && !has_certificate {
            let hint = "add \"x509_svid\" to `credentials`, or set sender_constraint = \"dpop\"";
            let problem = "is \"mtls\", and no client certificate is accepted from the identities of this rule: every request would be refused";
            self.report
                .error(format!("{key}.sender_constraint"), problem, Some(hint));
        }
    }

    /// Reports the clients without a credential whose tokens must be bound to a certificate, where no certificate can arrive.
    pub(super) fn public_clients_without_certificates(&mut self, clients: &[ClientSection]) {
        for (position, client) in clients.iter().enumerate() {
            if client.must_bind_to_certificate() {
                let hint = "set server.tls, or server.proxy behind a TLS terminator, or sender_constraint = \"dpop\"";
                let problem = "is \"mtls\", and no client certificate can arrive without server.tls: every token request of this client would be refused";
                self.report.error(
                    format!("clients[{position}].sender_constraint"),
                    problem,
                    Some(hint),
                );
            }
        }
    }

    /// Warns of a trust domain that no rule names: it may be configured before its rules are.
    pub(super) fn trust_domains_have_rules(&mut self, sections: &[TrustDomainSection], rules: &RuleSet) {
        let mut names_of_rules = rules.iter().flat_map(Rule::all_authorities).peekable();
        // A rule with an error may name the trust domain; without rules, `rules` is reported.
        let has_bad_rule = self
            .report
            .errors()
            .any(|problem| problem.key.starts_with("rules"));
        if has_bad_rule || names_of_rules.peek().is_none() {
            return;
        }
        let named: Vec<&Authority> = names_of_rules.collect();
        for (position, section) in sections.iter().enumerate() {
            let Some(authority) = Authority::of_key(&format!("spiffe://{}", section.name)) else {
                continue;
            };
            if !named.contains(&&authority) {
                let problem = format!(
                    "{:?} is in no rule: every credential of it is refused",
                    section.name
                );
                self.report.warn(
                    format!("trust_domains[{position}].name"),
                    problem,
                    Some(
                        "add a [[rules]] entry with a pattern for its identities, or remove the trust domain",
                    ),
                );
            }
        }
    }
}

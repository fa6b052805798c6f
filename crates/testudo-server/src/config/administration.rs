//! `admin.administrators` and `admin.auditors`: the identities that may use the admin API over HTTP.

use super::admin::AdminSection;
use super::checker::Checker;
use testudo_core::administration::{Administration, SCOPE_READ, SCOPE_WRITE};
use testudo_core::rules::Pattern;
use testudo_core::rules::RuleSpec;

impl Checker<'_> {
    pub(super) fn administration(&mut self, section: &AdminSection, rules: &[RuleSpec]) -> Administration {
        let administration = Administration {
            administrators: self.people("admin.administrators", &section.administrators),
            auditors: self.people("admin.auditors", &section.auditors),
        };
        if administration.is_empty() {
            return administration;
        }
        if !self.is_written(section.listen.as_ref(), "admin.listen") {
            self.report.warn(
                "admin.listen",
                "is absent: the identities in admin.administrators and admin.auditors cannot reach the admin API",
                Some("set admin.listen, or remove them: the admin socket needs no token"),
            );
        }
        let are_rules_unread = self.report.is_unread("rules");
        let gives = |scope: &str| {
            let has = |rule: &RuleSpec| rule.scopes.iter().any(|known| known == scope);
            are_rules_unread || rules.iter().any(has)
        };
        if !administration.administrators.is_empty() && !gives(SCOPE_WRITE) {
            self.no_rule_gives("admin.administrators", SCOPE_WRITE);
        }
        if !administration.auditors.is_empty() && !gives(SCOPE_READ) && !gives(SCOPE_WRITE) {
            self.no_rule_gives("admin.auditors", SCOPE_READ);
        }
        administration
    }

    fn people(&mut self, key: &str, texts: &[String]) -> Vec<Pattern> {
        let mut patterns = Vec::new();
        for (entry, text) in texts.iter().enumerate() {
            match Pattern::parse(text) {
                Ok(pattern) => patterns.push(pattern),
                Err(problem) => {
                    let key = format!("{key}[{entry}]");
                    self.report.error(key, format!("{text:?} {problem}"), None);
                }
            }
        }
        patterns
    }

    fn no_rule_gives(&mut self, key: &str, scope: &str) {
        self.report.warn(
            key,
            format!("lists identities, but no rule gives the scope value {scope:?} that their tokens need"),
            Some("add it to `scopes` of the rule that governs them"),
        );
    }
}

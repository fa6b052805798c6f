//! Which claims that are not known could change the rule of an identity, or what the rule says.

use super::RuleSet;
use crate::identity::{Authority, ClaimSource, NamedClaims};

impl RuleSet {
    /// The claims that captures of the authority name, or that decide which rule governs the identity, and that are not
    /// among the known ones. A rule that cannot govern with the known claims decides nothing, and neither does one behind a
    /// rule that governs in any case.
    pub fn absent_claims(
        &self,
        authority: &Authority,
        subject: &str,
        known: Option<&NamedClaims>,
    ) -> Vec<&ClaimSource> {
        static NONE: NamedClaims = NamedClaims::new();
        let known = known.unwrap_or(&NONE);
        let captured = self.captures.of(authority).iter().map(|(_, source)| source);
        let mut absent: Vec<&ClaimSource> = captured.filter(|source| !known.contains_key(*source)).collect();
        for rule in &self.rules {
            let is_about = rule.authorities.contains(authority)
                || rule
                    .patterns
                    .iter()
                    .any(|pattern| pattern.matches(authority, subject).is_some());
            let mut conditions = rule.claims.iter();
            if !is_about
                || !conditions.all(|(source, value)| known.get(source).is_none_or(|found| value.is(found)))
            {
                continue;
            }
            let before = absent.len();
            let sources = rule.claims.iter().map(|(source, _)| source);
            absent.extend(sources.filter(|source| !known.contains_key(*source)));
            if absent.len() == before && rule.credentials.is_none() && rule.occasions.is_none() {
                break;
            }
        }
        absent
    }
}

//! All rules, and which of them governs an identity.
//!
//! The first rule in file order that matches governs. Matching uses a tree (`tree.rs`); a property test compares it
//! with a plain search of the list.

use super::pattern::{Captures, Pattern};
use super::rule::Rule;
use super::tree::Tree;
use crate::identity::{Authority, CredentialKind, OccasionKind};
use crate::rejection::{AdmissionReason, NotAcceptedBy, Rejection};
use std::collections::HashMap;

/// All rules, in file order, and the tree that finds the first match.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    trees: HashMap<Authority, Tree>,
}

/// The rule that governs an identity, with what its pattern captured.
#[derive(Debug, Clone)]
pub struct Match<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// The segments that the pattern captured.
    pub captures: Captures,
}

impl<'r> Match<'r> {
    /// A match without a pattern and without captures.
    pub fn plain(rule: &'r Rule) -> Match<'r> {
        Match {
            rule,
            captures: Captures::default(),
        }
    }
}

impl RuleSet {
    /// Builds the tree.
    pub fn new(rules: Vec<Rule>) -> RuleSet {
        let mut trees: HashMap<Authority, Tree> = HashMap::new();
        for (index, rule) in rules.iter().enumerate() {
            for pattern in &rule.patterns {
                trees
                    .entry(pattern.authority().clone())
                    .or_default()
                    .insert(pattern, index);
            }
        }
        RuleSet { rules, trees }
    }

    /// The rules in file order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The rule with this name.
    pub fn by_name(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// The rule that governs an identity with this kind of credential at `occasion`. Rules match attested identities; a
    /// configured client has its rule in its own entry.
    pub fn governing(
        &self,
        authority: &Authority,
        subject: &str,
        kind: CredentialKind,
        occasion: OccasionKind,
    ) -> Result<Match<'_>, Rejection> {
        let accepts = |index: usize| {
            self.rules.get(index).is_some_and(|rule| {
                rule.credentials
                    .as_ref()
                    .is_none_or(|kinds| kinds.contains(&kind))
                    && rule
                        .occasions
                        .as_ref()
                        .is_none_or(|list| list.contains(&occasion))
            })
        };
        match self.first_match(authority, subject, accepts) {
            Some(found) if !found.rule.enabled => Err(AdmissionReason::RuleDisabled {
                rule: found.rule.name.clone(),
            }
            .into()),
            Some(found) => Ok(found),
            // The event names the rule that would match with another kind of credential; the answer is the same as
            // without a rule.
            None => match self.first_match(authority, subject, |_| true) {
                Some(found) => Err(AdmissionReason::CredentialNotAccepted {
                    kind,
                    by: NotAcceptedBy::Rule(found.rule.name.clone()),
                }
                .into()),
                None => Err(AdmissionReason::NoRule.into()),
            },
        }
    }

    /// The first rule in file order whose pattern matches and for which `accepts` is true.
    pub fn first_match(
        &self,
        authority: &Authority,
        subject: &str,
        accepts: impl Fn(usize) -> bool,
    ) -> Option<Match<'_>> {
        let path = authority.path(subject)?;
        let index = self.trees.get(authority)?.first(path, &accepts)?;
        let rule = self.rules.get(index)?;
        let captures = rule
            .patterns
            .iter()
            .find_map(|pattern| pattern.matches(authority, subject))?;
        Some(Match { rule, captures })
    }

    /// A plain search of the list, which specifies the result of [`RuleSet::first_match`].
    pub fn first_match_by_walking(&self, authority: &Authority, subject: &str) -> Option<usize> {
        self.rules.iter().position(|rule| {
            rule.patterns
                .iter()
                .any(|pattern| pattern.matches(authority, subject).is_some())
        })
    }

    /// Rules that never govern, because an earlier rule without conditions covers all their patterns; each with the
    /// earlier rule.
    pub fn shadowed(&self) -> Vec<(&Rule, &Rule)> {
        let mut found = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let covering = |pattern: &Pattern| {
                self.rules.iter().take(index).find(|earlier| {
                    earlier.credentials.is_none()
                        && earlier.occasions.is_none()
                        && earlier.patterns.iter().any(|wider| wider.covers(pattern))
                })
            };
            let mut covers = rule.patterns.iter().map(covering);
            if let Some(Some(first)) = covers.next()
                && covers.all(|cover| cover.is_some())
            {
                found.push((rule, first));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::RuleSpec;
    use proptest::prelude::*;

    fn rule_set(patterns: &[String]) -> RuleSet {
        let rules = patterns
            .iter()
            .enumerate()
            .map(|(number, pattern)| {
                let spec = RuleSpec {
                    name: format!("r{number}"),
                    identities: vec![pattern.clone()],
                    entire_trust_domain: true,
                    entire_authority: true,
                    ..RuleSpec::default()
                };
                Rule::compile(&spec).unwrap()
            })
            .collect();
        RuleSet::new(rules)
    }

    fn a_example() -> Authority {
        Authority::of_key("spiffe://a.example").unwrap()
    }

    fn first(set: &RuleSet, id: &str) -> Option<String> {
        set.first_match(&a_example(), id, |_| true)
            .map(|found| found.rule.name.clone())
    }

    // Row RF-33.
    #[test]
    fn first_rule_in_file_order_wins() {
        let set = rule_set(&[
            "spiffe://a.example/ns/*/sa/{s}".into(),
            "spiffe://a.example/ns/pay/sa/api".into(),
        ]);
        assert_eq!(
            first(&set, "spiffe://a.example/ns/pay/sa/api").as_deref(),
            Some("r0")
        );
        let set = rule_set(&[
            "spiffe://a.example/ns/pay/sa/api".into(),
            "spiffe://a.example/**".into(),
        ]);
        assert_eq!(
            first(&set, "spiffe://a.example/ns/pay/sa/api").as_deref(),
            Some("r0")
        );
        assert_eq!(
            first(&set, "spiffe://a.example/ns/pay/sa/other").as_deref(),
            Some("r1")
        );
    }

    // Row RF-34.
    #[test]
    fn rules_match_whole_segments_only() {
        let set = rule_set(&["spiffe://a.example/ns/{namespace}/sa/{service}".into()]);
        for outside in [
            "/ns/pay/sa/api/extra",
            "/ns/pay/sa",
            "/NS/pay/sa/api",
            "/x/ns/pay/sa/api",
            "",
        ] {
            assert_eq!(
                first(&set, &format!("spiffe://a.example{outside}")),
                None,
                "{outside}"
            );
        }
        assert_eq!(first(&set, "spiffe://b.example/ns/pay/sa/api"), None);
        assert_eq!(first(&set, "spiffe://a.example.evil/ns/pay/sa/api"), None);
    }

    #[test]
    fn shadowed_rules_are_found() {
        let set = rule_set(&[
            "spiffe://a.example/ns/**".into(),
            "spiffe://a.example/ns/{n}/sa".into(),
        ]);
        assert_eq!(set.shadowed().len(), 1);
        let set = rule_set(&[
            "spiffe://a.example/ns/{n}/sa".into(),
            "spiffe://a.example/ns/**".into(),
        ]);
        assert!(set.shadowed().is_empty());
    }

    fn segment() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("a".to_owned()),
            Just("b".to_owned()),
            Just("c".to_owned()),
            Just("*".to_owned()),
            Just("{x}".to_owned())
        ]
    }

    fn pattern() -> impl Strategy<Value = String> {
        (prop::collection::vec(segment(), 1..5), any::<bool>()).prop_map(|(mut segments, rest)| {
            for (number, segment) in segments.iter_mut().enumerate() {
                if segment == "{x}" {
                    *segment = format!("{{x{number}}}");
                }
            }
            if rest {
                segments.push("**".into());
            }
            format!("spiffe://a.example/{}", segments.join("/"))
        })
    }

    proptest! {
        #[test]
        fn rule_tree_finds_the_same_rule_as_a_search_of_the_list(
            patterns in prop::collection::vec(pattern(), 0..40),
            paths in prop::collection::vec(prop::collection::vec(prop_oneof!["a", "b", "c", "d"], 0..6), 1..20),
        ) {
            let set = rule_set(&patterns);
            for path in paths {
                let path: String = path.iter().map(|segment| format!("/{segment}")).collect();
                let id = format!("spiffe://a.example{path}");
                let by_tree = first(&set, &id);
                let by_walk = set.first_match_by_walking(&a_example(), &id).map(|index| format!("r{index}"));
                prop_assert_eq!(by_tree, by_walk, "{}", path);
            }
        }

        /// If `covers` is true, the wide pattern matches every path that the narrow pattern matches.
        #[test]
        fn pattern_that_covers_another_matches_all_that_it_matches(wide in pattern(), narrow in pattern(), path in prop::collection::vec(prop_oneof!["a", "b", "c"], 0..6)) {
            let (wide, narrow) = (Pattern::parse(&wide).unwrap(), Pattern::parse(&narrow).unwrap());
            let path: String = path.iter().map(|segment| format!("/{segment}")).collect();
            let id = format!("spiffe://a.example{path}");
            if wide.covers(&narrow) && narrow.matches(&a_example(), &id).is_some() {
                prop_assert!(wide.matches(&a_example(), &id).is_some());
            }
        }
    }
}

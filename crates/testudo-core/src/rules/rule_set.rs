//! All rules, and which of them governs an identity.
//!
//! The first rule in file order that matches governs. Matching uses a tree (`tree.rs`); a property test compares it
//! with a plain search of the list.

mod absent_claims;

use super::claim_captures::ClaimCaptures;
use super::pattern::{Captures, Pattern};
use super::rule::Rule;
use super::tree::Tree;
use crate::identity::{Authority, ClaimSource, CredentialKind, NamedClaims, OccasionKind};
use crate::rejection::{AdmissionReason, ClaimDifference, NotAcceptedBy, Rejection};
use serde_json::Value;
use std::collections::HashMap;

/// All rules, in file order, and the tree that finds the first match.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    trees: HashMap<Authority, Tree>,
    captures: ClaimCaptures,
    /// The claims that rules and captures name, by authority.
    sources: HashMap<Authority, Vec<ClaimSource>>,
}

/// What of a proven identity determines its rule.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'i> {
    /// Its authority.
    pub authority: &'i Authority,
    /// Its subject.
    pub subject: &'i str,
    /// The kind of its credential.
    pub kind: CredentialKind,
    /// Claims of its credential, if they are known.
    pub claims: Option<&'i NamedClaims>,
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
    /// Builds the tree. `captures` are the claims that authorities capture.
    pub fn new(rules: Vec<Rule>, captures: ClaimCaptures) -> RuleSet {
        let mut trees: HashMap<Authority, Tree> = HashMap::new();
        let mut sources: HashMap<Authority, Vec<ClaimSource>> = captures.sources();
        for (index, rule) in rules.iter().enumerate() {
            for pattern in &rule.patterns {
                let tree = trees.entry(pattern.authority().clone()).or_default();
                tree.insert(pattern, index);
            }
            for authority in &rule.authorities {
                let tree = trees.entry(authority.clone()).or_default();
                tree.insert_for_all(index);
            }
            for authority in rule.all_authorities() {
                let named = sources.entry(authority.clone()).or_default();
                for (source, _) in rule.claims.iter() {
                    if !named.contains(source) {
                        named.push(source.clone());
                    }
                }
            }
        }
        RuleSet {
            rules,
            trees,
            captures,
            sources,
        }
    }

    /// The claims of credentials of this authority that rules or captures name. Doors keep no other ones.
    pub fn claim_sources(&self, authority: &Authority) -> &[ClaimSource] {
        self.sources.get(authority).map_or(&[], Vec::as_slice)
    }

    /// The claims of a credential of this authority that rules or captures name.
    pub fn named_claims(&self, authority: &Authority, claims: &Value) -> NamedClaims {
        let sources = self.claim_sources(authority).iter();
        sources
            .filter_map(|source| Some((source.clone(), source.find(claims)?.clone())))
            .collect()
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
    ///
    /// If the claims are not known and the first rule that may govern requires some, no rule governs: a later rule may give
    /// more, and the earlier one may be there to refuse identities with these claims.
    pub fn governing(&self, shown: Shown<'_>, occasion: OccasionKind) -> Result<Match<'_>, Rejection> {
        let found = self.matching(shown, occasion)?;
        match found.rule.enabled {
            true => Ok(found),
            false => Err(AdmissionReason::RuleDisabled {
                rule: found.rule.name.clone(),
            }
            .into()),
        }
    }

    /// The same, also where the rule is disabled.
    pub fn matching(&self, shown: Shown<'_>, occasion: OccasionKind) -> Result<Match<'_>, Rejection> {
        let Shown {
            authority,
            subject,
            kind,
            claims,
        } = shown;
        let accepts = |rule: &Rule| rule.accepts(kind, occasion);
        let is_met = |rule: &Rule| claims.is_none_or(|claims| rule.claims.first_unmet(claims).is_none());
        let may_govern = |rule: &Rule| accepts(rule) && is_met(rule);
        match self.first_match(authority, subject, may_govern) {
            Some(found) if claims.is_none() && !found.rule.claims.is_empty() => {
                Err(AdmissionReason::ClaimsUnknown {
                    rule: found.rule.name.clone(),
                }
                .into())
            }
            Some(mut found) => {
                if let Some(claims) = claims {
                    self.captures.fill(authority, claims, &mut found.captures);
                }
                Ok(found)
            }
            // The event names the rule that would match with other claims or with another kind of credential; the answer
            // is the same as without a rule.
            None => Err(match self.first_match(authority, subject, accepts) {
                Some(Match { rule, .. }) => other_claims(rule, claims),
                None => match self.first_match(authority, subject, |_| true) {
                    Some(found) => AdmissionReason::CredentialNotAccepted {
                        kind,
                        by: NotAcceptedBy::Rule(found.rule.name.clone()),
                    },
                    None => AdmissionReason::NoRule,
                },
            }
            .into()),
        }
    }

    /// The claims that decide whether an earlier rule than `governing` governs the identity, and that `shown` has not.
    /// `None` as the rule that governs: all rules are earlier. If no claims are known, all are absent.
    pub fn claims_that_decide(
        &self,
        shown: Shown<'_>,
        occasion: OccasionKind,
        governing: Option<&Rule>,
    ) -> Vec<ClaimSource> {
        static NONE: NamedClaims = NamedClaims::new();
        let (claims, kind) = (shown.claims.unwrap_or(&NONE), shown.kind);
        let is_open = |rule: &Rule| {
            let mut absent = 0;
            let is_possible = rule.claims.iter().all(|(source, value)| {
                let found = claims.get(source);
                absent += usize::from(found.is_none());
                found.is_none_or(|found| value.is(found))
            });
            is_possible && absent > 0 && rule.accepts(kind, occasion)
        };
        let open = self.first_match(shown.authority, shown.subject, is_open);
        let is_earlier = |open: &Match<'_>| {
            let is_one = |rule: &&Rule| governing.is_some_and(|governing| rule.name == governing.name);
            let first = self
                .rules
                .iter()
                .find(|rule| rule.name == open.rule.name || is_one(rule));
            first.is_some_and(|first| first.name == open.rule.name)
        };
        let conditions = open
            .iter()
            .filter(|open| is_earlier(open))
            .flat_map(|open| open.rule.claims.iter());
        let sources = conditions.map(|(source, _)| source.clone());
        sources.filter(|source| !claims.contains_key(source)).collect()
    }

    /// The first rule in file order that matches the identity, whatever the claims of its credential are, and for which
    /// `accepts` is true.
    pub fn first_match(
        &self,
        authority: &Authority,
        subject: &str,
        accepts: impl Fn(&Rule) -> bool,
    ) -> Option<Match<'_>> {
        let path = authority.path(subject)?;
        let is_accepted = |index: usize| self.rules.get(index).is_some_and(&accepts);
        let index = self.trees.get(authority)?.first(path, &is_accepted)?;
        let rule = self.rules.get(index)?;
        let captures = rule
            .patterns
            .iter()
            .find_map(|pattern| pattern.matches(authority, subject))
            .unwrap_or_default();
        Some(Match { rule, captures })
    }

    /// A plain search of the list, which specifies the result of [`RuleSet::first_match`].
    pub fn first_match_by_walking(&self, authority: &Authority, subject: &str) -> Option<usize> {
        self.rules.iter().position(|rule| {
            let mut patterns = rule.patterns.iter();
            rule.authorities.contains(authority)
                || patterns.any(|pattern| pattern.matches(authority, subject).is_some())
        })
    }

    /// Rules that never govern, because an earlier rule without conditions covers all their identities; each with the
    /// earlier rule.
    pub fn shadowed(&self) -> Vec<(&Rule, &Rule)> {
        let mut found = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let earlier = || {
                let earlier = self.rules.iter().take(index);
                earlier.filter(|rule| {
                    rule.credentials.is_none() && rule.occasions.is_none() && rule.claims.is_empty()
                })
            };
            let of_pattern = |pattern: &Pattern| {
                earlier().find(|earlier| {
                    let mut patterns = earlier.patterns.iter();
                    earlier.authorities.contains(pattern.authority())
                        || patterns.any(|wider| wider.covers(pattern))
                })
            };
            let of_authority = |authority: &Authority| {
                earlier().find(|earlier| {
                    let mut patterns = earlier.patterns.iter();
                    earlier.authorities.contains(authority)
                        || patterns.any(|wider| wider.authority() == authority && wider.matches_all())
                })
            };
            let patterns = rule.patterns.iter().map(of_pattern);
            let mut covers = patterns.chain(rule.authorities.iter().map(of_authority));
            if let Some(Some(first)) = covers.next()
                && covers.all(|cover| cover.is_some())
            {
                found.push((rule, first));
            }
        }
        found
    }
}

/// The reason for which a rule that matches the identity does not govern it.
fn other_claims(rule: &Rule, claims: Option<&NamedClaims>) -> AdmissionReason {
    let unmet = claims.and_then(|claims| Some((claims, rule.claims.first_unmet(claims)?)));
    match unmet {
        Some((claims, (source, value))) => AdmissionReason::ClaimDiffers(Box::new(ClaimDifference {
            rule: rule.name.clone(),
            claim: source.to_string(),
            expected: value.to_string(),
            found: claims.get(source).map(Value::to_string),
        })),
        None => AdmissionReason::NoRule,
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
        RuleSet::new(rules, ClaimCaptures::default())
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

    /// Rules for `ci:*` with these claims, in this order.
    fn with_claims(rules: &[&[(&str, &str)]]) -> RuleSet {
        let rule = |(number, claims): (usize, &&[(&str, &str)])| {
            let text = |(name, value): &(&str, &str)| {
                (
                    (*name).to_owned(),
                    crate::identity::ClaimValue::Text((*value).to_owned()),
                )
            };
            Rule::compile(&RuleSpec {
                name: format!("r{number}"),
                identities: vec!["ci:*".into()],
                claims: claims.iter().map(text).collect(),
                entire_authority: true,
                ..RuleSpec::default()
            })
            .unwrap()
        };
        RuleSet::new(
            rules.iter().enumerate().map(rule).collect(),
            ClaimCaptures::default(),
        )
    }

    #[test]
    fn claims_that_decide_are_the_absent_ones_of_the_first_earlier_rule_that_could_govern() {
        let set = with_claims(&[
            &[("env", "prod"), ("ref", "main")],
            &[("team", "pay")],
            &[],
            &[("late", "x")],
        ]);
        let authority = Authority::of_key("ci:").unwrap();
        let deciding = |claims: serde_json::Value| {
            let claims = set.named_claims(&authority, &claims);
            let shown = Shown {
                authority: &authority,
                subject: "ci:job",
                kind: CredentialKind::IssuerJwt,
                claims: Some(&claims),
            };
            let found = set.matching(shown, OccasionKind::Token).unwrap();
            let deciding = set.claims_that_decide(shown, OccasionKind::Token, Some(found.rule));
            let deciding: Vec<String> = deciding.iter().map(ToString::to_string).collect();
            (found.rule.name.clone(), deciding)
        };
        let expect = |rule: &str, claims: &[&str]| {
            let claims: Vec<String> = claims.iter().map(|claim| (*claim).to_owned()).collect();
            (rule.to_owned(), claims)
        };
        use serde_json::json;
        assert_eq!(deciding(json!({})), expect("r2", &["env", "ref"]));
        assert_eq!(deciding(json!({ "env": "prod" })), expect("r2", &["ref"]));
        // The first rule cannot govern any more, so the second one is looked at.
        assert_eq!(deciding(json!({ "env": "test" })), expect("r2", &["team"]));
        assert_eq!(deciding(json!({ "env": "test", "team": "x" })), expect("r2", &[]));
        assert_eq!(
            deciding(json!({ "env": "prod", "ref": "main" })),
            expect("r0", &[])
        );
        // A rule that governs is earlier than those whose claims are not known.
        assert_eq!(deciding(json!({ "env": "x", "team": "pay" })), expect("r1", &[]));
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

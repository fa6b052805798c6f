//! Which identities a rule matches: its patterns, its authorities and the claims that it requires.

use super::claim_captures::ClaimCaptures;
use super::claim_conditions::ClaimConditions;
use super::pattern::{Pattern, PatternError};
use super::rule_error::{RuleError, fault, fault_of_entry};
use super::spec::RuleSpec;
use crate::identity::{Authority, AuthorityKind};

/// The identities of a rule, compiled.
#[derive(Default)]
pub(super) struct Matched {
    pub(super) patterns: Vec<Pattern>,
    pub(super) authorities: Vec<Authority>,
    pub(super) claims: ClaimConditions,
    /// Names that every pattern captures. If the rule names authorities, there are none.
    pub(super) captures: Vec<String>,
    /// Names of claims that every authority of the rule captures.
    pub(super) captured_claims: Vec<String>,
}

impl Matched {
    /// Compiles the identities, and adds what is wrong to the faults.
    pub(super) fn of(spec: &RuleSpec, of_claims: &ClaimCaptures, faults: &mut Vec<RuleError>) -> Matched {
        if spec.identities.is_empty() && spec.authorities.is_empty() {
            faults.push(RuleError {
                hint: Some(
                    "write patterns of identities, or `authorities` with the names of [[issuers]] entries",
                ),
                ..fault("identities", "is missing or empty")
            });
        }
        let patterns = patterns(spec, of_claims, faults);
        let authorities = authorities(spec, faults);
        let (claims, problems) = ClaimConditions::parse(&spec.claims);
        faults.extend(problems.into_iter().map(|problem| fault("claims", problem)));
        let all = patterns.iter().map(Pattern::authority).chain(&authorities);
        let captured_claims = names_of_all(all.map(|authority| of_claims.names(authority).collect()));
        let captures = match authorities.is_empty() {
            true => captures(spec, &patterns),
            false => Vec::new(),
        };
        Matched {
            captures,
            captured_claims,
            patterns,
            authorities,
            claims,
        }
    }
}

/// Names that every pattern of the rule captures. A pattern that is wrong names its captures all the same: it is said
/// of the pattern, and not once more of everything that uses them.
fn captures(spec: &RuleSpec, patterns: &[Pattern]) -> Vec<String> {
    names_of_all(spec.identities.iter().map(|text| {
        match patterns.iter().find(|pattern| pattern.as_str() == text) {
            Some(pattern) => pattern.capture_names().collect(),
            None => text
                .split(['/', ':'])
                .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
                .collect(),
        }
    }))
}

/// The names that are in each list.
fn names_of_all<'n>(lists: impl Iterator<Item = Vec<&'n str>>) -> Vec<String> {
    let common = lists.reduce(|known, names| known.into_iter().filter(|name| names.contains(name)).collect());
    common
        .unwrap_or_default()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

fn patterns(spec: &RuleSpec, of_claims: &ClaimCaptures, faults: &mut Vec<RuleError>) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for (entry, text) in spec.identities.iter().enumerate() {
        let (problem, hint) = match Pattern::parse(text) {
            Ok(pattern) => match unintended(spec, &pattern).or_else(|| ambiguous(&pattern, of_claims)) {
                Some((problem, hint)) => (format!("{text:?} {problem}"), Some(hint)),
                None => {
                    patterns.push(pattern);
                    continue;
                }
            },
            Err(problem) => {
                let is_part = matches!(problem, PatternError::PartOfSegment { .. });
                let hint = is_part.then_some("write one rule for each form of path");
                (format!("{text:?} {problem}"), hint)
            }
        };
        faults.push(RuleError {
            hint,
            ..fault_of_entry("identities", entry, problem)
        });
    }
    patterns
}

fn authorities(spec: &RuleSpec, faults: &mut Vec<RuleError>) -> Vec<Authority> {
    let mut authorities = Vec::new();
    for (entry, name) in spec.authorities.iter().enumerate() {
        let (problem, hint) = match Authority::issuer(name) {
            None => (
                "is not the name of an issuer",
                "write the name of an [[issuers]] entry; for a trust domain write a pattern in `identities`",
            ),
            Some(authority) if authorities.contains(&authority) => {
                ("is named twice", "remove one of the two")
            }
            Some(authority) if spec.entire_authority || !spec.claims.is_empty() => {
                authorities.push(authority);
                continue;
            }
            Some(_) => OF_AN_ENTIRE_ISSUER,
        };
        faults.push(RuleError {
            hint: Some(hint),
            ..fault_of_entry("authorities", entry, format!("{name:?} {problem}"))
        });
    }
    authorities
}

/// The rest of a sentence, and a hint.
type Problem = (&'static str, &'static str);

const OF_AN_ENTIRE_ISSUER: Problem = (
    "admits every identity of an issuer",
    "write `claims` that the identities must have, or set entire_authority = true in the rule if this is intended",
);

/// The error and the hint for a pattern with `{instance}` before its end, which names no running copy of a workload; for
/// one that admits every identity of its authority, if the rule has neither claims nor the switch for this kind of
/// authority; and for a rule that requires claims of a trust domain.
fn unintended(spec: &RuleSpec, pattern: &Pattern) -> Option<Problem> {
    if pattern.has_instance_before_its_end() {
        return Some((
            "has {instance} before its end",
            "write {instance} as the last segment, or give the capture another name",
        ));
    }
    let admits_all = pattern.admits_entire_authority();
    match pattern.authority().kind() {
        AuthorityKind::Spiffe if !spec.claims.is_empty() => Some((
            "is of a trust domain, and `claims` are for the tokens of [[issuers]] entries",
            "write one rule without `claims` for the trust domain",
        )),
        AuthorityKind::Spiffe => (admits_all && !spec.entire_trust_domain).then_some((
            "admits every identity of a trust domain",
            "set entire_trust_domain = true in the rule if this is intended",
        )),
        AuthorityKind::Issuer | AuthorityKind::Configuration | AuthorityKind::Registration => {
            (admits_all && !spec.entire_authority && spec.claims.is_empty()).then_some(OF_AN_ENTIRE_ISSUER)
        }
    }
}

/// The error of a name that is both a segment and a claim.
fn ambiguous(pattern: &Pattern, of_claims: &ClaimCaptures) -> Option<Problem> {
    let mut names = of_claims.names(pattern.authority());
    let is_twice = names.any(|name| pattern.capture_names().any(|captured| captured == name));
    is_twice.then_some((
        "captures a name that `captures` of the issuer has too",
        "choose another name in one of the two places",
    ))
}

//! What an event of a reload states: which configuration took the place of which one, and what differs, by name.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most names that one list of an event contains. A configuration may have ten thousand rules, and all of them may
/// change at once.
pub const NAMES_KEPT_MAX: usize = 100;

/// The difference between two configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct ConfigurationChange {
    /// SHA-256 of the configuration that was in force before, in hexadecimal. Of a configuration in one file it is the
    /// SHA-256 of the file; of one with included files, a digest of the names and contents of all files.
    pub digest_before: String,
    /// SHA-256 of the configuration that is in force now.
    pub digest_after: String,
    /// Rules that were added, removed and changed. Example: `{"added": ["payments"]}`.
    #[serde(skip_serializing_if = "Names::is_empty")]
    pub rules: Names,
    /// True where the rules that both configurations have are in another order: the first rule that matches governs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub are_rules_reordered: bool,
    /// Trust domains that were added, removed and changed.
    #[serde(skip_serializing_if = "Names::is_empty")]
    pub trust_domains: Names,
    /// Other issuers that were added, removed and changed.
    #[serde(skip_serializing_if = "Names::is_empty")]
    pub issuers: Names,
    /// Configured clients that were added, removed and changed, by their `client_id`.
    #[serde(skip_serializing_if = "Names::is_empty")]
    pub clients: Names,
    /// Other settings that were added, removed and changed, by their key. Example: `{"changed": ["server.drain"]}`.
    #[serde(skip_serializing_if = "Names::is_empty")]
    pub settings: Names,
    /// Keys of settings that differ from those with which this node started, and take effect at the next start. Example:
    /// `["server.listen"]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub at_next_start: Vec<String>,
}

/// Names that were added, removed and changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Names {
    /// In the new configuration only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    /// In the earlier configuration only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// In both, with other values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Number of further names, which are left out: each list has at most 100.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Names {
    /// Compares values by their names.
    pub fn between<T: PartialEq>(before: &BTreeMap<String, T>, after: &BTreeMap<String, T>) -> Names {
        let only_in = |one: &BTreeMap<String, T>, other: &BTreeMap<String, T>| {
            let names = one.keys().filter(|name| !other.contains_key(*name));
            names.cloned().collect()
        };
        let changed = after
            .iter()
            .filter(|(name, value)| before.get(*name).is_some_and(|old| old != *value));
        Names {
            added: only_in(after, before),
            removed: only_in(before, after),
            changed: changed.map(|(name, _)| name.clone()).collect(),
            left_out: 0,
        }
    }

    /// True if nothing was added, removed or changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    /// As an event contains them.
    fn shortened(mut self) -> Names {
        for list in [&mut self.added, &mut self.removed, &mut self.changed] {
            self.left_out += list.len().saturating_sub(NAMES_KEPT_MAX);
            list.truncate(NAMES_KEPT_MAX);
        }
        self
    }

    /// `+2 rules (r, s)`, `-1 rule (t)`, `1 rule changed (u)`.
    fn describe(&self, what: &str) -> impl Iterator<Item = String> {
        let lists = [
            ("+", &self.added, ""),
            ("-", &self.removed, ""),
            ("", &self.changed, " changed"),
        ];
        let lists = lists.into_iter().filter(|(_, names, _)| !names.is_empty());
        lists.map(move |(sign, names, end)| {
            let counted = counted(names.len(), what);
            format!("{sign}{counted}{end} ({})", in_words(names))
        })
    }
}

/// Most names of one list in a sentence.
const NAMES_TOLD_MAX: usize = 10;

fn in_words(names: &[String]) -> String {
    let told = names.iter().take(NAMES_TOLD_MAX).map(String::as_str);
    let told = told.collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(NAMES_TOLD_MAX) {
        None | Some(0) => told,
        Some(more) => format!("{told} and {more} more"),
    }
}

/// A number with its noun: `1 client`, `2 clients`, `0 keys`, `3 identities`.
pub fn counted(count: usize, what: &str) -> String {
    let stem = what
        .strip_suffix('y')
        .filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
    match (count, stem) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {what}s"),
    }
}

impl ConfigurationChange {
    /// True if both are the same configuration. A comment that changed is a difference: the digest of the configuration
    /// in force is then another one.
    pub fn is_nothing(&self) -> bool {
        self.digest_before == self.digest_after && self.names_nothing()
    }

    fn names_nothing(&self) -> bool {
        !self.are_rules_reordered && self.groups().iter().all(|(_, names)| names.is_empty())
    }

    fn groups(&self) -> [(&'static str, &Names); 5] {
        [
            ("rule", &self.rules),
            ("trust domain", &self.trust_domains),
            ("issuer", &self.issuers),
            ("configured client", &self.clients),
            ("setting", &self.settings),
        ]
    }

    /// What changed, for readers; empty if no name is in it.
    pub fn describe(&self) -> Vec<String> {
        let groups = self.groups().into_iter();
        let mut told: Vec<String> = groups.flat_map(|(what, names)| names.describe(what)).collect();
        if self.are_rules_reordered {
            told.push("the order of the rules changed".to_owned());
        }
        told
    }

    /// As an event contains it: long lists of names are cut.
    pub fn shortened(self) -> ConfigurationChange {
        ConfigurationChange {
            rules: self.rules.shortened(),
            trust_domains: self.trust_domains.shortened(),
            issuers: self.issuers.shortened(),
            clients: self.clients.shortened(),
            settings: self.settings.shortened(),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noun_after_a_number_is_singular_for_one_and_plural_for_others() {
        for (count, what, expected) in [
            (1, "client", "1 client"),
            (0, "client", "0 clients"),
            (1, "JWT-SVID key", "1 JWT-SVID key"),
            (2, "JWT-SVID key", "2 JWT-SVID keys"),
            (1, "identity", "1 identity"),
            (0, "identity", "0 identities"),
            (3, "X.509 authority", "3 X.509 authorities"),
        ] {
            assert_eq!(counted(count, what), expected);
        }
    }

    fn values(pairs: &[(&str, u8)]) -> BTreeMap<String, u8> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect()
    }

    #[test]
    fn names_are_sorted_into_added_removed_and_changed() {
        let before = values(&[("a", 1), ("b", 1), ("c", 1)]);
        let names = Names::between(&before, &values(&[("b", 1), ("c", 2), ("d", 1)]));
        let expected = [&names.added, &names.removed, &names.changed].map(|list| list.concat());
        assert_eq!(expected, ["d", "a", "c"]);
        assert!(Names::between(&before, &before).is_empty());
    }

    #[test]
    fn event_contains_hundred_names_of_a_list_and_the_number_of_the_others() {
        let all: BTreeMap<String, u8> = (0..NAMES_KEPT_MAX + 1)
            .map(|number| (format!("rule-{number:03}"), 1))
            .collect();
        let rules = Names::between(&BTreeMap::new(), &all);
        let change = ConfigurationChange {
            rules,
            ..ConfigurationChange::default()
        };
        let told = change.describe().concat();
        assert!(
            told.starts_with("+101 rules (rule-000, ") && told.ends_with("rule-009 and 91 more)"),
            "{told}"
        );
        let kept = change.shortened().rules;
        assert_eq!((kept.added.len(), kept.left_out), (NAMES_KEPT_MAX, 1));
    }

    #[test]
    fn change_of_a_comment_only_is_a_change_without_names() {
        let mut change = ConfigurationChange::default();
        assert!(change.is_nothing());
        change.digest_after = "1".to_owned();
        assert!(!change.is_nothing() && change.describe().is_empty());
        let reordered = ConfigurationChange {
            are_rules_reordered: true,
            ..ConfigurationChange::default()
        };
        assert!(!reordered.is_nothing());
        assert_eq!(reordered.describe(), ["the order of the rules changed"]);
    }
}

//! When this server first saw each key in the bundle of its authority: an administrator who reads that a key is new since
//! last night asks its publisher why.
//!
//! The times are kept in the sealed record of the authority (`floor.rs`), so that they outlive a restart and are the same
//! on all nodes. A key that left the bundle keeps its time: where it comes back, it is not taken for a new one.

use super::accepted_keys::{AcceptedKeys, thumbprint};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use testudo_core::doors::AuthorityKeys;
use testudo_protocol::Timestamp;
use testudo_protocol::limits::BUNDLE_KEYS_MAX;

/// Most keys of one authority of which the time is kept: those of the largest bundle, and as many that left it. A
/// publisher that makes a key every day reaches this after years.
const KEYS_KEPT_MAX: usize = 2 * BUNDLE_KEYS_MAX;

/// The time of each key, by its thumbprint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FirstSeen(BTreeMap<String, Timestamp>);

impl FirstSeen {
    /// When the key was first seen.
    pub(super) fn of(&self, thumbprint: &str) -> Option<Timestamp> {
        self.0.get(thumbprint).copied()
    }

    /// The JWK thumbprint of a key that only an administrator may accept, if there is one: it is not in `accepted` or,
    /// where nothing is remembered there yet, was never seen. The first keys of an authority need no acceptance, also
    /// where its first document had none.
    pub(super) fn news(&self, keys: &AuthorityKeys, accepted: Option<&AcceptedKeys>) -> Option<[u8; 32]> {
        let is_known = |thumbprint: &str| match accepted {
            Some(accepted) => accepted.has(thumbprint),
            None => self.0.contains_key(thumbprint),
        };
        let mut others = keys.signing_keys().filter(|(_, key)| !is_known(&thumbprint(key)));
        let (_, key) = others.next().filter(|_| !self.0.is_empty())?;
        Some(key.thumbprint())
    }

    /// Of each key the earlier of both times.
    pub(super) fn and(mut self, others: &FirstSeen) -> FirstSeen {
        for (thumbprint, time) in &others.0 {
            let known = self.0.entry(thumbprint.clone()).or_insert(*time);
            *known = (*known).min(*time);
        }
        self
    }

    /// The times after these keys came in force.
    pub(super) fn after(mut self, keys: &AuthorityKeys, now: Timestamp) -> FirstSeen {
        let keys: HashSet<String> = thumbprints(keys).collect();
        for key in &keys {
            self.0.entry(key.clone()).or_insert(now);
        }
        let mut gone: Vec<(Timestamp, String)> = self
            .0
            .iter()
            .filter(|(key, _)| !keys.contains(*key))
            .map(|(key, time)| (*time, key.clone()))
            .collect();
        gone.sort_unstable();
        let too_many = self.0.len().saturating_sub(KEYS_KEPT_MAX);
        for (_, key) in gone.iter().take(too_many) {
            self.0.remove(key);
        }
        self
    }
}

fn thumbprints(keys: &AuthorityKeys) -> impl Iterator<Item = String> {
    let certificates = keys
        .x509_authorities()
        .map(|known| hex::encode(known.thumbprint()));
    let signing_keys = keys.signing_keys().map(|(_, key)| thumbprint(key));
    let issuer_authorities = keys
        .issuer_authorities()
        .map(|known| hex::encode(known.thumbprint));
    signing_keys.chain(certificates).chain(issuer_authorities)
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo_core::AuthorityKind;

    /// A bundle with these key ids, and the thumbprint of the first.
    fn bundle(kids: &[&str]) -> (AuthorityKeys, String) {
        let keys = kids.iter().map(|kid| {
            let key = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, Some(kid));
            key.public_jwk("jwt-svid", true)
        });
        let document = serde_json::json!({ "keys": keys.collect::<Vec<_>>() }).to_string();
        let bundle = AuthorityKeys::parse(AuthorityKind::Spiffe, document.as_bytes()).unwrap();
        let first = thumbprints(&bundle).next().unwrap();
        (bundle, first)
    }

    #[test]
    fn key_that_left_and_comes_back_has_its_first_time() {
        let (old, both, new) = (bundle(&["a"]), bundle(&["a", "b"]), bundle(&["b"]));
        let seen = FirstSeen::default().after(&old.0, Timestamp(1));
        let gone = seen.after(&new.0, Timestamp(2));
        let back = gone.after(&both.0, Timestamp(3)).after(&old.0, Timestamp(4));
        let times = [old, new, both].map(|(_, key)| back.of(&key).unwrap().0);
        assert_eq!(times, [1, 2, 3]);
    }

    // Row DID-25.
    #[test]
    fn key_is_news_if_others_were_seen_before_and_it_is_not_accepted() {
        let (old, both, new) = (bundle(&["a"]), bundle(&["a", "b"]), bundle(&["c"]));
        let nothing = FirstSeen::default();
        assert_eq!(nothing.news(&old.0, None), None, "the first document");
        let none = AcceptedKeys::default();
        assert_eq!(nothing.news(&old.0, Some(&none)), None, "after one without keys");
        let seen = nothing.after(&old.0, Timestamp(1));
        assert_eq!(seen.news(&old.0, None), None);
        assert!(seen.news(&both.0, None).is_some() && seen.news(&new.0, None).is_some());
        let seen = seen.after(&both.0, Timestamp(2)).after(&old.0, Timestamp(3));
        assert_eq!(seen.news(&both.0, None), None, "nothing else is remembered");
        let accepted = AcceptedKeys::of(&old.0);
        assert_eq!(seen.news(&old.0, Some(&accepted)), None);
        assert!(
            seen.news(&both.0, Some(&accepted)).is_some(),
            "a key that left and comes back"
        );
        assert!(seen.news(&old.0, Some(&none)).is_some(), "all keys left");
    }

    #[test]
    fn node_that_saw_a_key_first_gives_its_time() {
        let (bundle, _) = bundle(&["a"]);
        let [early, late] = [1, 2].map(|time| FirstSeen::default().after(&bundle, Timestamp(time)));
        assert_eq!(late.clone().and(&early), early);
        assert_eq!(early.clone().and(&late), early);
    }

    #[test]
    fn keys_that_left_are_kept_up_to_the_limit_and_those_of_the_bundle_always() {
        let (bundle, key) = bundle(&["a"]);
        let times = |number: usize| (format!("gone-{number:05}"), Timestamp(number as i64));
        let seen = FirstSeen((0..KEYS_KEPT_MAX - 1).map(times).collect());
        let seen = seen.after(&bundle, Timestamp(9_999));
        assert_eq!(seen.0.len(), KEYS_KEPT_MAX);
        assert!(seen.of("gone-00000").is_some());
        let seen = FirstSeen((0..KEYS_KEPT_MAX).map(times).collect());
        let seen = seen.after(&bundle, Timestamp(9_999));
        assert_eq!(seen.0.len(), KEYS_KEPT_MAX);
        assert!(seen.of("gone-00000").is_none() && seen.of("gone-00001").is_some());
        assert!(seen.of(&key).is_some());
    }
}

//! The identifiers of a person and of what a person granted.

use serde::{Deserialize, Serialize};
use std::fmt;
use testudo_protocol::base64url;

/// The prefix of the `sub` of a person. No template of a rule can make a client id with it (`rules/reserved_ids.rs`), so
/// that the token of a client is never taken for that of a person. [RFC9700 §4.15]
const PREFIX: &str = "u_";

/// A person: an account at this server. It is random, so that `sub` tells nothing about the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonId(#[serde(with = "base64url")] [u8; 16]);

impl PersonId {
    /// The id of a new account.
    pub fn of_random(bytes: &[u8; 16]) -> PersonId {
        PersonId(*bytes)
    }

    /// `sub`: `u_` and 22 characters of base64url.
    pub fn sub(&self) -> String {
        format!("{PREFIX}{}", base64url::text(&self.0))
    }

    /// The person with this `sub`.
    pub fn parse_sub(sub: &str) -> Option<PersonId> {
        sub.strip_prefix(PREFIX).and_then(base64url::parse).map(PersonId)
    }

    /// The key of the record of the account. The keys of sessions and grants of the person begin with it.
    pub fn key(&self) -> &[u8; 16] {
        &self.0
    }
}

/// What a person granted to a client once: 16 bytes of the person and 16 random bytes. Thus all grants of a person have
/// consecutive keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantId(#[serde(with = "base64url")] [u8; 32]);

impl GrantId {
    /// The id of a new grant of this person.
    pub fn new(person: PersonId, random: &[u8; 16]) -> GrantId {
        let mut bytes = [0; 32];
        let (before, after) = bytes.split_at_mut(16);
        before.copy_from_slice(&person.0);
        after.copy_from_slice(random);
        GrantId(bytes)
    }

    pub(super) fn of_bytes(bytes: [u8; 32]) -> GrantId {
        GrantId(bytes)
    }

    /// The person who granted it.
    pub fn person(&self) -> PersonId {
        PersonId(*self.0.first_chunk().unwrap_or(&[0; 16]))
    }

    /// The key of the record of the person who granted it.
    pub fn person_key(&self) -> &[u8; 16] {
        self.0.first_chunk().unwrap_or(&[0; 16])
    }

    /// The key of its record.
    pub fn key(&self) -> &[u8; 32] {
        &self.0
    }

    /// The grant with this `grant_id`, as access tokens have it.
    pub fn parse(text: &str) -> Option<GrantId> {
        base64url::parse(text).map(GrantId)
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::text(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::reserved_ids::ReservedIds;

    // Row AT-03.
    #[test]
    fn sub_of_a_person_is_a_reserved_client_id_and_has_one_spelling() {
        let person = PersonId::of_random(&[7; 16]);
        let sub = person.sub();
        assert_eq!(sub.len(), 24);
        assert!(ReservedIds::default().hold(&sub));
        assert_eq!(PersonId::parse_sub(&sub), Some(person));
        let longer = format!("{sub}A");
        let padded = format!("{sub}==");
        for wrong in [
            "",
            "u_",
            "c_BwcHBwcHBwcHBwcHBwcHBw",
            &longer,
            &padded,
            &sub[..23],
            &sub[2..],
        ] {
            assert_eq!(PersonId::parse_sub(wrong), None, "{wrong}");
        }
        // The last character has four bits that must be zero.
        assert_eq!(PersonId::parse_sub("u_BwcHBwcHBwcHBwcHBwcHBx"), None);
    }

    #[test]
    fn grant_names_its_person_and_is_read_from_its_text() {
        let person = PersonId::of_random(&[7; 16]);
        let grant = GrantId::new(person, &[9; 16]);
        assert_eq!(grant.person(), person);
        assert!(grant.key().starts_with(person.key()));
        assert_eq!(GrantId::parse(&grant.to_string()), Some(grant));
        assert_eq!(GrantId::parse(&person.sub()), None);
        assert_ne!(grant, GrantId::new(person, &[8; 16]));
    }
}

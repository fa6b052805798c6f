//! The account of a person, and the records by which it is found.

use super::Kind;
use super::record::{Announced, Record};
use crate::people::PersonId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use testudo_protocol::{Seconds, Timestamp};

/// How long the record of a removed account, which has no data but the id, is kept: as long as events that name the id.
const REMOVED_KEPT: Seconds = Seconds(400 * 86_400);

/// The account of a person. It is read at each use, so a lock is effective at once on every node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The id, of which `sub` is made; the key of the record.
    pub id: PersonId,
    /// The name of the account for administrators, unique at this server.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// The name that people see, as the provider or the person states it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub display: Option<String>,
    /// A verified e-mail address. It is a label, and no account is found by it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub email: Option<String>,
    /// Groups that administrators gave: plain names.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub groups: Vec<String>,
    /// Groups that each provider stated at the last sign-in there, by the name of the provider.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub provider_groups: BTreeMap<String, Vec<String>>,
    /// The passkeys with which the person signs in.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub passkeys: Vec<Passkey>,
    /// The accounts at providers with which the person signs in.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub links: Vec<ProviderAccount>,
    /// Whether the person may sign in.
    pub state: PersonState,
    /// When the account was created.
    pub created: Timestamp,
    /// Sessions that began before this time have ended: the account was locked, recovered or removed then.
    pub sessions_from: Timestamp,
}

impl Person {
    /// An account that is made now, without a name, labels, groups and ways to sign in.
    pub fn new(id: PersonId, now: Timestamp) -> Person {
        Person {
            id,
            name: None,
            display: None,
            email: None,
            groups: Vec::new(),
            provider_groups: BTreeMap::new(),
            passkeys: Vec::new(),
            links: Vec::new(),
            state: PersonState::Active,
            created: now,
            sessions_from: now,
        }
    }
}

/// A passkey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// Its credential id in base64url.
    pub id: String,
    /// The name that the person gave.
    pub name: String,
    /// The public key and its counters, as the server that verifies sign-ins keeps them.
    pub credential: Value,
    /// When it was added.
    pub created: Timestamp,
    /// When it was used last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_used: Option<Timestamp>,
}

/// An account at a provider: its issuer and the `sub` there, never an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderAccount {
    /// The issuer identifier of the provider.
    pub issuer: String,
    /// The person's `sub` there.
    pub sub: String,
}

/// State of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersonState {
    /// The person may sign in.
    Active,
    /// An administrator locked the account: nothing that the person granted can be used.
    Locked,
    /// The account was removed and its data erased. The id is never used again.
    Removed,
}

impl Person {
    /// True if the account can be used.
    pub fn is_active(&self) -> bool {
        match self.state {
            PersonState::Active => true,
            PersonState::Locked | PersonState::Removed => false,
        }
    }

    /// True if the person may have passkeys: the account is one of this server, which an administrator or a trial named, or an
    /// administrator recovered it with a passkey. Who may use the account of a person without a name is for their provider to
    /// decide: a passkey would still let them in after it does not.
    pub fn may_have_passkeys(&self) -> bool {
        self.name.is_some() || !self.passkeys.is_empty()
    }

    /// True if the account has the passkey with this credential id.
    pub fn has_passkey(&self, id: &str) -> bool {
        self.passkeys.iter().any(|known| known.id == id)
    }

    /// The name with which pages address the person.
    pub fn shown_name(&self) -> String {
        let named = self.display.as_ref().or(self.name.as_ref());
        named.cloned().unwrap_or_else(|| self.id.sub())
    }

    /// The account after its removal: the id, and no data. While this record exists, a request that read the account before
    /// cannot write it again, and what the person granted leads to no active account.
    #[must_use]
    pub fn erased(&self, now: Timestamp) -> Person {
        Person {
            id: self.id,
            name: None,
            display: None,
            email: None,
            groups: Vec::new(),
            provider_groups: BTreeMap::new(),
            passkeys: Vec::new(),
            links: Vec::new(),
            state: PersonState::Removed,
            created: self.created,
            sessions_from: now,
        }
    }

    /// The `sessions_from` that ends all sessions which exist now. It is later than the beginning of each of them: of one that
    /// began in this second, and of one that began after sessions were ended in this second already.
    pub fn sessions_end(&self, now: Timestamp) -> Timestamp {
        now.max(self.sessions_from) + Seconds(1)
    }

    /// The keys of the records of its accounts at providers; see [`PersonLink::key_of`].
    pub fn link_keys(&self) -> Vec<Vec<u8>> {
        let links = self.links.iter();
        links
            .map(|link| PersonLink::key_of(&link.issuer, &link.sub))
            .collect()
    }

    /// True if the person can sign in at a provider with one of these issuers: those that are configured.
    pub fn has_provider(&self, issuers: &[&str]) -> bool {
        self.links
            .iter()
            .any(|link| issuers.contains(&link.issuer.as_str()))
    }

    /// How administrators read whose account it is: its name, or else its `sub`.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.id.sub())
    }

    /// True if the person is in the group: `PROVIDER/GROUP`, or the plain name of a group of this server.
    pub fn is_in(&self, group: &str) -> bool {
        let is_one = |groups: &Vec<String>, name: &str| groups.iter().any(|known| known == name);
        match group.split_once('/') {
            None => is_one(&self.groups, group),
            Some((provider, name)) => {
                let stated = self.provider_groups.get(provider);
                stated.is_some_and(|groups| is_one(groups, name))
            }
        }
    }

    /// True if the person may use a client of a rule with these groups. Without groups, every person may.
    pub fn may_use(&self, groups: &[String]) -> bool {
        groups.is_empty() || groups.iter().any(|group| self.is_in(group))
    }
}

impl Record for Person {
    const KIND: Kind = Kind::Person;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.id.key().to_vec()
    }
    fn expires(&self) -> Option<Timestamp> {
        match self.state {
            PersonState::Active | PersonState::Locked => None,
            PersonState::Removed => Some(self.sessions_from + REMOVED_KEPT),
        }
    }
}

/// Which person an account at a provider belongs to. The store inserts it only where none is there, so that two persons
/// cannot have one such account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonLink {
    /// The account at the provider.
    pub account: ProviderAccount,
    /// The person.
    pub person: PersonId,
}

impl PersonLink {
    /// The key of the record of this account. An issuer identifier contains no NUL.
    pub fn key_of(issuer: &str, sub: &str) -> Vec<u8> {
        [issuer.as_bytes(), &[0], sub.as_bytes()].concat()
    }
}

impl Record for PersonLink {
    const KIND: Kind = Kind::PersonLink;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        PersonLink::key_of(&self.account.issuer, &self.account.sub)
    }
}

/// Which person has a name. The store inserts it only where none is there, so that names are unique.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonName {
    /// The name; the key of the record.
    pub name: String,
    /// The person.
    pub person: PersonId,
}

impl Record for PersonName {
    const KIND: Kind = Kind::PersonName;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.name.as_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Person {
        Person {
            id: PersonId::of_random(&[1; 16]),
            name: Some("alice".to_owned()),
            display: None,
            email: None,
            groups: vec!["auditors".to_owned()],
            provider_groups: BTreeMap::from([(
                "corp".to_owned(),
                vec!["staff".to_owned(), "a/b".to_owned()],
            )]),
            passkeys: Vec::new(),
            links: Vec::new(),
            state: PersonState::Active,
            created: Timestamp(5),
            sessions_from: Timestamp(5),
        }
    }

    #[test]
    fn group_of_a_provider_and_group_of_this_server_are_different() {
        let person = person();
        for group in ["auditors", "corp/staff", "corp/a/b"] {
            assert!(person.is_in(group), "{group}");
        }
        for group in [
            "staff",
            "corp/auditors",
            "other/staff",
            "corp",
            "corp/",
            "",
            "/staff",
            "Auditors",
        ] {
            assert!(!person.is_in(group), "{group}");
        }
    }

    #[test]
    fn account_without_a_name_has_passkeys_only_if_an_administrator_recovered_it_with_one() {
        let of_provider = Person {
            name: None,
            ..person()
        };
        let recovered = Person {
            passkeys: vec![Passkey {
                id: "a".to_owned(),
                name: "laptop".to_owned(),
                credential: Value::Null,
                created: Timestamp(5),
                last_used: None,
            }],
            ..of_provider.clone()
        };
        assert!(person().may_have_passkeys() && recovered.may_have_passkeys());
        assert!(!of_provider.may_have_passkeys());
    }

    #[test]
    fn rule_with_groups_is_for_their_members_and_rule_without_groups_for_every_person() {
        let groups = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(person().may_use(&[]));
        assert!(person().may_use(&groups(&["other", "corp/staff"])));
        assert!(!person().may_use(&groups(&["other", "staff"])));
    }
}

//! The session of a person in one browser.

use super::Kind;
use super::Person;
use super::loaded::Loaded;
use super::record::{Announced, Record, Versioned};
use crate::people::SessionName;
use serde::{Deserialize, Serialize};
use testudo_protocol::{Seconds, Timestamp};

/// How much later a session must be used before its record is written again, so that a person who clicks through pages
/// does not cause a write for each.
const USE_RECORDED_AFTER: Seconds = Seconds(60);

/// The session of a person in one browser. Each sign-in makes a new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The person, and the digest of the cookie; together the key of the record.
    pub name: SessionName,
    /// When it began.
    pub created: Timestamp,
    /// When it was used last; the record may be a minute late.
    pub last_used: Timestamp,
    /// When the person proved who they are, for `auth_time`.
    pub authenticated: Timestamp,
    /// The strength of the sign-in, where it has a name. [OIDCC §2]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acr: Option<String>,
    /// How the person signed in: `passkey`, `development`, or the name of a provider.
    pub method: String,
    /// The credential id of the passkey with which it began. When the account does not have this passkey any more, the
    /// session has ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub passkey: Option<String>,
    /// When it ends, also if it is used.
    pub ends: Timestamp,
}

impl Session {
    /// True if the session can be used: it has not ended, was used within the idle lifetime, neither the account is locked nor
    /// were the sessions of the person ended, and the account still has the passkey with which the session began: a person
    /// removes a passkey because another person may have it.
    pub fn is_alive(&self, person: &Person, idle: Seconds, now: Timestamp) -> bool {
        let is_in_time = now < self.ends && now < self.last_used + idle;
        is_in_time
            && person.id == self.name.person
            && person.is_active()
            && self.created >= person.sessions_from
            && self.passkey.as_ref().is_none_or(|id| person.has_passkey(id))
    }

    /// The session with this name and its person, if the session can be used. Both must have been loaded.
    pub(crate) fn find_alive<'l>(
        name: &SessionName,
        loaded: &'l Loaded<'_>,
        idle: Seconds,
        now: Timestamp,
    ) -> Option<(&'l Versioned<Session>, &'l Versioned<Person>)> {
        let session = loaded.find::<Session>(&name.key())?;
        let person = loaded.find::<Person>(name.person.key())?;
        let is_alive = session.record.is_alive(&person.record, idle, now);
        is_alive.then_some((session, person))
    }

    /// The session as it is used now; `None` if its record need not be written again.
    pub fn used(&self, now: Timestamp) -> Option<Session> {
        (now >= self.last_used + USE_RECORDED_AFTER).then(|| Session {
            last_used: now,
            ..self.clone()
        })
    }
}

impl Record for Session {
    const KIND: Kind = Kind::Session;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.name.key().to_vec()
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::PersonId;
    use crate::records::{Passkey, PersonState};

    fn session() -> Session {
        let (_, name) = SessionName::make(PersonId::of_random(&[1; 16]), &[2; 32]);
        Session {
            name,
            created: Timestamp(100),
            last_used: Timestamp(200),
            authenticated: Timestamp(100),
            acr: None,
            method: "passkey".to_owned(),
            passkey: None,
            ends: Timestamp(1_000),
        }
    }

    fn person(state: PersonState, sessions_from: i64) -> Person {
        Person {
            id: PersonId::of_random(&[1; 16]),
            name: None,
            display: None,
            email: None,
            groups: Vec::new(),
            provider_groups: Default::default(),
            passkeys: Vec::new(),
            links: Vec::new(),
            state,
            created: Timestamp(0),
            sessions_from: Timestamp(sessions_from),
        }
    }

    // Row PK-24.
    #[test]
    fn session_ends_by_time_by_idleness_with_the_account_and_with_its_passkey() {
        let idle = Seconds(60);
        let active = person(PersonState::Active, 100);
        assert!(session().is_alive(&active, idle, Timestamp(259)));
        assert!(!session().is_alive(&active, idle, Timestamp(260)), "idle");
        let used = session().used(Timestamp(990)).unwrap();
        assert!(used.is_alive(&active, idle, Timestamp(999)));
        assert!(!used.is_alive(&active, idle, Timestamp(1_000)), "its end");
        for state in [PersonState::Locked, PersonState::Removed] {
            assert!(
                !session().is_alive(&person(state, 100), idle, Timestamp(250)),
                "{state:?}"
            );
        }
        let recovered = person(PersonState::Active, 101);
        assert!(!session().is_alive(&recovered, idle, Timestamp(250)), "recovered");
        let by_passkey = Session {
            passkey: Some("a".to_owned()),
            ..session()
        };
        let passkey = |id: &str| Passkey {
            id: id.to_owned(),
            name: "laptop".to_owned(),
            credential: serde_json::Value::Null,
            created: Timestamp(100),
            last_used: None,
        };
        let with = |passkeys: Vec<Passkey>| Person {
            passkeys,
            ..active.clone()
        };
        assert!(by_passkey.is_alive(&with(vec![passkey("b"), passkey("a")]), idle, Timestamp(250)));
        assert!(
            !by_passkey.is_alive(&with(vec![passkey("b")]), idle, Timestamp(250)),
            "its passkey was removed"
        );
        let other = Person {
            id: PersonId::of_random(&[9; 16]),
            ..active
        };
        assert!(
            !session().is_alive(&other, idle, Timestamp(250)),
            "another person"
        );
    }

    #[test]
    fn use_of_a_session_is_recorded_at_most_once_a_minute() {
        assert_eq!(session().used(Timestamp(259)), None);
        assert_eq!(session().used(Timestamp(260)).unwrap().last_used, Timestamp(260));
    }
}

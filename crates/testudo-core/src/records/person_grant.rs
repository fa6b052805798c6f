//! What a person granted to a client, and the refresh tokens of it.

use super::Kind;
use super::authorization_code::GrantTerms;
use super::client::Client;
use super::consent::Consent;
use super::event::Event;
use super::granted_client::{BoundTo, GrantedClient};
use super::record::{Announced, Record};
use crate::people::{GrantId, PresentedSecret, SecretDigest};
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;

/// What a person granted to a client once. It is read at each refresh and introspection, and deleted when it is revoked,
/// so a revocation is effective at once on every node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its id; the key of the record. It names the person.
    pub id: GrantId,
    /// The client.
    pub client: GrantedClient,
    /// What was granted.
    pub terms: GrantTerms,
    /// When the code was redeemed.
    pub created: Timestamp,
    /// What the client must prove at each refresh.
    pub bound_to: BoundTo,
    /// Its refresh tokens; absent if the client may not refresh.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refresh: Option<Rotation>,
    /// Until when a token of it may be valid. The record may be deleted then.
    pub live_until: Timestamp,
}

/// The refresh tokens of a grant: one is valid at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// The token that is valid.
    pub current: IssuedRefreshToken,
    /// The token in whose place the valid one was issued first, and when. For a short time it may be sent again, because
    /// the answer with its successor may have been lost.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replaced: Option<(SecretDigest, Timestamp)>,
    /// Earlier tokens whose records are kept, oldest first: if one is sent again, it was stolen.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub earlier: Vec<IssuedRefreshToken>,
    /// How many tokens were issued.
    pub number: u32,
    /// When a refresh bound the grant to a key or a certificate to which it was not bound before. Tokens that were issued
    /// earlier are bound to none, so any of them that is sent again was reused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bound_since: Option<Timestamp>,
}

/// A refresh token that was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedRefreshToken {
    /// Its digest; the key of its record.
    pub digest: SecretDigest,
    /// When it ends if it is not used.
    pub expires: Timestamp,
}

impl Grant {
    /// Adds what was granted, by whom and to whom, to an event. An event has the `sub` and never a name.
    pub(crate) fn describe(&self, event: &mut Event) {
        event.authority = Some(self.client.authority.clone());
        event.client_id = Some(self.client.client_id.clone());
        event.person = Some(self.id.person().sub());
        event.grant = Some(self.id.to_string());
        event.scope = Some(self.terms.scope.to_string());
    }

    /// When the authorization ends: later than was granted, if the person consented to the same again before its end.
    /// [RT-EXPIRATION §5] It never becomes shorter.
    pub fn ends(&self, consent: Option<&Consent>) -> Option<Timestamp> {
        let ends = self.terms.ends?;
        let is_same = |consent: &&Consent| {
            self.terms.consent == Some(consent.shown) && (self.created..ends).contains(&consent.given)
        };
        match consent.filter(is_same) {
            Some(consent) => consent.until.map(|until| until.max(ends)),
            None => Some(ends),
        }
    }

    /// When the grant ends, with the last consent of its person for the client and the record of the client.
    pub fn deadlines(&self, consent: Option<&Consent>, client: Option<&Client>) -> GrantDeadlines {
        let of_client = client.and_then(|client| client.expires);
        let at_the_latest = self.ends(consent).into_iter().chain(of_client).min();
        GrantDeadlines {
            unused: at_the_latest.map_or(self.live_until, |ends| ends.min(self.live_until)),
            at_the_latest,
        }
    }

    /// True if this is the record of its client, in the life in which it was granted. Another record is of a client that
    /// was removed and registered again, and absent is the record of one that was removed: then the grant has ended.
    pub fn is_of(&self, client: Option<&Client>) -> bool {
        match self.client.generation {
            Some(generation) => client.is_some_and(|client| client.generation == generation),
            None => true,
        }
    }

    /// True if the authorization has ended.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.terms.ends.is_some_and(|ends| now >= ends)
    }
}

/// When a grant ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantDeadlines {
    /// If the client does not refresh it before.
    pub unused: Timestamp,
    /// Also if the client refreshes it: the end of the authorization or of the client. `None`: it has no end.
    pub at_the_latest: Option<Timestamp>,
}

impl Record for Grant {
    const KIND: Kind = Kind::Grant;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.id.key().to_vec()
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.live_until)
    }
}

/// A refresh token that was issued for a grant. It is never changed: the grant states which one is valid. Without this
/// record, a text that was never issued would look like a stolen token, and a resource server, which reads the
/// `grant_id` in access tokens, could end the grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshToken {
    /// Its digest, which is the key of the record, and its grant.
    pub name: PresentedSecret,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it ends if it is not used. The end of the authorization is in the grant.
    pub expires: Timestamp,
}

impl Record for RefreshToken {
    const KIND: Kind = Kind::RefreshToken;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.name.digest.key().to_vec()
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::tests::world::{DAY, START, World, web};
    use crate::records::client_tests::whole;

    #[test]
    fn grant_ends_with_the_life_of_its_client() {
        let mut world = World::new();
        world.redeem(&web(), "").unwrap();
        let mut grant = world.grant().unwrap();
        let generation = grant.client.generation.unwrap();
        let of = |generation: u32| Client {
            generation,
            ..whole()
        };
        assert!(grant.is_of(Some(&of(generation))));
        assert!(!grant.is_of(Some(&of(generation + 1))));
        assert!(!grant.is_of(None));
        grant.client.generation = None;
        assert!(grant.is_of(None) && grant.is_of(Some(&of(generation))));
    }

    #[test]
    fn grant_ends_with_the_earliest_of_its_last_token_its_authorization_and_its_client() {
        let mut world = World::new();
        world.redeem(&web(), "").unwrap();
        // Its refresh token ends after 14 days without use.
        let grant = world.grant().unwrap();
        for (name, authorization, client, unused, at_the_latest) in [
            ("no end", None, None, 14, None),
            ("authorization", Some(10), None, 10, Some(10)),
            ("later authorization", Some(20), None, 14, Some(20)),
            ("client", None, Some(3), 3, Some(3)),
            ("client before the authorization", Some(10), Some(3), 3, Some(3)),
            ("authorization before the client", Some(3), Some(10), 3, Some(3)),
        ] {
            let day = |day: i64| Timestamp(START + day * DAY);
            let mut grant = grant.clone();
            grant.terms.ends = authorization.map(day);
            let client = Client {
                expires: client.map(day),
                ..whole()
            };
            let expected = GrantDeadlines {
                unused: day(unused),
                at_the_latest: at_the_latest.map(day),
            };
            assert_eq!(grant.deadlines(None, Some(&client)), expected, "{name}");
        }
    }
}

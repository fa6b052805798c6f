//! Secrets that clients and browsers receive: codes, refresh tokens and session cookies. Only the SHA-256 of each is
//! stored. The text of a secret names the grant or the person as well, so every record that it leads to is read at once.

use super::ids::{GrantId, PersonId};
use serde::{Deserialize, Serialize};
use testudo_protocol::base64url;
use testudo_protocol::jose::sha256;

/// The SHA-256 of a secret: the key of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretDigest(#[serde(with = "base64url")] [u8; 32]);

impl SecretDigest {
    /// The digest of a secret text.
    pub fn of(text: &str) -> SecretDigest {
        SecretDigest(sha256(text.as_bytes()))
    }

    /// A digest that was computed elsewhere.
    pub fn of_bytes(bytes: [u8; 32]) -> SecretDigest {
        SecretDigest(bytes)
    }

    /// The key of the record.
    pub fn key(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A code or a refresh token without its secret: the grant that its text names, and its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresentedSecret {
    /// The grant. Its first 16 bytes name the person.
    pub grant: GrantId,
    /// SHA-256 of the text.
    pub digest: SecretDigest,
}

impl PresentedSecret {
    /// Reads a code or a refresh token that a client sent: 86 characters of base64url. `None` if it is no such text, so
    /// that nothing is read from the store for it.
    pub fn parse(sent: &str) -> Option<PresentedSecret> {
        let bytes: [u8; 64] = base64url::parse(sent)?;
        let grant = GrantId::of_bytes(*bytes.first_chunk()?);
        let digest = SecretDigest::of(sent);
        Some(PresentedSecret { grant, digest })
    }

    /// A new code or refresh token: its text, which only the client receives, and what is stored.
    pub fn make(grant: GrantId, random: &[u8; 32]) -> (String, PresentedSecret) {
        let text = base64url::text(&[*grant.key(), *random].concat());
        let digest = SecretDigest::of(&text);
        (text, PresentedSecret { grant, digest })
    }
}

/// A session without its secret: the person, and the SHA-256 of the rest of the cookie. Thus all sessions of a person
/// have consecutive keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionName {
    /// The person who signed in.
    pub person: PersonId,
    /// SHA-256 of the secret in the cookie.
    pub digest: SecretDigest,
}

impl SessionName {
    /// Reads the value of a session cookie: 64 characters of base64url.
    pub fn parse(cookie: &str) -> Option<SessionName> {
        let bytes: [u8; 48] = base64url::parse(cookie)?;
        let (person, secret) = bytes.split_first_chunk::<16>()?;
        Some(SessionName {
            person: PersonId::of_random(person),
            digest: SecretDigest(sha256(secret)),
        })
    }

    /// A new session: the value of its cookie, and what is stored.
    pub fn make(person: PersonId, random: &[u8; 32]) -> (String, SessionName) {
        let cookie = base64url::text(&[person.key().as_slice(), random].concat());
        let digest = SecretDigest(sha256(random));
        (cookie, SessionName { person, digest })
    }

    /// The key of its record.
    pub fn key(&self) -> [u8; 48] {
        let mut key = [0; 48];
        let (before, after) = key.split_at_mut(16);
        before.copy_from_slice(self.person.key());
        after.copy_from_slice(self.digest.key());
        key
    }

    /// The id of the session for its person and for administrators. It contains the digest, so it is no cookie.
    pub fn id(&self) -> String {
        base64url::text(&self.key())
    }

    /// The session with this id.
    pub fn of_id(id: &str) -> Option<SessionName> {
        let bytes: [u8; 48] = base64url::parse(id)?;
        let (person, digest) = bytes.split_first_chunk::<16>()?;
        Some(SessionName {
            person: PersonId::of_random(person),
            digest: SecretDigest(*digest.first_chunk()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_names_its_grant_and_is_found_by_its_digest() {
        let grant = GrantId::new(PersonId::of_random(&[1; 16]), &[2; 16]);
        let (text, made) = PresentedSecret::make(grant, &[3; 32]);
        assert_eq!(text.len(), 86);
        assert_eq!(PresentedSecret::parse(&text), Some(made));
        assert_eq!(made.grant, grant);
        let (_, other) = PresentedSecret::make(grant, &[4; 32]);
        assert_ne!(made.digest, other.digest);
    }

    #[test]
    fn text_that_is_no_code_leads_to_no_record() {
        let grant = GrantId::new(PersonId::of_random(&[1; 16]), &[2; 16]);
        let (text, _) = PresentedSecret::make(grant, &[3; 32]);
        let longer = format!("{text}A");
        let padded = format!("{text}==");
        let marked = text.replacen('A', "+", 1);
        for wrong in [
            "",
            "x",
            &text[..85],
            &longer,
            &padded,
            &marked,
            &grant.to_string(),
        ] {
            assert_eq!(PresentedSecret::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sessions_of_a_person_have_consecutive_keys_and_the_record_has_no_secret() {
        let person = PersonId::of_random(&[1; 16]);
        let (cookie, session) = SessionName::make(person, &[3; 32]);
        assert_eq!(cookie.len(), 64);
        assert_eq!(SessionName::parse(&cookie), Some(session));
        assert!(session.key().starts_with(person.key()));
        assert!(!session.key().ends_with(&[3; 32]), "the secret is stored");
        let longer = format!("{cookie}A");
        for wrong in ["", &cookie[..63], &longer, &person.sub()] {
            assert_eq!(SessionName::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn id_of_a_session_names_it_and_is_not_its_cookie() {
        let (cookie, session) = SessionName::make(PersonId::of_random(&[1; 16]), &[3; 32]);
        let id = session.id();
        assert_eq!(SessionName::of_id(&id), Some(session));
        assert_ne!(SessionName::parse(&id), Some(session), "the id is no cookie");
        assert_ne!(SessionName::of_id(&cookie), Some(session));
        for wrong in ["", &id[..63], &format!("{id}A")] {
            assert_eq!(SessionName::of_id(wrong), None, "{wrong}");
        }
    }
}

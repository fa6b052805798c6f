//! A passkey ceremony that a browser began: the server asked for a new passkey, or for a signature of one. [WEBAUTHN §7]

use super::Kind;
use super::record::{Announced, Record};
use crate::people::{SecretDigest, SessionName};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use testudo_protocol::{Seconds, Timestamp, base64url};

/// A ceremony. It is deleted, at the version that was read, in the batch that writes its result, so it is used once, on any
/// node; a refused answer ends it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceremony {
    /// SHA-256 of the text by which the browser names it; the key of the record.
    pub digest: SecretDigest,
    /// SHA-256 of the cookie of the browser that began it.
    pub browser: SecretDigest,
    /// What it is for.
    pub purpose: CeremonyPurpose,
    /// The challenge and what else the answer must agree with, as the server that verifies answers keeps them.
    pub state: Value,
    /// When it ends.
    pub expires: Timestamp,
}

/// What a ceremony is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CeremonyPurpose {
    /// A person signs in.
    SignIn,
    /// A person makes a passkey with the invitation that has this digest.
    Invitation(SecretDigest),
    /// A signed-in person adds a passkey. The digest is that of the session, so the record names no person.
    Addition(SecretDigest),
}

impl CeremonyPurpose {
    /// The person of this session adds a passkey.
    pub fn addition(session: &SessionName) -> CeremonyPurpose {
        CeremonyPurpose::Addition(session.digest)
    }
}

impl Ceremony {
    /// How long the person has for it: as long as the browser waits for the person.
    pub const LIFETIME: Seconds = Seconds(300);

    /// The digest under which the ceremony with this name is found. `None` if the text is no name, so that nothing is read
    /// from the store for it.
    pub fn digest_of(name: &str) -> Option<SecretDigest> {
        let bytes: Option<[u8; 32]> = base64url::parse(name);
        bytes.map(|_| SecretDigest::of(name))
    }

    /// True if this browser can finish the ceremony for this purpose now.
    pub fn can_be_finished(&self, browser: SecretDigest, purpose: CeremonyPurpose, now: Timestamp) -> bool {
        self.browser == browser && self.purpose == purpose && now < self.expires
    }
}

impl Record for Ceremony {
    const KIND: Kind = Kind::Ceremony;
    const ANNOUNCED: Announced = Announced::Never;
    fn key(&self) -> Vec<u8> {
        self.digest.key().to_vec()
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::PersonId;

    #[test]
    fn ceremony_is_finished_in_its_browser_for_its_purpose_and_in_time() {
        let browser = SecretDigest::of("browser");
        let session = |secret: u8| SessionName::make(PersonId::of_random(&[1; 16]), &[secret; 32]).1;
        let purpose = CeremonyPurpose::addition(&session(1));
        let ceremony = Ceremony {
            digest: SecretDigest::of("ceremony"),
            browser,
            purpose,
            state: Value::Null,
            expires: Timestamp(100),
        };
        assert!(ceremony.can_be_finished(browser, purpose, Timestamp(99)));
        assert!(!ceremony.can_be_finished(browser, purpose, Timestamp(100)));
        let other = SecretDigest::of("other browser");
        assert!(!ceremony.can_be_finished(other, purpose, Timestamp(99)));
        for purpose in [
            CeremonyPurpose::SignIn,
            CeremonyPurpose::addition(&session(2)),
            CeremonyPurpose::Invitation(session(1).digest),
        ] {
            assert!(
                !ceremony.can_be_finished(browser, purpose, Timestamp(99)),
                "{purpose:?}"
            );
        }
    }
}

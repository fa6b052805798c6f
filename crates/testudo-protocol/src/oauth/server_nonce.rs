//! Values that a server makes and a client repeats in a proof: DPoP nonces, attestation challenges and nonces for
//! registrations.
//!
//! A value contains the time at which it was made and a MAC, so every node that has the key accepts it, and nothing is
//! stored. It proves that the proof was made recently; that a proof is used only once is checked by its `jti`. The proof
//! of the holder of a credential has no `jti`: its nonce is used once, and contains random bytes.

use crate::time::{Seconds, Timestamp};
use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How long a value is accepted.
pub const NONCE_LIFETIME: Seconds = Seconds(300);

/// Tolerated difference of the clocks of two nodes: a value may be this far in the future.
const NODE_CLOCK_LEEWAY: Seconds = Seconds(10);

const TIME_BYTES: usize = 8;
const MAC_BYTES: usize = 16;
/// Random bytes in a nonce for a registration.
pub const NONCE_RANDOM_BYTES: usize = 8;

/// The purpose of a value that several proofs may have. A value of one purpose is never accepted for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoncePurpose {
    /// `nonce` of a DPoP proof. [RFC9449 §8]
    Dpop,
    /// `challenge` of a client attestation PoP. [ABCA §6]
    AttestationChallenge,
}

/// The tag of nonces for registrations. [RFC9901 §7.3]
const REGISTRATION: u8 = 3;

impl NoncePurpose {
    fn tag(self) -> u8 {
        match self {
            NoncePurpose::Dpop => 1,
            NoncePurpose::AttestationChallenge => 2,
        }
    }
}

/// Makes and checks the values of one server. It has no `Debug`, because it contains a key.
pub struct ServerNonces {
    key: hmac::Key,
    server: Box<str>,
}

impl ServerNonces {
    /// The values of `server` (its issuer or resource identifier), with a key that all its nodes share.
    pub fn new(key: &[u8; 32], server: &str) -> ServerNonces {
        ServerNonces {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            server: server.into(),
        }
    }

    /// A new value.
    pub fn issue(&self, purpose: NoncePurpose, now: Timestamp) -> String {
        self.sealed(purpose.tag(), &now.0.to_be_bytes())
    }

    /// A new nonce for one registration: no other one has the same random bytes.
    pub fn issue_for_registration(&self, random: [u8; NONCE_RANDOM_BYTES], now: Timestamp) -> String {
        self.sealed(REGISTRATION, &[now.0.to_be_bytes(), random].concat())
    }

    /// True if this server issued the nonce for a registration, at most [`NONCE_LIFETIME`] ago.
    pub fn accepts_for_registration(&self, value: &str, now: Timestamp) -> bool {
        self.opened::<{ TIME_BYTES + NONCE_RANDOM_BYTES }>(REGISTRATION, value)
            .and_then(|content| content.first_chunk().copied())
            .is_some_and(|time| is_fresh(time, now))
    }

    /// True if this server issued the value for this purpose, at most [`NONCE_LIFETIME`] ago.
    pub fn accepts(&self, purpose: NoncePurpose, value: &str, now: Timestamp) -> bool {
        self.opened::<TIME_BYTES>(purpose.tag(), value)
            .is_some_and(|time| is_fresh(time, now))
    }

    fn sealed(&self, tag: u8, content: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode([content, &self.mac(tag, content)].concat())
    }

    /// The content of a value with this tag.
    fn opened<const CONTENT_BYTES: usize>(&self, tag: u8, value: &str) -> Option<[u8; CONTENT_BYTES]> {
        let mut bytes = [0; TIME_BYTES + NONCE_RANDOM_BYTES + MAC_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(value, &mut bytes).ok()?;
        let (content, mac) = bytes.get(..length)?.split_first_chunk::<CONTENT_BYTES>()?;
        let is_ours = constant_time::verify_slices_are_equal(&self.mac(tag, content), mac).is_ok();
        is_ours.then_some(*content)
    }

    fn mac(&self, tag: u8, content: &[u8]) -> [u8; MAC_BYTES] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&[tag]);
        context.update(content);
        context.update(self.server.as_bytes());
        let tag = context.sign();
        *tag.as_ref().first_chunk().unwrap_or(&[0; MAC_BYTES])
    }
}

/// True if this time is at most [`NONCE_LIFETIME`] ago.
fn is_fresh(time: [u8; TIME_BYTES], now: Timestamp) -> bool {
    let issued = Timestamp(i64::from_be_bytes(time));
    issued <= now + NODE_CLOCK_LEEWAY && now - issued <= NONCE_LIFETIME
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_000_000);

    fn nonces() -> ServerNonces {
        ServerNonces::new(&[7; 32], "https://as.example")
    }

    #[test]
    fn nonce_is_accepted_for_five_minutes_on_every_node_with_the_key() {
        let value = nonces().issue(NoncePurpose::Dpop, NOW);
        let other_node = nonces();
        for (now, is_accepted) in [
            (NOW, true),
            (NOW + NONCE_LIFETIME, true),
            (NOW + NONCE_LIFETIME + Seconds(1), false),
            // The other node's clock is behind.
            (Timestamp(NOW.0 - 10), true),
            (Timestamp(NOW.0 - 11), false),
        ] {
            assert_eq!(
                other_node.accepts(NoncePurpose::Dpop, &value, now),
                is_accepted,
                "{now}"
            );
        }
    }

    #[test]
    fn nonce_of_another_purpose_server_or_key_is_refused() {
        let value = nonces().issue(NoncePurpose::Dpop, NOW);
        assert!(!nonces().accepts(NoncePurpose::AttestationChallenge, &value, NOW));
        assert!(!nonces().accepts_for_registration(&value, NOW));
        let registration = nonces().issue_for_registration([1; NONCE_RANDOM_BYTES], NOW);
        assert!(nonces().accepts_for_registration(&registration, NOW));
        assert!(!nonces().accepts(NoncePurpose::Dpop, &registration, NOW));
        let tenant = ServerNonces::new(&[7; 32], "https://other.example");
        assert!(!tenant.accepts(NoncePurpose::Dpop, &value, NOW));
        let other_key = ServerNonces::new(&[8; 32], "https://as.example");
        assert!(!other_key.accepts(NoncePurpose::Dpop, &value, NOW));
    }

    #[test]
    fn nonces_for_registrations_of_one_second_are_different_and_accepted_for_five_minutes() {
        let issue = |random| nonces().issue_for_registration([random; NONCE_RANDOM_BYTES], NOW);
        assert_ne!(issue(1), issue(2));
        for (now, is_accepted) in [
            (NOW, true),
            (NOW + NONCE_LIFETIME, true),
            (NOW + NONCE_LIFETIME + Seconds(1), false),
            (Timestamp(NOW.0 - 10), true),
            (Timestamp(NOW.0 - 11), false),
        ] {
            assert_eq!(
                nonces().accepts_for_registration(&issue(1), now),
                is_accepted,
                "{now}"
            );
        }
        let changed = issue(1).replacen("AQ", "Ag", 1);
        assert!(!nonces().accepts_for_registration(&changed, NOW));
        let other_key = ServerNonces::new(&[8; 32], "https://as.example");
        assert!(!other_key.accepts_for_registration(&issue(1), NOW));
    }

    #[test]
    fn changed_shortened_and_invented_nonces_are_refused() {
        let value = nonces().issue(NoncePurpose::Dpop, NOW);
        let accepts = |value: &str| nonces().accepts(NoncePurpose::Dpop, value, NOW);
        assert!(accepts(&value));
        for at in 0..value.len() {
            let mut changed = value.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(!accepts(std::str::from_utf8(&changed).unwrap()), "{at}");
        }
        for invented in [
            "",
            "AAAA",
            &value[..31],
            &format!("{value}A"),
            &format!("{value}="),
            "\u{0}",
        ] {
            assert!(!accepts(invented), "{invented:?}");
        }
    }
}

//! State that a page keeps in the browser before a session exists: encrypted, so that neither the browser nor another
//! site can read it or change it. It travels in a hidden field of forms and in the URL as `flow`.
//!
//! The key is derived from the key-encryption key for this use alone. A sealed text contains its purpose and its time, so
//! that no text can be used for another form, or after its time. It can be used several times until then: what may be
//! used once has a record in the store.

use crate::key_encryption::KeyEncryption;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use testudo_core::rejection::RequestReason;
use testudo_protocol::{Seconds, Timestamp};

/// The longest sealed text that is opened. It is part of a URL, and a head of 32 KiB is accepted.
const SEALED_BYTES_MAX: usize = 24 * 1024;

/// By how much the clocks of two nodes may differ.
const LEEWAY: Seconds = Seconds(60);

/// What a sealed text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An authorization request on its way to the sign-in.
    Flow,
    /// What the consent page showed.
    Consent,
    /// A sign-in at an OpenID provider.
    Provider,
    /// A form of the account page.
    Account,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Purpose::Flow => "flow",
            Purpose::Consent => "consent",
            Purpose::Provider => "provider",
            Purpose::Account => "account",
        }
    }
}

/// What is encrypted.
#[derive(Serialize, Deserialize)]
struct Dated<T> {
    #[serde(rename = "t")]
    sealed_at: Timestamp,
    #[serde(rename = "v")]
    value: T,
}

/// Seals a value. The error is a sentence for the log.
pub fn seal<T: Serialize>(
    encryption: &KeyEncryption,
    purpose: Purpose,
    value: &T,
    now: Timestamp,
) -> Result<String, String> {
    let dated = Dated {
        sealed_at: now,
        value,
    };
    let plain = serde_json::to_vec(&dated).map_err(|error| error.to_string())?;
    encryption.seal_for_browser(purpose.name(), &plain)
}

/// Opens a text that this server sealed for this purpose, at most `longest` ago.
pub fn open<T: DeserializeOwned>(
    encryption: &KeyEncryption,
    purpose: Purpose,
    sealed: &str,
    now: Timestamp,
    longest: Seconds,
) -> Result<T, RequestReason> {
    if sealed.len() > SEALED_BYTES_MAX {
        return Err(RequestReason::FlowNotOurs);
    }
    let plain = encryption.open_from_browser(purpose.name(), sealed);
    let plain = plain.ok_or(RequestReason::FlowNotOurs)?;
    let dated: Dated<T> = serde_json::from_slice(&plain).map_err(|_| RequestReason::FlowNotOurs)?;
    if dated.sealed_at > now + LEEWAY {
        return Err(RequestReason::FlowNotOurs);
    }
    if dated.sealed_at + longest <= now {
        return Err(RequestReason::FlowExpired);
    }
    Ok(dated.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000);
    const LONGEST: Seconds = Seconds(600);

    fn encryption(byte: u8) -> KeyEncryption {
        KeyEncryption::new(&[byte; 32]).unwrap()
    }

    fn opened(sealed: &str, at: Timestamp) -> Result<String, RequestReason> {
        open(&encryption(7), Purpose::Flow, sealed, at, LONGEST)
    }

    #[test]
    fn sealed_value_is_opened_until_its_time_is_over() {
        let sealed = seal(&encryption(7), Purpose::Flow, &"value", NOW).unwrap();
        for at in [NOW, NOW + Seconds(599), Timestamp(NOW.0 - 60)] {
            assert_eq!(opened(&sealed, at).as_deref(), Ok("value"));
        }
        for at in [NOW + LONGEST, NOW + Seconds(86_400)] {
            assert_eq!(opened(&sealed, at), Err(RequestReason::FlowExpired));
        }
        let too_early = Timestamp(NOW.0 - 61);
        assert_eq!(
            opened(&sealed, too_early),
            Err(RequestReason::FlowNotOurs),
            "sealed in the future"
        );
    }

    #[test]
    fn value_of_another_server_purpose_or_form_is_refused() {
        let good = seal(&encryption(7), Purpose::Flow, &"value", NOW).unwrap();
        assert!(opened(&good, NOW).is_ok());
        let of_another_key = seal(&encryption(8), Purpose::Flow, &"value", NOW).unwrap();
        let of_another_purpose = seal(&encryption(7), Purpose::Consent, &"value", NOW).unwrap();
        let of_another_form = seal(&encryption(7), Purpose::Flow, &1, NOW).unwrap();
        let of_the_store = encryption(7)
            .wrap("flow", b"{\"t\":1800000000,\"v\":\"value\"}")
            .unwrap();
        let too_long = seal(&encryption(7), Purpose::Flow, &"x".repeat(SEALED_BYTES_MAX), NOW).unwrap();
        for bad in [
            of_another_key,
            of_another_purpose,
            of_another_form,
            of_the_store,
            too_long,
        ] {
            assert_eq!(opened(&bad, NOW), Err(RequestReason::FlowNotOurs), "{bad:.60}");
        }
        for bad in [
            "",
            "A",
            "AAAA",
            "!",
            &good[..good.len() - 1],
            &format!("{good}A"),
            &format!("{good}="),
        ] {
            assert_eq!(opened(bad, NOW), Err(RequestReason::FlowNotOurs), "{bad}");
        }
    }

    #[test]
    fn change_of_any_character_is_refused_and_two_texts_of_one_value_differ() {
        let sealed = seal(&encryption(7), Purpose::Flow, &"value", NOW).unwrap();
        assert_ne!(
            sealed,
            seal(&encryption(7), Purpose::Flow, &"value", NOW).unwrap()
        );
        for place in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(opened(&changed, NOW).is_err(), "character {place}");
        }
    }

    #[test]
    fn sealed_text_is_part_of_a_url_as_it_is_and_does_not_show_the_value() {
        let sealed = seal(
            &encryption(7),
            Purpose::Flow,
            &"https://app.example/callback",
            NOW,
        )
        .unwrap();
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        assert!(sealed.bytes().all(is_legal), "{sealed}");
        assert!(!sealed.contains("callback"));
    }
}

//! Bytes of a fixed number, such as a SHA-256, as base64url without padding. (RFC 4648, section 5) With `#[serde(with = …)]` they
//! are stored in the same form.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize as _, Deserializer, Serializer};
use std::borrow::Cow;

/// The text of the bytes.
pub fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes, if the text has exactly this number of them. Trailing bits that are not zero are refused, so each value has
/// one spelling.
pub fn parse<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Longer texts are not decoded: they arrive from callers.
    let is_right_length = text.len() == (N * 8).div_ceil(6);
    let bytes = is_right_length.then(|| URL_SAFE_NO_PAD.decode(text).ok())??;
    bytes.try_into().ok()
}

/// For `#[serde(with = …)]`.
pub fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(bytes))
}

/// For `#[serde(with = …)]`. The error means that the text has not exactly this number of bytes.
pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
    let text = <Cow<'de, str>>::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| serde::de::Error::custom(format_args!("not {N} bytes in base64url")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_one_spelling_and_other_lengths_are_refused() {
        let spelled = text(&[7; 32]);
        assert_eq!(spelled.len(), 43);
        assert_eq!(parse(&spelled), Some([7; 32]));
        let (longer, padded) = (format!("{spelled}A"), format!("{spelled}="));
        for wrong in [
            "",
            &spelled[..42],
            &longer,
            &padded,
            &spelled.replacen('B', "+", 1),
        ] {
            assert_eq!(parse::<32>(wrong), None, "{wrong}");
        }
        let last = format!("{}d", &spelled[..42]);
        assert_eq!(
            parse::<32>(&last),
            None,
            "the last character has two bits too many"
        );
    }
}

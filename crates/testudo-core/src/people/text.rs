//! Bytes of a fixed number as base64url without padding, in records and for people. Each value has one spelling.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serializer};
use std::borrow::Cow;

/// The text of the bytes.
pub(super) fn of(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes, if the text has exactly this number of them.
pub(super) fn parse<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Longer texts are not decoded: they arrive from callers.
    let is_right_length = text.len() == (N * 8).div_ceil(6);
    let bytes = is_right_length.then(|| URL_SAFE_NO_PAD.decode(text).ok())??;
    bytes.try_into().ok()
}

pub(super) fn serialize<S: Serializer, const N: usize>(
    bytes: &[u8; N],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&of(bytes))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
    deserializer: D,
) -> Result<[u8; N], D::Error> {
    let text = <Cow<'de, str>>::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| serde::de::Error::custom("base64url of another length was expected"))
}

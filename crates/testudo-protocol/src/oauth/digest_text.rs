//! A SHA-256 as the parameters of OAuth write it: 43 characters of base64url without padding. With `#[serde(with = …)]`
//! it is stored in the same form.

use crate::jose::encode_segment;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::borrow::Cow;

/// Parses the text. Trailing bits that are not zero are refused, so each digest has one spelling.
pub(super) fn parse(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// The text of a digest.
pub(super) fn of(digest: &[u8; 32]) -> String {
    let mut text = String::with_capacity(43);
    encode_segment(digest, &mut text);
    text
}

pub(super) fn serialize<S: serde::Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&of(digest))
}

pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    let text = <Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| serde::de::Error::custom("not 43 characters of base64url"))
}

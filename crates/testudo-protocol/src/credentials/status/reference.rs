//! Where the status of a credential is: the list and the index. [TSL §6] [BITSTRING §2.1]

use crate::credentials::CredentialError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Beyond this, a JSON number is not exact everywhere.
const INDEX_MAX: u64 = 1 << 53;

/// A URL of a status list, bytes.
const URL_BYTES_MAX: usize = 2048;

/// `type` of an entry of a bitstring list.
const ENTRY_TYPE: &str = "BitstringStatusListEntry";

/// What the bits of a bitstring list mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Revoked, for ever.
    Revocation,
    /// Suspended, and may be valid again.
    Suspension,
}

impl Purpose {
    pub(super) fn of(text: &str) -> Option<Purpose> {
        match text {
            "revocation" => Some(Purpose::Revocation),
            "suspension" => Some(Purpose::Suspension),
            _ => None,
        }
    }
}

/// A status that a credential refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusReference {
    /// An entry of a token status list.
    TokenList {
        /// The URL of the list.
        url: String,
        /// The index of the entry.
        index: u64,
    },
    /// An entry of a bitstring status list.
    Bitstring {
        /// The URL of the list.
        url: String,
        /// The index of the entry.
        index: u64,
        /// What the entry is about.
        purpose: Purpose,
    },
    /// A kind of status that is not supported: it is no status where one is required.
    Unknown,
}

impl StatusReference {
    /// The URL of the list.
    pub fn url(&self) -> Option<&str> {
        match self {
            StatusReference::TokenList { url, .. } | StatusReference::Bitstring { url, .. } => Some(url),
            StatusReference::Unknown => None,
        }
    }

    /// The origin of the list, if its URL is https, without user information and without fragment: `https://status.example`.
    pub fn origin(&self) -> Option<String> {
        let url = url::Url::parse(self.url()?).ok()?;
        let is_plain = url.scheme() == "https"
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none();
        is_plain.then(|| url.origin().ascii_serialization())
    }

    /// `status.status_list`. [TSL §6.1]
    pub(in crate::credentials) fn of_token_list(list: &Value) -> Result<StatusReference, CredentialError> {
        let index = list
            .get("idx")
            .and_then(Value::as_u64)
            .filter(|index| *index < INDEX_MAX);
        // A number with a fraction or an exponent is not read as an integer.
        let index = index.ok_or(CredentialError::member(
            "status.status_list.idx",
            "must be a whole number, at least 0",
        ))?;
        let url = list.get("uri").and_then(Value::as_str).filter(|url| is_url(url));
        let url = url.ok_or(CredentialError::member("status.status_list.uri", "must be a URL"))?;
        Ok(StatusReference::TokenList {
            url: url.to_owned(),
            index,
        })
    }

    /// One entry of `credentialStatus`; `None` for one that never makes a credential invalid.
    pub(in crate::credentials) fn of_bitstring_entry(
        entry: &Value,
    ) -> Result<Option<StatusReference>, CredentialError> {
        let refused = |problem| CredentialError::member("credentialStatus", problem);
        let entry = entry.as_object().ok_or(refused("must be an object"))?;
        let text = |member: &str| entry.get(member).and_then(Value::as_str);
        // [VCDM2 §4.5] One type, or several.
        let is_bitstring = match entry.get("type") {
            Some(Value::String(only)) => only == ENTRY_TYPE,
            Some(Value::Array(several)) if !several.is_empty() && several.iter().all(Value::is_string) => {
                several.iter().any(|name| name == ENTRY_TYPE)
            }
            _ => {
                return Err(refused(
                    "must have a type that is a string or an array of strings",
                ));
            }
        };
        if !is_bitstring {
            return Ok(Some(StatusReference::Unknown));
        }
        let purpose = text("statusPurpose").ok_or(refused("must have a statusPurpose"))?;
        let Some(purpose) = Purpose::of(purpose) else {
            // `refresh` and `message` do not end a credential.
            return Ok(match purpose {
                "refresh" | "message" => None,
                _ => Some(StatusReference::Unknown),
            });
        };
        match entry.get("statusSize").map(Value::as_u64) {
            None | Some(Some(1)) => {}
            Some(Some(_)) => return Ok(Some(StatusReference::Unknown)),
            Some(None) => return Err(refused("must have a statusSize that is a whole number")),
        }
        // [BITSTRING §2.1] A string of digits, and not a number.
        let index = text("statusListIndex").and_then(decimal).ok_or(refused(
            "must have a statusListIndex that is a string of decimal digits without leading zeros",
        ))?;
        let url = text("statusListCredential").filter(|url| is_url(url));
        Ok(Some(StatusReference::Bitstring {
            url: url
                .ok_or(refused("must have a statusListCredential that is a URL"))?
                .to_owned(),
            index,
            purpose,
        }))
    }
}

fn is_url(text: &str) -> bool {
    text.len() <= URL_BYTES_MAX && url::Url::parse(text).is_ok()
}

fn decimal(text: &str) -> Option<u64> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let index: u64 = is_digits.then(|| text.parse().ok())??;
    (index.to_string() == text && index < INDEX_MAX).then_some(index)
}

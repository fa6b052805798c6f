//! The claim `aud`. [RFC7519 §4.1.3]

use serde::Deserialize;

/// The audiences of a JWT: the claim is one string, or an array of strings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One string.
    One(String),
    /// An array.
    Several(Vec<String>),
}

impl Audience {
    /// All values.
    pub fn values(&self) -> &[String] {
        match self {
            Audience::One(value) => std::slice::from_ref(value),
            Audience::Several(values) => values,
        }
    }
}

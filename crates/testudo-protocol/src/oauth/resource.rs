//! Resource indicators. [RFC8707 §2]

use crate::limits::IDENTIFIER_BYTES_MAX;
use std::fmt;

/// An absolute URI without fragment that names a protected resource; compared as it was written.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, serde::Serialize)]
#[serde(transparent)]
pub struct Resource(Box<str>);

impl Resource {
    /// Parses a `resource` value.
    pub fn parse(text: &str) -> Result<Resource, &'static str> {
        if text.len() > IDENTIFIER_BYTES_MAX {
            return Err("is too long");
        }
        // [RFC8707 §2] Absolute, and no fragment.
        if url::Url::parse(text).is_err() {
            return Err("is not an absolute URI");
        }
        if text.contains('#') {
            return Err("has a fragment");
        }
        if !text.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
            return Err("has a character that is not allowed in a URI");
        }
        Ok(Resource(text.into()))
    }

    /// The URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Read from a record of the store.
impl<'de> serde::Deserialize<'de> for Resource {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Resource::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8707_2_resource_is_an_absolute_uri_without_fragment() {
        for good in [
            "https://api.example/orders",
            "https://api.example/?x=1",
            "urn:example:api",
        ] {
            assert!(Resource::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/orders",
            "api.example",
            "https://api.example/#x",
            "https://api.example/#",
            "https://a b/",
        ] {
            assert!(Resource::parse(bad).is_err(), "{bad}");
        }
        let stored = serde_json::to_string(&Resource::parse("urn:example:api").unwrap()).unwrap();
        assert_eq!(
            serde_json::from_str::<Resource>(&stored).unwrap().as_str(),
            "urn:example:api"
        );
        assert!(serde_json::from_str::<Resource>("\"api.example\"").is_err());
    }
}

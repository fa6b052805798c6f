//! Who vouches for an identity.

use serde::{Deserialize, Serialize};
use std::fmt;
use testudo_protocol::spiffe::TrustDomain;

/// Who vouches for an identity. Each authority has its own namespace of keys and of subjects.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Authority {
    /// A SPIFFE trust domain.
    TrustDomain(TrustDomain),
    /// The administrator, by a `[[clients]]` entry with keys.
    Configuration,
    /// This server, which named the client when it registered without evidence of its own.
    Registration,
}

const CONFIGURATION: &str = "configuration";
const REGISTRATION: &str = "registration";

impl Authority {
    /// The authority as it stands in record keys, events and switches.
    pub fn key(&self) -> String {
        match self {
            Authority::TrustDomain(name) => format!("spiffe://{name}"),
            Authority::Configuration => CONFIGURATION.to_owned(),
            Authority::Registration => REGISTRATION.to_owned(),
        }
    }

    /// The authority of a key.
    pub fn of_key(key: &str) -> Option<Authority> {
        match key {
            CONFIGURATION => Some(Authority::Configuration),
            REGISTRATION => Some(Authority::Registration),
            _ => TrustDomain::parse(key.strip_prefix("spiffe://")?)
                .ok()
                .map(Authority::TrustDomain),
        }
    }

    /// The segments of a subject of this authority; none where its subjects have no segments.
    pub fn segments<'s>(&self, subject: &'s str) -> impl Iterator<Item = &'s str> {
        let path = self.path(subject);
        path.into_iter().flat_map(|path| path.split('/').skip(1))
    }

    /// The segments of a subject, each with a slash before it; nothing where its subjects have none.
    pub fn path<'s>(&self, subject: &'s str) -> Option<&'s str> {
        match self {
            Authority::TrustDomain(name) => subject
                .strip_prefix("spiffe://")
                .and_then(|rest| rest.strip_prefix(name.as_str()))
                .filter(|path| path.starts_with('/')),
            Authority::Configuration | Authority::Registration => None,
        }
    }

    /// The first segments of a subject, each with a slash before it: the place that rates are counted for.
    pub fn prefix(&self, subject: &str, segments: usize) -> String {
        let first = self.segments(subject).take(segments);
        first.flat_map(|segment| ["/", segment]).collect()
    }

    /// The name an administrator uses: a trust domain's bare name.
    pub fn name(&self) -> &str {
        match self {
            Authority::TrustDomain(name) => name.as_str(),
            Authority::Configuration => CONFIGURATION,
            Authority::Registration => REGISTRATION,
        }
    }
}

impl Serialize for Authority {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.key())
    }
}

impl<'de> Deserialize<'de> for Authority {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        Authority::of_key(&key).ok_or_else(|| serde::de::Error::custom("is not the key of an authority"))
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_authority_whose_whole_name_is_before_it() {
        let authority = Authority::of_key("spiffe://a.example").unwrap();
        assert_eq!(authority.path("spiffe://a.example/ns/x"), Some("/ns/x"));
        assert_eq!(authority.prefix("spiffe://a.example/ns/x/sa/y", 2), "/ns/x");
        for other in [
            "spiffe://a.example",
            "spiffe://a.example.evil/ns/x",
            "spiffe://b.example/ns/x",
            "a.example/x",
            "",
        ] {
            assert_eq!(authority.path(other), None, "{other}");
            assert_eq!(authority.prefix(other, 2), "", "{other}");
        }
        for named in ["configuration", "registration"] {
            assert_eq!(
                Authority::of_key(named).unwrap().path("spiffe://a.example/x"),
                None
            );
        }
    }
}

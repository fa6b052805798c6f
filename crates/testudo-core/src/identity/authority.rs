//! The authority that attests an identity: a kind and a name. Each authority has its own namespace of keys and
//! subjects.
//!
//! Patterns, rules, blocks, limits, switches and records use the key of an authority and the segments of a subject. The
//! text forms of each kind of authority are defined only in `scheme.rs`. [decision 0019]

use super::scheme::{self, AuthorityKind};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The authority that attests an identity.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Authority {
    kind: AuthorityKind,
    key: Box<str>,
}

impl Authority {
    pub(super) fn new(kind: AuthorityKind, key: &str) -> Authority {
        Authority {
            kind,
            key: key.into(),
        }
    }

    /// The authority of configured clients (`[[clients]]` entries).
    pub fn configuration() -> Authority {
        Authority::new(AuthorityKind::Configuration, scheme::CONFIGURATION)
    }

    /// The authority of clients that this server named when they registered.
    pub fn registration() -> Authority {
        Authority::new(AuthorityKind::Registration, scheme::REGISTRATION)
    }

    /// An entry of `[[issuers]]`; `None` if the name is not allowed.
    pub fn issuer(name: &str) -> Option<Authority> {
        let key = format!("{name}:");
        scheme::is_issuer_name(name).then(|| Authority::new(AuthorityKind::Issuer, &key))
    }

    /// The authority with this key.
    pub fn of_key(key: &str) -> Option<Authority> {
        AuthorityKind::of_key(key).map(|kind| Authority::new(kind, key))
    }

    /// The authority of a complete identity. The error is the rest of a sentence that begins with the text.
    pub fn of_identity(text: &str) -> Result<Authority, String> {
        let (authority, _) = Authority::split(text)?;
        scheme::check_identity(authority.kind, text)?;
        Ok(authority)
    }

    /// The authority with which an identity begins, or the subject of a client that instances share. The rest of the
    /// text is not checked.
    pub fn at_the_beginning(text: &str) -> Option<Authority> {
        Authority::split(text).ok().map(|(authority, _)| authority)
    }

    /// The authority with which an identity or a pattern begins, and the segments after it, which are not checked;
    /// `None` if there are no segments.
    pub(crate) fn split(text: &str) -> Result<(Authority, Option<&str>), String> {
        let (kind, key, path) = scheme::split(text)?;
        Ok((Authority::new(kind, key), path))
    }

    /// The kind of the authority.
    pub fn kind(&self) -> AuthorityKind {
        self.kind
    }

    /// The text of the authority in record keys, events and switches. Its subjects begin with this text.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The name that administrators use: the name of a trust domain, or of an `[[issuers]]` entry.
    pub fn name(&self) -> &str {
        scheme::name(self.kind, &self.key)
    }

    /// The bare name of a trust domain; nothing of another authority.
    pub fn trust_domain(&self) -> Option<&str> {
        (self.kind == AuthorityKind::Spiffe).then(|| self.name())
    }

    /// Kind and name, for sentences.
    pub fn described(&self) -> String {
        format!("{} `{self}`", self.kind.noun())
    }

    /// The subject with these segments (separated by slashes); `None` if subjects of this authority have no segments.
    pub fn subject(&self, path: &str) -> Option<String> {
        match self.kind {
            AuthorityKind::Spiffe => Some(format!("{}/{path}", self.key)),
            AuthorityKind::Issuer => Some(format!("{}{path}", self.key)),
            AuthorityKind::Configuration | AuthorityKind::Registration => None,
        }
    }

    /// The segments of a subject, separated by slashes; `None` if subjects of this authority have no segments.
    pub fn path<'s>(&self, subject: &'s str) -> Option<&'s str> {
        let rest = subject.strip_prefix(&*self.key)?;
        let path = match self.kind {
            AuthorityKind::Spiffe => rest.strip_prefix('/')?,
            AuthorityKind::Issuer => rest,
            AuthorityKind::Configuration | AuthorityKind::Registration => return None,
        };
        (!path.is_empty()).then_some(path)
    }

    /// The first segments of a subject, each with a slash before it. Rate limits are counted for this prefix.
    pub fn prefix(&self, subject: &str, segments: usize) -> String {
        let path = self.path(subject);
        let first = path.into_iter().flat_map(|path| path.split('/')).take(segments);
        first.flat_map(|segment| ["/", segment]).collect()
    }

    /// Checks that a subject of this authority can have this segment. The error is the rest of a sentence.
    pub(crate) fn check_segment(&self, segment: &str) -> Result<(), String> {
        scheme::check_segment(self.kind, segment)
    }
}

impl Serialize for Authority {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.key)
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

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_key_is_read_back_as_the_authority_that_wrote_it() {
        use AuthorityKind::*;
        for (key, kind, name) in [
            ("spiffe://a.example", Spiffe, "a.example"),
            ("cluster-a:", Issuer, "cluster-a"),
            ("configuration", Configuration, "configuration"),
            ("registration", Registration, "registration"),
        ] {
            let authority = Authority::of_key(key).unwrap();
            assert_eq!(
                (authority.kind(), authority.key(), authority.name()),
                (kind, key, name)
            );
            let written = serde_json::to_string(&authority).unwrap();
            assert_eq!(written, format!("{key:?}"));
            assert_eq!(serde_json::from_str::<Authority>(&written).unwrap(), authority);
        }
        assert_eq!(
            Authority::of_key("configuration"),
            Some(Authority::configuration())
        );
        assert_eq!(Authority::of_key("registration"), Some(Authority::registration()));
        assert_eq!(Authority::of_key("cluster-a:"), Authority::issuer("cluster-a"));
        let others = [
            "",
            ":",
            "spiffe://",
            "spiffe://A.example",
            "spiffe://a.example/x",
            "a.example",
            "cluster-a",
            "spiffe:",
            "https:",
            "Cluster:",
            "cluster-a:x",
            "configuration:",
        ];
        let readable: Vec<&str> = others
            .into_iter()
            .filter(|key| Authority::of_key(key).is_some())
            .collect();
        // An entry may have a name that without the colon is the key of another kind of authority.
        assert_eq!(readable, ["configuration:"]);
    }

    #[test]
    fn issuer_with_the_name_of_a_client_id_scheme_is_refused() {
        for name in [
            "spiffe", "http", "https", "urn", "did", "vc", "", "A", "1a", "-a", "a_b", "a.b", "a:b", "a/b",
        ] {
            assert_eq!(Authority::issuer(name), None, "{name}");
        }
        for name in ["a", "cluster-a", "github2", "spiffes"] {
            assert!(Authority::issuer(name).is_some(), "{name}");
        }
    }

    #[test]
    fn path_of_a_subject_requires_the_complete_key_of_its_authority() {
        let authority = Authority::of_key("spiffe://a.example").unwrap();
        assert_eq!(authority.path("spiffe://a.example/ns/x"), Some("ns/x"));
        assert_eq!(authority.prefix("spiffe://a.example/ns/x/sa/y", 2), "/ns/x");
        let others = [
            "spiffe://a.example",
            "spiffe://a.example.evil/ns/x",
            "spiffe://b.example/ns/x",
            "a.example/x",
            "a.example:x",
            "",
        ];
        for other in others {
            assert_eq!(authority.path(other), None, "{other}");
            assert_eq!(authority.prefix(other, 2), "", "{other}");
        }
        let issuer = Authority::issuer("cluster-a").unwrap();
        assert_eq!(issuer.path("cluster-a:ns/x"), Some("ns/x"));
        assert_eq!(issuer.prefix("cluster-a:ns/x", 1), "/ns");
        for other in ["cluster-ab:ns/x", "cluster-a", "spiffe://cluster-a/ns/x"] {
            assert_eq!(issuer.path(other), None, "{other}");
        }
        for named in [Authority::configuration(), Authority::registration()] {
            assert_eq!(named.path("spiffe://a.example/x"), None);
            assert_eq!(named.path(named.key()), None);
        }
    }

    #[test]
    fn identity_must_have_the_text_form_of_its_authority() {
        let kind = |text: &str| {
            Authority::of_identity(text)
                .map(|authority| authority.kind())
                .ok()
        };
        assert_eq!(kind("spiffe://a.example/ns/x"), Some(AuthorityKind::Spiffe));
        assert_eq!(kind("cluster-a:ns/x"), Some(AuthorityKind::Issuer));
        assert_eq!(kind("github:repo%20a:ref/x y"), Some(AuthorityKind::Issuer));
        for wrong in [
            "",
            "x",
            "batch",
            "spiffe://A.example/x",
            "spiffe://a.example//x",
            "spiffe://a.example/%20",
            "cluster-a:",
            "cluster-a:ns//x",
            "cluster-a:ns/",
            "cluster-a:/ns",
            "cluster-a:caf\u{e9}",
            "https://a.example/x",
            "urn:x:y",
            "u_x:y",
        ] {
            assert_eq!(kind(wrong), None, "{wrong}");
        }
    }
}

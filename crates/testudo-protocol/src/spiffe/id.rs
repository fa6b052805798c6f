//! SPIFFE IDs and trust domain names. [SPIFFE-ID §2]
//!
//! The parser reads bytes and does not use a URL parser: URL parsers lower-case, drop ports, decode `%2F` and resolve
//! `..`, and each of those gives one identity several spellings. Nothing is normalised; a text that is not exactly
//! right is refused.

use crate::limits::{SPIFFE_ID_BYTES_MAX, TRUST_DOMAIN_BYTES_MAX};
use std::fmt;

const SCHEME: &str = "spiffe://";

/// A valid SPIFFE ID. Compared byte for byte.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct SpiffeId {
    text: Box<str>,
    #[serde(skip)]
    path_start: usize,
}

/// The name of a trust domain: `[a-z0-9.-_]`, 1 to 255 bytes. [SPIFFE-ID §2.1]
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct TrustDomain(Box<str>);

/// Why a text is not a SPIFFE ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpiffeIdError {
    /// Longer than 2048 bytes.
    TooLong,
    /// Does not begin with exactly `spiffe://`.
    WrongScheme,
    /// There is no trust domain between `spiffe://` and the path.
    EmptyTrustDomain,
    /// The trust domain is longer than 255 bytes.
    TrustDomainTooLong,
    /// A byte outside `[a-z0-9.-_]` in the trust domain (userinfo, port, upper case and `%` included).
    TrustDomainCharacter,
    /// A byte outside `[a-zA-Z0-9.-_]` in a path segment (query, fragment and `%` included).
    PathCharacter,
    /// An empty segment or a trailing slash.
    EmptySegment,
    /// A `.` or `..` segment.
    DotSegment,
}

impl fmt::Display for SpiffeIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SpiffeIdError::TooLong => "is longer than 2048 bytes",
            SpiffeIdError::WrongScheme => "does not begin with spiffe://",
            SpiffeIdError::EmptyTrustDomain => "has no trust domain",
            SpiffeIdError::TrustDomainTooLong => "has a trust domain longer than 255 bytes",
            SpiffeIdError::TrustDomainCharacter => {
                "has a character outside a-z 0-9 . - _ in its trust domain"
            }
            SpiffeIdError::PathCharacter => "has a character outside a-z A-Z 0-9 . - _ in its path",
            SpiffeIdError::EmptySegment => "has an empty path segment or a trailing slash",
            SpiffeIdError::DotSegment => "has a . or .. path segment",
        })
    }
}

impl SpiffeId {
    /// Parses `text` exactly as [SPIFFE-ID §2] defines it; a SPIFFE ID without a path is valid here.
    pub fn parse(text: &str) -> Result<SpiffeId, SpiffeIdError> {
        // [SPIFFE-ID §2.3] Up to 2048 bytes must be supported, longer ones should not exist.
        if text.len() > SPIFFE_ID_BYTES_MAX {
            return Err(SpiffeIdError::TooLong);
        }
        // [SPIFFE-ID §2.4] calls the scheme case-insensitive, §2.1 requires lower case: the stricter rule is applied.
        let rest = text.strip_prefix(SCHEME).ok_or(SpiffeIdError::WrongScheme)?;
        let (name, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        check_trust_domain(name)?;
        check_path(path)?;
        Ok(SpiffeId {
            text: text.into(),
            path_start: SCHEME.len() + name.len(),
        })
    }

    /// The whole SPIFFE ID.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name of the trust domain.
    pub fn trust_domain_name(&self) -> &str {
        self.text.get(SCHEME.len()..self.path_start).unwrap_or_default()
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> TrustDomain {
        TrustDomain(self.trust_domain_name().into())
    }

    /// The path with its leading slash, or an empty text.
    pub fn path(&self) -> &str {
        self.text.get(self.path_start..).unwrap_or_default()
    }

    /// The path's segments, in order.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.path().split('/').skip(1)
    }
}

impl TrustDomain {
    /// Parses a bare name, without `spiffe://`.
    pub fn parse(name: &str) -> Result<TrustDomain, SpiffeIdError> {
        check_trust_domain(name)?;
        Ok(TrustDomain(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_trust_domain(name: &str) -> Result<(), SpiffeIdError> {
    if name.is_empty() {
        return Err(SpiffeIdError::EmptyTrustDomain);
    }
    if name.len() > TRUST_DOMAIN_BYTES_MAX {
        return Err(SpiffeIdError::TrustDomainTooLong);
    }
    let legal = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    if name.bytes().all(legal) {
        Ok(())
    } else {
        Err(SpiffeIdError::TrustDomainCharacter)
    }
}

fn check_path(path: &str) -> Result<(), SpiffeIdError> {
    for segment in path.split('/').skip(1) {
        // [SPIFFE-ID §2.2] No empty segment, and so no trailing slash.
        if segment.is_empty() {
            return Err(SpiffeIdError::EmptySegment);
        }
        if segment == "." || segment == ".." {
            return Err(SpiffeIdError::DotSegment);
        }
        let legal = |byte: u8| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_');
        if !segment.bytes().all(legal) {
            return Err(SpiffeIdError::PathCharacter);
        }
    }
    Ok(())
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for SpiffeId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        SpiffeId::parse(&text).map_err(|fault| serde::de::Error::custom(format!("the SPIFFE ID {fault}")))
    }
}

impl<'de> serde::Deserialize<'de> for TrustDomain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        TrustDomain::parse(&text).map_err(|fault| serde::de::Error::custom(format!("the name {fault}")))
    }
}

#[cfg(test)]
mod tests {
    use super::SpiffeIdError::*;
    use super::*;

    #[test]
    fn reason_goes_on_a_sentence_that_names_the_text() {
        for reason in [
            TooLong,
            WrongScheme,
            EmptyTrustDomain,
            TrustDomainTooLong,
            TrustDomainCharacter,
            PathCharacter,
            EmptySegment,
            DotSegment,
        ] {
            let text = reason.to_string();
            let verb = text.split(' ').next().unwrap();
            assert!(["is", "has", "does"].contains(&verb), "it {text}");
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, &str), SpiffeIdError>) {
        let parsed = SpiffeId::parse(text);
        let got = parsed
            .as_ref()
            .map(|id| (id.trust_domain_name(), id.path()))
            .map_err(|fault| *fault);
        assert_eq!(got, expected, "{text}");
    }

    // Rows.
    #[test]
    fn well_formed_spiffe_ids_are_parsed() {
        check("spiffe://a.example/w/1", Ok(("a.example", "/w/1")));
        check("spiffe://a.example/w/A-b_c.9", Ok(("a.example", "/w/A-b_c.9")));
        check("spiffe://a.example/.x", Ok(("a.example", "/.x")));
        check("spiffe://a.example/...", Ok(("a.example", "/...")));
        check("spiffe://10.0.0.7/w", Ok(("10.0.0.7", "/w")));
        check("spiffe://a_1.example/w", Ok(("a_1.example", "/w")));
        check("spiffe://a.example", Ok(("a.example", "")));
    }

    // Rows.
    #[test]
    fn id_length_is_bounded_at_the_limit_and_one_past() {
        let padded = |length: usize| format!("spiffe://a.example/{}", "x".repeat(length - 19));
        assert!(SpiffeId::parse(&padded(2048)).is_ok());
        check(&padded(2049), Err(TooLong));
    }

    // Rows.
    #[test]
    fn other_schemes_and_upper_case_are_refused() {
        check("SPIFFE://a.example/w/1", Err(WrongScheme));
        check("https://a.example/w/1", Err(WrongScheme));
        check("spiffes://a.example/w/1", Err(WrongScheme));
        check("wimse://a.example/w/1", Err(WrongScheme));
        check("spiffe:/a.example/w/1", Err(WrongScheme));
        check("spiffe://A.example/w/1", Err(TrustDomainCharacter));
        check("", Err(WrongScheme));
    }

    // Rows.
    #[test]
    fn empty_domain_user_port_query_and_fragment_are_refused() {
        check("spiffe:///w/1", Err(EmptyTrustDomain));
        check("spiffe://", Err(EmptyTrustDomain));
        check("spiffe://u@a.example/w/1", Err(TrustDomainCharacter));
        check("spiffe://a.example:443/w/1", Err(TrustDomainCharacter));
        check("spiffe://a.example:/w/1", Err(TrustDomainCharacter));
        check("spiffe://a.example?x=1", Err(TrustDomainCharacter));
        check("spiffe://a.example/w/1?x=1", Err(PathCharacter));
        check("spiffe://a.example/w/1?", Err(PathCharacter));
        check("spiffe://a.example/w/1#f", Err(PathCharacter));
    }

    // Rows.
    #[test]
    fn percent_encoding_and_empty_or_dot_segments_are_refused() {
        check("spiffe://a.example/w/%31", Err(PathCharacter));
        check("spiffe://%61.example/w/1", Err(TrustDomainCharacter));
        check("spiffe://a.example/w%2F1", Err(PathCharacter));
        check("spiffe://a.example//w/1", Err(EmptySegment));
        check("spiffe://a.example/w/./1", Err(DotSegment));
        check("spiffe://a.example/w/../w/1", Err(DotSegment));
        check("spiffe://a.example/..", Err(DotSegment));
        check("spiffe://a.example/w/1/", Err(EmptySegment));
        check("spiffe://a.example/", Err(EmptySegment));
    }

    // Row A-18.
    #[test]
    fn only_letters_digits_dot_dash_underscore_are_accepted_in_a_segment() {
        for byte in 0u8..=127 {
            let character = byte as char;
            let id = format!("spiffe://a.example/w{character}1");
            let legal = character.is_ascii_alphanumeric() || ".-_/".contains(character);
            assert_eq!(SpiffeId::parse(&id).is_ok(), legal, "{byte:#x}");
        }
        check("spiffe://a.example/caf\u{e9}", Err(PathCharacter));
        check("spiffe://a.example/w\u{ff0f}1", Err(PathCharacter));
    }

    // Rows.
    #[test]
    fn non_ascii_ipv6_and_too_long_domains_are_refused() {
        check("spiffe://\u{430}.example/w/1", Err(TrustDomainCharacter));
        check("spiffe://a\u{3002}example/w", Err(TrustDomainCharacter));
        check("spiffe://[::1]/w", Err(TrustDomainCharacter));
        let name = |length: usize| format!("spiffe://{}/w", "a".repeat(length));
        assert!(SpiffeId::parse(&name(255)).is_ok());
        check(&name(256), Err(TrustDomainTooLong));
    }

    // Row A-23.
    #[test]
    fn trust_domain_with_another_suffix_is_a_different_trust_domain() {
        assert_eq!(
            SpiffeId::parse("spiffe://a.example.evil/w")
                .unwrap()
                .trust_domain_name(),
            "a.example.evil"
        );
    }

    proptest::proptest! {
        #[test]
        fn parsed_id_prints_the_text_that_was_parsed(text in ".{0,80}") {
            if let Ok(id) = SpiffeId::parse(&text) {
                assert_eq!(id.as_str(), text);
                assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
            }
        }
    }
}

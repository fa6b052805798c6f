//! Patterns over the identities of one authority: whole segments only, no regular expressions.
//!
//! A segment is a literal, `{name}` (captures one segment), `*` (any one segment), or, at the end only, `**`
//! (one or more segments).

use crate::identity::Authority;
use std::fmt;

/// The name of the capture, always the last segment of a pattern of a rule, that distinguishes the running copies of a
/// workload.
pub const INSTANCE: &str = "instance";

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    authority: Authority,
    segments: Vec<Segment>,
}

/// One segment of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(Box<str>),
    Capture(Box<str>),
    AnyOne,
    AnyRest,
}

/// The captured segments with their names, in the order of the pattern; and the claims that `captures` of the authority
/// names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures {
    segments: Vec<(Box<str>, Box<str>)>,
    claims: Vec<(Box<str>, Box<str>)>,
}

impl Captures {
    /// The captured segment. A claim is none: it can change while the identity stays the same.
    pub fn segment(&self, name: &str) -> Option<&str> {
        value_of(&self.segments, name)
    }

    /// The captured segment or claim, for templates of labels and URLs. A claim may have any printable characters.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.segment(name).or_else(|| value_of(&self.claims, name))
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.segments.iter().chain(&self.claims);
        all.map(|(name, value)| (&**name, &**value))
    }

    /// Adds a claim.
    pub(super) fn add_claim(&mut self, name: &str, value: String) {
        self.claims.push((name.into(), value.into()));
    }
}

fn value_of<'c>(captured: &'c [(Box<str>, Box<str>)], name: &str) -> Option<&'c str> {
    let found = captured.iter().find(|(known, _)| &**known == name);
    found.map(|(_, value)| &**value)
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences in Display are the documentation")]
pub enum PatternError {
    NoAuthority(String),
    NoPath,
    RestNotLast,
    PartOfSegment { segment: String },
    CaptureName { name: String },
    CaptureTwice { name: String },
    Literal { segment: String, fault: String },
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PatternError::NoAuthority(fault) => write!(
                f,
                "{fault} (a pattern begins with the whole name of an authority)"
            ),
            PatternError::NoPath => f.write_str("has no path"),
            PatternError::RestNotLast => f.write_str("has ** before its end"),
            PatternError::PartOfSegment { segment } => {
                write!(
                    f,
                    "has {segment:?}, but {{name}}, * and ** stand for whole segments only"
                )
            }
            PatternError::CaptureName { name } => {
                write!(
                    f,
                    "has the capture {{{name}}}; names are lower-case letters, digits and _"
                )
            }
            PatternError::CaptureTwice { name } => write!(f, "captures {{{name}}} twice"),
            PatternError::Literal { segment, fault } => {
                write!(f, "has the segment {segment:?}, which {fault}")
            }
        }
    }
}

impl Pattern {
    /// Compiles a pattern.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        let (authority, path) = Authority::split(text).map_err(PatternError::NoAuthority)?;
        let path = path.ok_or(PatternError::NoPath)?;
        let parts: Vec<&str> = path.split('/').collect();
        let mut segments: Vec<Segment> = Vec::with_capacity(parts.len());
        for (position, part) in parts.iter().enumerate() {
            let segment = segment(&authority, part)?;
            if segment == Segment::AnyRest && position + 1 != parts.len() {
                return Err(PatternError::RestNotLast);
            }
            if let Segment::Capture(name) = &segment
                && segments.contains(&segment)
            {
                return Err(PatternError::CaptureTwice {
                    name: name.to_string(),
                });
            }
            segments.push(segment);
        }
        Ok(Pattern {
            text: text.to_owned(),
            authority,
            segments,
        })
    }

    /// The pattern as the administrator wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The authority that the pattern is about.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Names that the pattern captures.
    pub fn capture_names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Capture(name) => Some(&**name),
            Segment::Literal(_) | Segment::AnyOne | Segment::AnyRest => None,
        })
    }

    /// True if the pattern has `*` or `**`.
    pub fn has_wildcards(&self) -> bool {
        self.segments
            .iter()
            .any(|segment| matches!(segment, Segment::AnyOne | Segment::AnyRest))
    }

    /// True if a segment before the last one is `{instance}`.
    pub fn has_instance_before_its_end(&self) -> bool {
        let mut earlier = self.segments.iter().rev().skip(1);
        earlier.any(|segment| matches!(segment, Segment::Capture(name) if &**name == INSTANCE))
    }

    /// True if the pattern ends with `**` and has no literal segment before: it matches every identity of its
    /// authority.
    pub fn admits_entire_authority(&self) -> bool {
        self.segments.last() == Some(&Segment::AnyRest) && self.literals().next().is_none()
    }

    /// The segments that are literal.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(literal) => Some(&**literal),
            Segment::Capture(_) | Segment::AnyOne | Segment::AnyRest => None,
        })
    }

    /// The last segment, if it is literal.
    pub fn last_literal(&self) -> Option<&str> {
        match self.segments.last()? {
            Segment::Literal(literal) => Some(literal),
            Segment::Capture(_) | Segment::AnyOne | Segment::AnyRest => None,
        }
    }

    /// True for `**` alone, which matches every identity of its authority.
    pub(super) fn matches_all(&self) -> bool {
        self.segments == [Segment::AnyRest]
    }

    /// Matches a whole subject of an authority.
    pub fn matches(&self, authority: &Authority, subject: &str) -> Option<Captures> {
        if self.authority != *authority {
            return None;
        }
        let mut captures = Captures::default();
        let mut parts = authority.path(subject)?.split('/');
        for segment in &self.segments {
            let part = parts.next()?;
            match segment {
                Segment::Literal(literal) if &**literal == part => {}
                Segment::Literal(_) => return None,
                Segment::Capture(name) => captures.segments.push((name.clone(), part.into())),
                Segment::AnyOne => {}
                Segment::AnyRest => return Some(captures),
            }
        }
        if parts.next().is_none() {
            Some(captures)
        } else {
            None
        }
    }

    /// True if `self` matches every identity that `narrower` matches.
    pub fn covers(&self, narrower: &Pattern) -> bool {
        if self.authority != narrower.authority {
            return false;
        }
        let mut theirs = narrower.segments.iter();
        for ours in &self.segments {
            match (ours, theirs.next()) {
                (_, None) => return false,
                (Segment::AnyRest, Some(_)) => return true,
                (_, Some(Segment::AnyRest)) => return false,
                (Segment::Capture(_) | Segment::AnyOne, Some(_)) => {}
                (Segment::Literal(a), Some(Segment::Literal(b))) if a == b => {}
                (Segment::Literal(_), Some(_)) => return false,
            }
        }
        theirs.next().is_none()
    }
}

fn segment(authority: &Authority, part: &str) -> Result<Segment, PatternError> {
    match part {
        "*" => return Ok(Segment::AnyOne),
        "**" => return Ok(Segment::AnyRest),
        _ => {}
    }
    if let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.is_empty() || !name.bytes().all(legal) {
            return Err(PatternError::CaptureName {
                name: name.to_owned(),
            });
        }
        return Ok(Segment::Capture(name.into()));
    }
    if part.contains(['*', '{', '}']) {
        return Err(PatternError::PartOfSegment {
            segment: part.to_owned(),
        });
    }
    // A literal that no identity of the authority can have would never match, so it is an error.
    match authority.check_segment(part) {
        Ok(()) => Ok(Segment::Literal(part.into())),
        Err(fault) => Err(PatternError::Literal {
            segment: part.to_owned(),
            fault,
        }),
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &Pattern, subject: &str) -> Option<Captures> {
        pattern.matches(&Authority::of_identity(subject).unwrap(), subject)
    }

    #[test]
    fn captures_hold_whole_segments() {
        let pattern = Pattern::parse("spiffe://a.example/ns/{namespace}/sa/{service}").unwrap();
        let captures = matches(&pattern, "spiffe://a.example/ns/pay/sa/api").unwrap();
        assert_eq!(
            captures.iter().collect::<Vec<_>>(),
            [("namespace", "pay"), ("service", "api")]
        );
    }

    #[test]
    fn double_star_matches_one_or_more() {
        let pattern = Pattern::parse("spiffe://a.example/fleet/**").unwrap();
        assert!(matches(&pattern, "spiffe://a.example/fleet").is_none());
        assert!(matches(&pattern, "spiffe://a.example/fleet/1").is_some());
        assert!(matches(&pattern, "spiffe://a.example/fleet/eu/9").is_some());
        assert!(matches(&pattern, "spiffe://a.example/fleet9").is_none());
    }

    // Row C-14.
    #[test]
    fn malformed_patterns_are_refused() {
        for bad in [
            "https://a.example/x",
            "spiffe://a.example",
            "spiffe://*.example/x",
            "spiffe://A.example/x",
            "spiffe://a.example/fleet*",
            "spiffe://a.example/a-{x}",
            "spiffe://a.example/**/x",
            "spiffe://a.example/{X}",
            "spiffe://a.example/{}",
            "spiffe://a.example/{x}/{x}",
            "spiffe://a.example/a//b",
            "spiffe://a.example/a/",
            "spiffe://a.example/a/../b",
            "spiffe://a.example/a%2f",
            "spiffe://a.example/a.*",
        ] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }

    // Row RF-35.
    #[test]
    fn patterns_for_a_whole_trust_domain_are_recognised() {
        let entire = |text: &str| Pattern::parse(text).unwrap().admits_entire_authority();
        assert!(entire("spiffe://a.example/**"));
        assert!(entire("spiffe://a.example/*/**"));
        assert!(entire("spiffe://a.example/{a}/{b}/**"));
        assert!(!entire("spiffe://a.example/ns/**"));
        assert!(!entire("spiffe://a.example/*"));
    }
}

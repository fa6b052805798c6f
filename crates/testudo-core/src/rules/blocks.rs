//! Blocked identities: exact ones, patterns, and single instances. A block applies to an identity, not to a client, so it also applies
//! before the first use and after a removal.

use super::pattern::{Pattern, PatternError};
use crate::identity::{AttestedIdentity, Authority, AuthorityKind};
use crate::records::Block;
use std::borrow::Cow;
use std::collections::HashSet;

/// Maximum number of patterns. Each request is compared with each of them.
pub const BLOCK_PATTERNS_MAX: usize = 1_000;

/// All blocks, compiled for lookups.
#[derive(Debug, Default)]
pub struct Blocks {
    exact: HashSet<Box<str>>,
    patterns: Vec<Pattern>,
    /// True if one of the exact texts is that of an instance which credentials name.
    has_instances: bool,
}

impl Blocks {
    /// Compiles blocks. The text of a block is a pattern if it has `*` or `{`.
    pub fn new<'b>(blocks: impl IntoIterator<Item = &'b Block>) -> Blocks {
        let mut compiled = Blocks::default();
        for block in blocks {
            // This also applies to a block from a version that did not support the bare name of a trust domain.
            match pattern(&canonical(&block.identity, |_| None)) {
                Some(Ok(pattern)) => compiled.patterns.push(pattern),
                // The text was checked when the block was made. A text that no longer compiles as a pattern is compared
                // as an exact identity.
                Some(Err(_)) | None => {
                    compiled.has_instances |= Block::parts(&block.identity).1.is_some();
                    compiled.exact.insert(block.identity.as_str().into());
                }
            }
        }
        compiled
    }

    /// The text of the block that applies to `identity` or to its sponsor.
    pub fn blocking(&self, identity: &AttestedIdentity) -> Option<&str> {
        if self.exact.is_empty() && self.patterns.is_empty() {
            return None;
        }
        let by_sponsor = identity.sponsor.as_ref().and_then(|sponsor| {
            let whole = self.matching(&sponsor.authority, &sponsor.subject);
            whole.or_else(|| {
                self.of_instance(&sponsor.subject, || {
                    sponsor.instance.as_deref().map(Cow::Borrowed)
                })
            })
        });
        by_sponsor
            .or_else(|| self.matching(&identity.authority, &identity.subject))
            .or_else(|| self.of_instance(&identity.subject, || identity.proof.instance()))
    }

    /// The block of the instance that the credential of the identity names.
    fn of_instance<'i>(
        &self,
        identity: &str,
        instance: impl FnOnce() -> Option<Cow<'i, str>>,
    ) -> Option<&str> {
        if !self.has_instances {
            return None;
        }
        let text = Block::text_of_instance(identity, &instance()?);
        self.exact.get(&*text).map(|exact| &**exact)
    }

    /// The text of the block that applies to a subject of this authority.
    pub(crate) fn matching(&self, authority: &Authority, subject: &str) -> Option<&str> {
        if let Some(exact) = self.exact.get(subject) {
            return Some(exact);
        }
        self.patterns
            .iter()
            .find(|pattern| pattern.matches(authority, subject).is_some())
            .map(Pattern::as_str)
    }

    /// Number of patterns.
    pub fn pattern_count(&self) -> usize {
        self.patterns.len()
    }
}

/// The text under which a block of `text` is stored. The key of an authority, or the name of a configured one, means
/// all its identities; the key of an authority is never an identity.
pub fn canonical(text: &str, named: impl Fn(&str) -> Option<Authority>) -> String {
    // No client id has the form of an authority's key, so the authority need not be configured.
    let trust_domain = Authority::of_key(text).filter(|known| known.kind() == AuthorityKind::Spiffe);
    let meant = trust_domain.or_else(|| named(text));
    let all = meant.and_then(|authority| authority.subject("**"));
    all.unwrap_or_else(|| text.to_owned())
}

/// Parses `text` as a pattern; `None` if it has no wildcard and no capture, or is the block of an instance, and an error
/// if it is malformed.
pub fn pattern(text: &str) -> Option<Result<Pattern, PatternError>> {
    let (text, instance) = Block::parts(text);
    (instance.is_none() && text.contains(['*', '{'])).then(|| Pattern::parse(text))
}

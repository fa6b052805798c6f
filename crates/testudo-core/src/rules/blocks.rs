//! Identities that are kept out, exactly or by pattern. A property of an identity, not of a client: it is there
//! before the first use and after a removal.

use super::pattern::{Pattern, PatternError};
use crate::identity::{AttestedIdentity, Authority, AuthorityKind};
use crate::records::Block;
use std::collections::HashSet;

/// Patterns at most; each costs a look per request.
pub const BLOCK_PATTERNS_MAX: usize = 1_000;

/// All blocks, ready to be asked.
#[derive(Debug, Default)]
pub struct Blocks {
    exact: HashSet<Box<str>>,
    patterns: Vec<Pattern>,
}

impl Blocks {
    /// Compiles blocks; the text of a block is a pattern where it has `*` or `{`.
    pub fn new<'b>(blocks: impl IntoIterator<Item = &'b Block>) -> Blocks {
        let mut compiled = Blocks::default();
        for block in blocks {
            // Also one that was made before bare trust domains were understood.
            match pattern(&canonical(&block.identity, |_| None)) {
                Some(Ok(pattern)) => compiled.patterns.push(pattern),
                // Judged when the block was made; a text that no longer compiles blocks itself.
                Some(Err(_)) | None => {
                    compiled.exact.insert(block.identity.as_str().into());
                }
            }
        }
        compiled
    }

    /// The block that keeps `identity` out, by its text. A blocked identity cannot be a sponsor either.
    pub fn blocking(&self, identity: &AttestedIdentity) -> Option<&str> {
        if self.exact.is_empty() && self.patterns.is_empty() {
            return None;
        }
        let by_sponsor = identity
            .sponsor
            .as_ref()
            .and_then(|sponsor| self.matching(&sponsor.authority, &sponsor.subject));
        by_sponsor.or_else(|| self.matching(&identity.authority, &identity.subject))
    }

    fn matching(&self, authority: &Authority, subject: &str) -> Option<&str> {
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

/// The text under which a block of `text` is kept. An authority, by its key or by the name of one that is configured,
/// means every identity of it: no identity is an authority, so nothing else could be meant.
pub fn canonical(text: &str, named: impl Fn(&str) -> Option<Authority>) -> String {
    // No client has such an id, so it need not be configured.
    let trust_domain = Authority::of_key(text).filter(|known| known.kind() == AuthorityKind::Spiffe);
    let meant = trust_domain.or_else(|| named(text));
    let all = meant.and_then(|authority| authority.subject("**"));
    all.unwrap_or_else(|| text.to_owned())
}

/// The pattern that `text` is, if it is meant as one; an error where it is meant as one and is none.
pub fn pattern(text: &str) -> Option<Result<Pattern, PatternError>> {
    text.contains(['*', '{']).then(|| Pattern::parse(text))
}

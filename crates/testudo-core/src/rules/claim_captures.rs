//! `captures` of `[[issuers]]` entries: claims that the templates of rules may insert.

use super::pattern::Captures;
use crate::identity::claims::text_of;
use crate::identity::{Authority, ClaimSource, NamedClaims};
use std::collections::HashMap;

/// The captures of each authority: names, and where the claims are.
#[derive(Debug, Clone, Default)]
pub struct ClaimCaptures(HashMap<Authority, Vec<(String, ClaimSource)>>);

impl ClaimCaptures {
    /// The captures of these authorities.
    pub fn new(of: HashMap<Authority, Vec<(String, ClaimSource)>>) -> ClaimCaptures {
        ClaimCaptures(of)
    }

    /// The names that an authority captures.
    pub fn names(&self, authority: &Authority) -> impl Iterator<Item = &str> {
        self.of(authority).iter().map(|(name, _)| name.as_str())
    }

    /// Adds the claims to what the pattern captured. A claim that is missing, or no text, is left out: then what needs it
    /// is left out too.
    pub(super) fn fill(&self, authority: &Authority, claims: &NamedClaims, captures: &mut Captures) {
        for (name, source) in self.of(authority) {
            if let Some(text) = claims.get(source).and_then(text_of) {
                captures.add_claim(name, text);
            }
        }
    }

    /// The claims that captures name, by authority.
    pub(super) fn sources(&self) -> HashMap<Authority, Vec<ClaimSource>> {
        let sources = |captures: &Vec<(String, ClaimSource)>| {
            let mut sources: Vec<ClaimSource> = captures.iter().map(|(_, source)| source.clone()).collect();
            sources.sort();
            sources.dedup();
            sources
        };
        let of = self.0.iter();
        of.map(|(authority, captures)| (authority.clone(), sources(captures)))
            .collect()
    }

    /// The captures of this authority.
    pub(super) fn of(&self, authority: &Authority) -> &[(String, ClaimSource)] {
        self.0.get(authority).map_or(&[], Vec::as_slice)
    }
}

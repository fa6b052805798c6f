//! Finds the entries of the configuration whose tokens have an `iss`.

use super::authority::{AuthorityPolicy, AuthorityUse};
use crate::identity::{Authority, CredentialKind};
use std::collections::HashMap;

/// The authorities whose tokens are found by `iss`, by this `iss`. Several entries may share one, if their kind allows it.
#[derive(Debug, Default)]
pub struct Issuers(HashMap<Box<str>, Named>);

#[derive(Debug)]
struct Named {
    kind: CredentialKind,
    uses: Vec<AuthorityUse>,
    entries: Vec<Authority>,
}

impl Issuers {
    /// The issuers among these authorities.
    pub fn of(authorities: &HashMap<Authority, AuthorityPolicy>) -> Issuers {
        let mut named: HashMap<Box<str>, Named> = HashMap::new();
        for (authority, policy) in authorities {
            let kind = policy.credentials.iter().find(|kind| kind.is_found_by_issuer());
            let (Some(kind), Some(issuer)) = (kind, &policy.issuer) else {
                continue;
            };
            let known = named.entry(issuer.as_str().into()).or_insert_with(|| Named {
                kind: *kind,
                uses: Vec::new(),
                entries: Vec::new(),
            });
            known.entries.push(authority.clone());
            known.uses.extend(&policy.uses);
        }
        for known in named.values_mut() {
            known.entries.sort();
        }
        Issuers(named)
    }

    /// True if no token is found by `iss`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The kind of credential of this issuer, if it may speak for `purpose`.
    pub fn kind(&self, unverified_issuer: &str, purpose: AuthorityUse) -> Option<CredentialKind> {
        let known = self.0.get(unverified_issuer)?;
        known.uses.contains(&purpose).then_some(known.kind)
    }

    /// The entries of this issuer, in order of their names.
    pub fn entries(&self, unverified_issuer: &str) -> &[Authority] {
        self.0.get(unverified_issuer).map_or(&[], |known| &known.entries)
    }
}

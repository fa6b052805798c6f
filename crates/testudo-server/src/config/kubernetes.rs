//! `[[issuers]]` entries with `kind = "kubernetes"`: clusters whose service accounts are clients.

use super::checker::Checker;
use super::issuer_entry::IssuerKind;
use super::issuers::{IssuerEntry, Issuers};
use std::sync::Arc;
use testudo_core::CredentialKind;
use testudo_core::identity::ClaimSource;
use testudo_core::policy::{AuthorityPolicy, AuthorityUse};

/// The kind.
pub(super) const KIND: IssuerKind = IssuerKind {
    name: "kubernetes",
    credential: CredentialKind::Kubernetes,
    uses: &[AuthorityUse::Client],
    keys: &[
        "token_review",
        "default_service_accounts",
        "lifetime_max",
        "accept_audiences",
    ],
    has_documents: false,
    add: |checker, entry, policy, found| checker.kubernetes(entry, policy, found),
};

/// What every cluster captures, and where it is in the claims. Namespace and account are in the identity. [K8S-ACCOUNTS]
const CAPTURES: [(&str, &str); 2] = [
    ("pod", "/kubernetes.io/pod/name"),
    ("node", "/kubernetes.io/node/name"),
];

impl Checker<'_> {
    fn kubernetes(
        &mut self,
        entry: IssuerEntry<'_>,
        policy: AuthorityPolicy,
        found: &mut Issuers,
    ) -> AuthorityPolicy {
        let IssuerEntry {
            key,
            authority,
            section,
        } = entry;
        self.issuer_is_written(key, section);
        let captures = found.captures.entry(authority.clone()).or_default();
        for (name, source) in CAPTURES {
            let is_free = captures.iter().all(|(known, _)| known != name);
            if let (true, Ok(source)) = (is_free, ClaimSource::parse(source)) {
                captures.push((name.to_owned(), source));
            }
        }
        let review = section.token_review.as_ref();
        let review = review.and_then(|review| self.token_review(&format!("{key}.token_review"), review));
        let (source, review) = review.unzip();
        if let Some(source) = source {
            found.reviews.insert(authority.clone(), Arc::new(source));
        }
        AuthorityPolicy {
            review,
            takes_default_accounts: section.default_service_accounts.unwrap_or_default(),
            ..policy
        }
    }
}

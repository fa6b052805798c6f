//! `[[issuers]]` entries with `kind = "attester"`: who attests the keys of clients, and where its own keys are.

use super::checker::Checker;
use super::issuer_entry::IssuerKind;
use super::issuers::{IssuerEntry, Issuers};
use testudo_core::CredentialKind;
use testudo_core::policy::{ATTESTATION_AGE_MAX, AuthorityPolicy, AuthorityUse};

/// The kind.
pub(super) const KIND: IssuerKind = IssuerKind {
    name: "attester",
    credential: CredentialKind::Attestation,
    uses: &[AuthorityUse::Client],
    keys: &["challenge", "attestation_age_max", "attested_metadata"],
    has_documents: false,
    add: |checker, entry, found| checker.attester(entry, found),
};

impl Checker<'_> {
    /// Checks an entry and adds it to those that were found.
    fn attester(&mut self, entry: IssuerEntry<'_>, found: &mut Issuers) {
        let policy = self.issuer_entry(entry, &KIND, found);
        let IssuerEntry {
            key,
            authority,
            section,
        } = entry;
        let age_key = format!("{key}.attestation_age_max");
        let age_max = self.longest(&age_key, section.attestation_age_max.as_deref());
        let policy = AuthorityPolicy {
            attestation_age_max: age_max.unwrap_or(ATTESTATION_AGE_MAX),
            ..policy
        };
        found.policies.insert(authority.clone(), policy);
    }
}

//! `[[issuers]]` entries with `kind = "attester"`: who attests the keys of clients, and where its own keys are.

use super::checker::Checker;
use super::issuer_entry::IssuerKind;
use super::issuers::IssuerEntry;
use testudo_core::CredentialKind;
use testudo_core::policy::{ATTESTATION_AGE_MAX, AuthorityPolicy, AuthorityUse};

/// The kind.
pub(super) const KIND: IssuerKind = IssuerKind {
    name: "attester",
    credential: CredentialKind::Attestation,
    uses: &[AuthorityUse::Client],
    keys: &["challenge", "attestation_age_max", "attested_metadata"],
    has_documents: false,
    add: |checker, entry, policy, _| checker.attester(entry, policy),
};

impl Checker<'_> {
    fn attester(&mut self, entry: IssuerEntry<'_>, policy: AuthorityPolicy) -> AuthorityPolicy {
        let IssuerEntry { key, section, .. } = entry;
        let age_key = format!("{key}.attestation_age_max");
        let age_max = self.longest(&age_key, section.attestation_age_max.as_deref());
        AuthorityPolicy {
            attestation_age_max: age_max.unwrap_or(ATTESTATION_AGE_MAX),
            ..policy
        }
    }
}

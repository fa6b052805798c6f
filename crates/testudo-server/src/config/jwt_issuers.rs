//! `[[issuers]]` entries with `kind = "jwt"`: CI systems, clouds and other OpenID providers whose tokens authenticate or
//! register clients.

use super::checker::Checker;
use super::issuer_entry::IssuerKind;
use super::issuers::{IssuerEntry, IssuerSection, Issuers};
use testudo_core::CredentialKind;
use testudo_core::identity::ClaimSource;
use testudo_core::policy::{AuthorityPolicy, AuthorityUse};

/// The kind.
pub(super) const KIND: IssuerKind = IssuerKind {
    name: "jwt",
    credential: CredentialKind::IssuerJwt,
    uses: &[AuthorityUse::Client, AuthorityUse::Registration],
    keys: &[
        "lifetime_max",
        "accept_audiences",
        "subject_claim",
        "attested_metadata",
    ],
    has_documents: false,
    add: |checker, entry, found| checker.jwt_issuer(entry, found),
};

impl Checker<'_> {
    /// Checks an entry and adds it to those that were found.
    fn jwt_issuer(&mut self, entry: IssuerEntry<'_>, found: &mut Issuers) {
        let policy = self.issuer_entry(entry, &KIND, found);
        let IssuerEntry {
            key,
            authority,
            section,
        } = entry;
        self.issuer_is_written(key, section);
        self.ci_subject(key, section);
        if policy.uses == [AuthorityUse::Registration] {
            self.report.warn(
                format!("{key}.use"),
                "registers clients that cannot authenticate: their tokens are not accepted at the token endpoint",
                Some("add \"client\""),
            );
        }
        let policy = AuthorityPolicy {
            subject_claim: self.subject_claim(key, section.subject_claim.as_deref()),
            ..policy
        };
        found.policies.insert(authority.clone(), policy);
    }

    /// [RFC7523 §3 (1)] A token is of the entry whose `issuer` is its `iss`.
    pub(super) fn issuer_is_written(&mut self, key: &str, section: &IssuerSection) {
        let key = format!("{key}.issuer");
        if section.issuer.as_ref().is_none_or(String::is_empty) && !self.report.is_unread(&key) {
            let hint = Some("write the `iss` of its tokens, exactly as they have it");
            self.report.error(key, "is missing", hint);
        }
    }

    fn subject_claim(&mut self, key: &str, text: Option<&str>) -> Option<ClaimSource> {
        match ClaimSource::parse(text?) {
            Ok(source) => Some(source),
            Err(problem) => {
                let key = format!("{key}.subject_claim");
                self.report.error(key, format!("{:?} {problem}", text?), None);
                None
            }
        }
    }
}

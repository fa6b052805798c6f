//! `[[issuers]]` entries with `kind = "jwt"`: CI systems, clouds and other OpenID providers whose tokens authenticate or
//! register clients.

use super::checker::Checker;
use super::issuer_entry::IssuerKind;
use super::issuers::{IssuerEntry, IssuerSection};
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
    add: |checker, entry, policy, _| checker.jwt_issuer(entry, policy),
};

impl Checker<'_> {
    fn jwt_issuer(&mut self, entry: IssuerEntry<'_>, policy: AuthorityPolicy) -> AuthorityPolicy {
        let IssuerEntry { key, section, .. } = entry;
        self.issuer_is_written(key, section);
        self.ci_subject(key, section);
        if policy.uses == [AuthorityUse::Registration] {
            self.report.warn(
                format!("{key}.use"),
                "registers clients that cannot authenticate: their tokens are not accepted at the token endpoint",
                Some("add \"client\""),
            );
        }
        AuthorityPolicy {
            subject_claim: self.subject_claim(key, section.subject_claim.as_deref()),
            ..policy
        }
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

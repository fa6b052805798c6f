//! The keys of an authority, and what they can verify.

use super::issuer_certificates::IssuerCertificates;
use crate::identity::{Authority, CredentialKind, VerifiedBy};
use crate::rejection::{AdmissionReason, CredentialReason, NotAcceptedBy, Rejection};
use std::sync::Arc;
use testudo_protocol::Timestamp;
use testudo_protocol::client_certificate::{ClientAuthorities, ClientAuthority};
use testudo_protocol::jose::{JoseError, KeySet, PublicKey};
use testudo_protocol::spiffe::{Bundle, PathError, X509Authority, X509Error};

/// The current keys of an authority. A credential is verified only with the keys of its own authority. [decision 0007]
#[derive(Debug, Clone)]
pub enum AuthorityKeys {
    /// The bundle of a trust domain.
    Bundle(Arc<Bundle>),
    /// The JWK Set of another issuer of tokens, or the keys of its DID. [RFC7517 §5]
    Keys(Arc<KeySet>),
    /// The certificate authorities of an issuer of credentials.
    Certificates(Arc<IssuerCertificates>),
}

impl AuthorityKeys {
    /// The bundle, if the authority publishes one.
    pub fn bundle(&self) -> Option<&Arc<Bundle>> {
        match self {
            AuthorityKeys::Bundle(bundle) => Some(bundle),
            AuthorityKeys::Keys(_) | AuthorityKeys::Certificates(_) => None,
        }
    }

    /// The bundle, for a door that verifies with nothing else. An authority with another form of keys issues no such
    /// credential.
    pub(crate) fn bundle_of(
        &self,
        kind: CredentialKind,
        authority: &Authority,
    ) -> Result<&Bundle, Rejection> {
        self.bundle().map(Arc::as_ref).ok_or_else(|| {
            let by = NotAcceptedBy::Authority(authority.clone());
            AdmissionReason::CredentialNotAccepted { kind, by }.into()
        })
    }

    /// The keys that sign tokens.
    pub fn token_keys(&self) -> &KeySet {
        match self {
            AuthorityKeys::Bundle(bundle) => &bundle.jwt_keys,
            AuthorityKeys::Keys(keys) => keys,
            AuthorityKeys::Certificates(certificates) => certificates.no_keys(),
        }
    }

    /// All keys that sign tokens, each with its `use`.
    pub fn signing_keys(&self) -> impl Iterator<Item = (&'static str, &PublicKey)> {
        let r#use = self.bundle().map_or("sig", |_| "jwt-svid");
        let wit_keys = self
            .bundle()
            .into_iter()
            .flat_map(|bundle| bundle.wit_keys.iter());
        let token_keys = self.token_keys().iter().map(move |key| (r#use, key));
        token_keys.chain(wit_keys.map(|key| ("wit-svid", key)))
    }

    /// The certificates that sign X.509-SVIDs, which only a bundle can have.
    pub fn x509_authorities(&self) -> impl Iterator<Item = &X509Authority> {
        self.bundle()
            .into_iter()
            .flat_map(|bundle| bundle.x509_authorities.iter())
    }

    /// The certificates of the authorities of an issuer of credentials.
    pub fn issuer_authorities(&self) -> impl Iterator<Item = &ClientAuthority> {
        let certificates = match self {
            AuthorityKeys::Certificates(certificates) => Some(certificates.authorities()),
            AuthorityKeys::Bundle(_) | AuthorityKeys::Keys(_) => None,
        };
        certificates.into_iter().flat_map(ClientAuthorities::iter)
    }

    /// `spiffe_sequence`, which only a bundle can have.
    pub fn sequence(&self) -> Option<u64> {
        let sequence = self.bundle()?.sequence?;
        Some(sequence.0)
    }

    /// True if the document lists no key, which means that no credential of the authority is valid.
    pub fn is_empty_document(&self) -> bool {
        match self {
            AuthorityKeys::Bundle(bundle) => bundle.is_empty_document(),
            AuthorityKeys::Keys(keys) => keys.is_empty() && keys.ignored().is_empty(),
            AuthorityKeys::Certificates(_) => false,
        }
    }

    /// The keys of the document that are not used, and why, for `doctor` and `trust show`.
    pub fn ignored(&self) -> &[String] {
        match self {
            AuthorityKeys::Bundle(bundle) => &bundle.ignored,
            AuthorityKeys::Keys(keys) => keys.ignored(),
            AuthorityKeys::Certificates(_) => &[],
        }
    }

    /// True if both are the same object in memory, so the keys have not changed.
    pub fn are(&self, others: &AuthorityKeys) -> bool {
        match (self, others) {
            (AuthorityKeys::Bundle(ours), AuthorityKeys::Bundle(theirs)) => Arc::ptr_eq(ours, theirs),
            (AuthorityKeys::Keys(ours), AuthorityKeys::Keys(theirs)) => Arc::ptr_eq(ours, theirs),
            (AuthorityKeys::Certificates(ours), AuthorityKeys::Certificates(theirs)) => {
                Arc::ptr_eq(ours, theirs)
            }
            (AuthorityKeys::Bundle(_) | AuthorityKeys::Keys(_) | AuthorityKeys::Certificates(_), _) => false,
        }
    }

    /// True if a signed token with this `kid` can be verified with these keys.
    pub fn have_kid(&self, kid: &str) -> bool {
        self.signing_keys().any(|(_, key)| key.kid() == Some(kid))
    }

    /// True if there are valid keys for this kind of credential. Metadata lists only kinds that can be verified.
    pub fn can_verify(&self, by: VerifiedBy, now: Timestamp) -> bool {
        match by {
            VerifiedBy::TokenKeys => {
                !self.token_keys().is_empty() || self.issuer_authorities().any(|known| known.is_valid(now))
            }
            VerifiedBy::WitKeys => self.bundle().is_some_and(|bundle| !bundle.wit_keys.is_empty()),
            VerifiedBy::Certificates => self.x509_authorities().any(|known| known.is_valid(now)),
            VerifiedBy::ClientKeys => false,
        }
    }

    /// The reason for which every credential of this kind is refused, if there is no valid key for it.
    pub fn must_verify(&self, by: VerifiedBy, now: Timestamp) -> Result<(), CredentialReason> {
        if self.can_verify(by, now) {
            return Ok(());
        }
        Err(match by {
            VerifiedBy::Certificates => {
                CredentialReason::Certificate(X509Error::Path(PathError::NoAuthority))
            }
            VerifiedBy::TokenKeys | VerifiedBy::WitKeys | VerifiedBy::ClientKeys => {
                CredentialReason::Jose(JoseError::NoKey { kid: None })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::AuthorityKind;

    #[test]
    fn document_is_read_in_the_form_that_the_kind_of_authority_publishes() {
        let issuer = testudo_testkit::TestIssuer::new("a.example");
        let document = issuer.bundle().to_string();
        let bundle = AuthorityKeys::parse(AuthorityKind::Spiffe, document.as_bytes()).unwrap();
        assert!(bundle.bundle().is_some() && bundle.are(&bundle.clone()));
        // Keys without `use` are none of a bundle.
        let set = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        let keys = AuthorityKeys::parse(AuthorityKind::Issuer, set).unwrap();
        let read_as_bundle = AuthorityKeys::parse(AuthorityKind::Spiffe, set).unwrap();
        let now = Timestamp(0);
        assert!(keys.bundle().is_none() && keys.have_kid("k") && !keys.have_kid("other"));
        assert!(
            keys.can_verify(VerifiedBy::TokenKeys, now) && !keys.can_verify(VerifiedBy::Certificates, now)
        );
        assert!(!read_as_bundle.can_verify(VerifiedBy::TokenKeys, now));
        let again = AuthorityKeys::parse(AuthorityKind::Issuer, set).unwrap();
        assert!(keys.are(&keys.clone()) && !keys.are(&again) && !keys.are(&bundle) && !bundle.are(&keys));
        assert!(AuthorityKeys::parse(AuthorityKind::Issuer, b"<html>").is_err());
    }

    #[test]
    fn unusable_key_of_any_document_is_ignored_with_its_position_and_reason() {
        for (kind, usage) in [
            (AuthorityKind::Issuer, "sig"),
            (AuthorityKind::Spiffe, "jwt-svid"),
        ] {
            let set = format!(
                r#"{{"keys":[{{"use":"{usage}","kid":"a","kty":"oct"}},{{"use":"{usage}","kid":"b","kty":7}}]}}"#
            );
            let keys = AuthorityKeys::parse(kind, set.as_bytes()).unwrap();
            let [unknown, malformed] = keys.ignored() else {
                panic!("{:?}", keys.ignored())
            };
            assert!(unknown.starts_with("key 0: "), "{unknown}");
            assert!(
                malformed.starts_with("key 1: ") && malformed.contains("expected a string"),
                "{malformed}"
            );
            assert!(!keys.is_empty_document(), "the document lists keys");
            let empty = AuthorityKeys::parse(kind, br#"{"keys":[]}"#).unwrap();
            assert!(empty.is_empty_document() && empty.ignored().is_empty());
        }
    }
}

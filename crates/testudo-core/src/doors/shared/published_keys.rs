//! The forms of the documents in which authorities publish their keys.

use super::authority_keys::AuthorityKeys;
use super::issuer_certificates::IssuerCertificates;
use crate::identity::{AuthorityKind, Signer};
use std::sync::Arc;
use testudo_protocol::Timestamp;
use testudo_protocol::client_certificate::ExpectedName;
use testudo_protocol::credentials::did::{Did, document};
use testudo_protocol::credentials::x5c::CertifiedKey;
use testudo_protocol::credentials::{CredentialError, IssuerKeys};
use testudo_protocol::jose::{Jws, KeySet};
use testudo_protocol::spiffe::Bundle;

/// The form of a document with the keys of an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysForm<'s> {
    /// A SPIFFE bundle.
    Bundle,
    /// A JWK Set.
    KeySet,
    /// The document of this DID. [DID-CORE §5]
    DidDocument(&'s Did),
    /// This DID, which contains its key. [DID-KEY] [DID-JWK]
    Did(&'s Did),
    /// Certificates of authorities in PEM. The certificate of the issuer has this name.
    Certificates(&'s ExpectedName),
}

impl KeysForm<'_> {
    /// The form in which this kind of authority publishes its keys, if its source has no other one.
    pub fn of(kind: AuthorityKind) -> KeysForm<'static> {
        match kind {
            AuthorityKind::Spiffe => KeysForm::Bundle,
            AuthorityKind::Issuer | AuthorityKind::Configuration | AuthorityKind::Registration => {
                KeysForm::KeySet
            }
        }
    }

    /// Reads a document. Of a key set or DID document, only the keys are used whose JWK thumbprint (RFC 7638) is in `pins`,
    /// unless there are none. The error is a sentence for the administrator.
    pub fn read(self, document: &[u8], pins: &[[u8; 32]]) -> Result<AuthorityKeys, String> {
        let of_set = |keys: KeySet| match pins.is_empty() {
            true => AuthorityKeys::Keys(Arc::new(keys)),
            false => AuthorityKeys::Keys(Arc::new(keys.only(pins))),
        };
        match self {
            KeysForm::Bundle => Bundle::parse(document)
                .map(|bundle| AuthorityKeys::Bundle(Arc::new(bundle)))
                .map_err(|error| error.to_string()),
            KeysForm::KeySet => KeySet::of_authority(document).map(of_set),
            KeysForm::DidDocument(did) => of_document(did, document).map(of_set),
            KeysForm::Did(did) => of_did(did, document).map(of_set),
            KeysForm::Certificates(name) => IssuerCertificates::read(document, name)
                .map(|certificates| AuthorityKeys::Certificates(Arc::new(certificates))),
        }
    }
}

/// [DID-CORE §5.3.2] The keys that sign credentials. `null` is the document of a DID that was deactivated.
fn of_document(did: &Did, document: &[u8]) -> Result<KeySet, String> {
    if document.trim_ascii() == b"null" {
        return Ok(KeySet::default());
    }
    document::keys(did, document, document::Relationship::Assertion)
        .map_err(|error| format!("{did}: {error}"))
}

/// The source of a DID that contains its key gives the DID itself.
fn of_did(did: &Did, document: &[u8]) -> Result<KeySet, String> {
    let key = did.own_key().filter(|_| document == did.as_str().as_bytes());
    let key = key.and_then(|key| key.public_key());
    let mut keys = KeySet::default();
    keys.push(key.ok_or_else(|| format!("{did} contains no key"))?);
    Ok(keys)
}

/// The keys that can verify one credential.
pub enum CredentialKeys<'k> {
    /// The key set of the issuer.
    Set(&'k KeySet),
    /// The key of the certificate in the header of the credential.
    Certificate(Box<CertifiedKey>),
}

impl CredentialKeys<'_> {
    /// The keys, as the parsers of credentials and lists take them.
    pub fn issuer_keys(&self) -> IssuerKeys<'_> {
        match self {
            CredentialKeys::Set(keys) => IssuerKeys::Set(keys),
            CredentialKeys::Certificate(certified) => IssuerKeys::Certificate(&certified.key),
        }
    }

    /// What is kept of the key that verified this signature, for [`AuthorityKeys::have_signer`].
    pub fn signer_of(&self, verified: &Jws) -> Option<Signer> {
        let keys = match self {
            CredentialKeys::Set(keys) => keys,
            CredentialKeys::Certificate(certified) => {
                return Some(Signer {
                    key: certified.authority,
                    certificate_name: Some(certified.name),
                });
            }
        };
        let algorithm = verified.algorithm().ok()?;
        let candidates = || keys.candidates(verified.header.kid.as_deref(), algorithm);
        // The signature is verified already: a second verification is needed only to choose among several keys.
        let mut few = candidates();
        let signer = match (few.next(), few.next()) {
            (Some(only), None) => only,
            (Some(_) | None, Some(_) | None) => candidates().find(|key| verified.verify_with(key).is_ok())?,
        };
        Some(Signer {
            key: signer.thumbprint(),
            certificate_name: None,
        })
    }
}

impl AuthorityKeys {
    /// Reads the document that an authority of this kind publishes.
    pub fn parse(kind: AuthorityKind, document: &[u8]) -> Result<AuthorityKeys, String> {
        KeysForm::of(kind).read(document, &[])
    }

    /// The keys that can verify this credential or status list. How the keys of an issuer are found follows from its entry
    /// alone, and never from the credential. [SD-JWT-VC §7.3]
    pub fn for_credential(&self, jws: &Jws, now: Timestamp) -> Result<CredentialKeys<'_>, CredentialError> {
        match self {
            AuthorityKeys::Bundle(_) | AuthorityKeys::Keys(_) => Ok(CredentialKeys::Set(self.token_keys())),
            AuthorityKeys::Certificates(known) => known
                .key_of(jws, now)
                .map(|certified| CredentialKeys::Certificate(Box::new(certified))),
        }
    }

    /// True if the keys have the one of which [`CredentialKeys::signer_of`] was kept. The key of a certificate is one of them
    /// while its authority is, by its key, which it keeps when its certificate is renewed, and while the issuer has the
    /// name that the certificate had. The certificate itself is in no configuration, and may change with each signature.
    pub fn have_signer(&self, signer: &Signer) -> bool {
        match self {
            AuthorityKeys::Bundle(_) | AuthorityKeys::Keys(_) => {
                self.token_keys().has_thumbprint(&signer.key)
            }
            AuthorityKeys::Certificates(certificates) => {
                let is_named = |name: &[u8; 32]| *name == certificates.name().digest();
                let mut authorities = certificates.authorities().iter();
                authorities.any(|known| known.key_digest == signer.key)
                    && signer.certificate_name.as_ref().is_none_or(is_named)
            }
        }
    }
}

#[cfg(test)]
mod tests;

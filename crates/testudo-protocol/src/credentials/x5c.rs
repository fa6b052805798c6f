//! Issuers that are named by a certificate: the chain in `x5c` of the header leads to configured authorities, and its
//! leaf has the configured name. [RFC7515 §4.1.6] [SD-JWT-VC §2.5]

use super::CredentialError;
use crate::certificate::Validity;
use crate::client_certificate::{ClientAuthorities, ExpectedName};
use crate::der;
use crate::jose::{Jws, KeyOwner, PublicKey};
use crate::limits::CHAIN_CERTIFICATES_MAX;
use crate::spiffe::check_client_key;
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::time::Duration;
use webpki::{ExtendedKeyUsageValidator, KeyPurposeIdIter};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The key of the leaf of the chain in `x5c`, if it is valid, leads to one of `authorities`, and has the name of the
/// issuer. A valid path alone names no issuer: every neighbour under the same authority has one.
pub fn key_of_chain(
    jws: &Jws,
    authorities: &ClientAuthorities,
    issuer: &ExpectedName,
    now: Timestamp,
) -> Result<PublicKey, CredentialError> {
    let refused = |problem: &str| CredentialError::Chain(problem.to_owned());
    let encoded = jws
        .header
        .x5c
        .as_deref()
        .ok_or(refused("is missing in the header"))?;
    if encoded.is_empty() || encoded.len() > CHAIN_CERTIFICATES_MAX {
        return Err(refused("must have 1 to 5 certificates"));
    }
    let mut ders = Vec::with_capacity(encoded.len());
    for text in encoded {
        let der = STANDARD
            .decode(text)
            .map_err(|_| refused("has a certificate that is not base64"))?;
        check_client_key(&der).map_err(|error| CredentialError::Chain(error.to_string()))?;
        ders.push(CertificateDer::from(der));
    }
    let (leaf, intermediates) = ders.split_first().ok_or(refused("is empty"))?;
    let validity = Validity::of(leaf).ok_or(refused("has a malformed certificate"))?;
    if now < validity.not_before || now > validity.not_after {
        return Err(refused("has a leaf that is not valid now"));
    }
    let path = |error: webpki::Error| CredentialError::Chain(error.to_string());
    let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.0).unwrap_or(0)));
    let anchors = authorities.valid_at(now);
    webpki::EndEntityCert::try_from(leaf)
        .map_err(path)?
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            intermediates,
            time,
            AnyUse,
            None,
            None,
        )
        .map_err(path)?;
    let Ok(([], certificate)) = X509Certificate::from_der(leaf) else {
        return Err(refused("has a malformed certificate"));
    };
    if !issuer.is_in(&certificate) {
        return Err(refused("has a leaf without the name of the issuer"));
    }
    let spki = der::only(certificate.public_key().raw, der::SEQUENCE);
    PublicKey::from_spki(spki.unwrap_or_default(), KeyOwner::Client)
        .map_err(|error| CredentialError::Chain(error.to_string()))
}

/// Certificates that sign credentials have no key usage of their own: any is accepted.
struct AnyUse;

impl ExtendedKeyUsageValidator for AnyUse {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

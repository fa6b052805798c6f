//! Issuers that are named by a certificate: the chain in `x5c` of the header leads to configured authorities, and its
//! leaf has the configured name. [RFC7515 §4.1.6] [SD-JWT-VC §2.5]

use super::CredentialError;
use crate::client_certificate::{ClientAuthorities, ClientCertificateError, ClientChain, ExpectedName};
use crate::jose::{Jws, PublicKey};
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::cell::Cell;
use webpki::{ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter};

/// The key of a certificate that names an issuer.
#[derive(Debug)]
pub struct CertifiedKey {
    /// The key.
    pub key: PublicKey,
    /// SHA-256 of the public key of the authority to which the certificate leads.
    pub authority: [u8; 32],
    /// [`ExpectedName::digest`] of the name of the issuer, which the certificate has.
    pub name: [u8; 32],
}

/// The key of the leaf of the chain in `x5c`, if it is valid, leads to one of `authorities`, and has the name of the
/// issuer. A valid path alone names no issuer: every other certificate of the same authority has one too.
pub fn key_of_chain(
    jws: &Jws,
    authorities: &ClientAuthorities,
    issuer: &ExpectedName,
    now: Timestamp,
) -> Result<CertifiedKey, CredentialError> {
    let refused = |problem: &str| CredentialError::Chain(problem.to_owned());
    let encoded = jws.header.x5c.as_deref();
    let encoded = encoded.ok_or(refused("is missing in the header"))?;
    let ders: Result<Vec<Vec<u8>>, _> = encoded.iter().map(|text| STANDARD.decode(text)).collect();
    let ders = ders.map_err(|_| refused("has a certificate that is not base64"))?;
    let chain = ClientChain::new(&ders).map_err(|error| refused(&error.to_string()))?;
    let usage = CredentialUse::of(issuer);
    chain
        .verify_for(authorities, issuer, &usage, now)
        .map(|leaf| CertifiedKey {
            key: leaf.key,
            authority: leaf.authority,
            name: issuer.digest(),
        })
        .map_err(|error| match error {
            ClientCertificateError::Path(_) if usage.found_tls_only.get() => refused(
                "has a certificate for TLS only: its extended key usage has serverAuth or clientAuth and nothing else",
            ),
            ClientCertificateError::Path(why) => refused(&format!(
                "no valid path leads to an authority of the issuer (webpki: {why})"
            )),
            ClientCertificateError::OtherName => refused("the leaf does not have the name of the issuer"),
            ClientCertificateError::Malformed
            | ClientCertificateError::NotYetValid { .. }
            | ClientCertificateError::Expired { .. }
            | ClientCertificateError::Key(_)
            | ClientCertificateError::OtherCertificate => refused(&error.to_string()),
        })
}

/// The names of the leaf of the chain in `x5c`, to find the issuer of a credential without `iss`. Nothing is verified.
pub fn unverified_names(jws: &Jws) -> Vec<ExpectedName> {
    let leaf = jws.header.x5c.as_ref().and_then(|chain| chain.first());
    let der = leaf.and_then(|text| STANDARD.decode(text).ok());
    der.map_or_else(Vec::new, |der| ExpectedName::unverified_names(&der))
}

/// The extended key usage of the certificates. Credentials have no usage of their own in the specifications, so any is
/// accepted, with one exception: a certificate that names its issuer by a host name, and is for TLS only, is one of a web
/// server. Public authorities issue such certificates to everyone who controls the host for some minutes, and the key of
/// a web server is on many machines. Public authorities issue none with a URI as its name.
struct CredentialUse {
    refuses_tls_only: bool,
    /// True after a certificate was refused because it is for TLS only.
    found_tls_only: Cell<bool>,
}

impl CredentialUse {
    fn of(issuer: &ExpectedName) -> CredentialUse {
        let refuses_tls_only = match issuer {
            ExpectedName::Dns(_) => true,
            ExpectedName::Uri(_)
            | ExpectedName::Subject(_)
            | ExpectedName::Ip(_)
            | ExpectedName::Email(_) => false,
        };
        CredentialUse {
            refuses_tls_only,
            found_tls_only: Cell::new(false),
        }
    }
}

impl ExtendedKeyUsageValidator for CredentialUse {
    /// [RFC5280 §4.2.1.12] Without the extension, the certificate may be used for anything.
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let mut is_for_tls = false;
        for purpose in purposes {
            let purpose = purpose?;
            if TLS.iter().all(|oid| KeyPurposeId::new(oid) != purpose) {
                return Ok(());
            }
            is_for_tls = true;
        }
        if is_for_tls && self.refuses_tls_only {
            self.found_tls_only.set(true);
            // `key_of_chain` states the reason in the place of this one.
            return Err(webpki::Error::UnsupportedCriticalExtension);
        }
        Ok(())
    }
}

/// serverAuth and clientAuth, as DER encodes them. [RFC5280 §4.2.1.12]
const TLS: [&[u8]; 2] = [&[43, 6, 1, 5, 5, 7, 3, 1], &[43, 6, 1, 5, 5, 7, 3, 2]];

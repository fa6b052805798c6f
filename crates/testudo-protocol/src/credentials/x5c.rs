//! Issuers that are named by a certificate: the chain in `x5c` of the header leads to configured authorities, and its
//! leaf has the configured name. [RFC7515 §4.1.6] [SD-JWT-VC §2.5]

use super::CredentialError;
use crate::client_certificate::{ClientAuthorities, ClientCertificateError, ClientChain, ExpectedName};
use crate::jose::{Jws, PublicKey};
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use webpki::{ExtendedKeyUsageValidator, KeyPurposeIdIter};

/// The key of the leaf of the chain in `x5c`, if it is valid, leads to one of `authorities`, and has the name of the
/// issuer. A valid path alone names no issuer: every other certificate of the same authority has one too.
pub fn key_of_chain(
    jws: &Jws,
    authorities: &ClientAuthorities,
    issuer: &ExpectedName,
    now: Timestamp,
) -> Result<PublicKey, CredentialError> {
    let refused = |problem: &str| CredentialError::Chain(problem.to_owned());
    let encoded = jws.header.x5c.as_deref();
    let encoded = encoded.ok_or(refused("is missing in the header"))?;
    let ders: Result<Vec<Vec<u8>>, _> = encoded.iter().map(|text| STANDARD.decode(text)).collect();
    let ders = ders.map_err(|_| refused("has a certificate that is not base64"))?;
    let chain = ClientChain::new(&ders).map_err(|error| refused(&error.to_string()))?;
    chain
        .verify_for(authorities, issuer, AnyUse, now)
        .map(|(_, key)| key)
        .map_err(|error| match error {
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

/// Certificates that sign credentials have no key usage of their own: any is accepted.
struct AnyUse;

impl ExtendedKeyUsageValidator for AnyUse {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

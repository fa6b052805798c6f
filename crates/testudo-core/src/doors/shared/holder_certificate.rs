//! The client certificate that a verifiable credential names in `cnf`. [RFC8705 §3.1]
//!
//! The TLS handshake proved that the other end of the connection has the private key of the certificate. The issuer of
//! the credential vouches for the certificate by its hash, so no authority is needed that issued it.

use super::presented::PeerCertificates;
use crate::identity::{AttestedIdentity, Holder};
use crate::rejection::{CredentialReason, Rejection, VerifiableReason};
use std::sync::Arc;
use testudo_protocol::Timestamp;
use testudo_protocol::client_certificate::{ClientCertificateError, ClientChain};
use testudo_protocol::credentials::claims::HolderKey;

/// Adds the certificate of the connection to the identity of the credential with which its client registers, if the
/// credential names this certificate.
pub fn certify_holder(
    holder: &mut AttestedIdentity,
    shown: &PeerCertificates,
    now: Timestamp,
) -> Result<(), Rejection> {
    let refused = |error: ClientCertificateError| CredentialReason::ClientCertificate(error);
    let Some(credential) = &mut holder.proof.credential else {
        return Err(CredentialReason::TwoIdentities.into());
    };
    let chain = ClientChain::new(&shown.chain).map_err(CredentialReason::Certificate)?;
    if credential.certificate != Some(chain.thumbprint()) {
        return Err(VerifiableReason::HolderCertificateDiffers.into());
    }
    chain.valid_until(now).map_err(refused)?;
    // [RFC7800 §3.1] `cnf` names one key, however often.
    let key = chain.key().map_err(refused)?.thumbprint();
    let named = credential.key.as_ref().map(|named| *named.key.thumbprint());
    if named.is_some_and(|named| named != key) {
        return Err(VerifiableReason::HolderKeysDiffer.into());
    }
    // The client authenticates later with this key, or with this certificate.
    let own = chain.jwk().map_err(refused)?;
    credential.key = Some(Arc::new(HolderKey::of(&own).map_err(VerifiableReason::Refused)?));
    if credential.holder == Holder::Unproven {
        credential.holder = Holder::Beside;
    }
    holder.proof.certificate_thumbprint = Some(chain.thumbprint());
    Ok(())
}

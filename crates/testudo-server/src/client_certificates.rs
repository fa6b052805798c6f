//! Client certificates in the handshake: asked for, proven to be held, and judged elsewhere.
//!
//! A stock verifier takes one root store for all, which merges trust domains. This one checks only that the
//! client has the leaf's key; the door judges the chain on every request, by the leaf's own trust domain. So a
//! kept connection or a resumed session outlives neither a disable nor a bundle change nor the certificate.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;
use testudo_protocol::limits::{CERTIFICATE_BYTES_MAX, CHAIN_CERTIFICATES_MAX};

/// See the module.
#[derive(Debug)]
pub struct AskForCertificate {
    provider: Arc<CryptoProvider>,
}

impl AskForCertificate {
    /// Over a crypto provider.
    pub fn new(provider: Arc<CryptoProvider>) -> AskForCertificate {
        AskForCertificate { provider }
    }
}

impl ClientCertVerifier for AskForCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// No hints: which authorities are trusted is nobody's business, and clients choose by their own platform.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let is_large = |der: &CertificateDer<'_>| der.len() > CERTIFICATE_BYTES_MAX;
        if intermediates.len() >= CHAIN_CERTIFICATES_MAX
            || is_large(end_entity)
            || intermediates.iter().any(is_large)
        {
            return Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

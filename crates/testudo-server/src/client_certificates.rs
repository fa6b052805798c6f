//! Client certificates in the TLS handshake: the server requests one and checks that the client has its private key.
//! The chain is verified later.
//!
//! The verifier of rustls uses one set of roots for all clients, which would merge trust domains. This verifier checks
//! only that the client has the private key of the leaf; `doors::X509Svid` verifies the chain at every request, by the
//! bundle of the leaf's own trust domain. So neither an open connection nor a resumed session stays valid after its
//! authority is disabled, its bundle is replaced or its certificate ends.
//!
//! The size of the leaf's key is checked before a signature is verified with it: with an RSA key of 8192 bits and a
//! large exponent, a handshake of an attacker would cost as much as 60 others.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use testudo_protocol::limits::{CERTIFICATE_BYTES_MAX, HANDSHAKE_CERTIFICATES_MAX};
use testudo_protocol::spiffe::check_client_key;

/// Requests a client certificate and verifies only that the client has its private key.
#[derive(Debug)]
pub struct AskForCertificate {
    provider: Arc<CryptoProvider>,
    /// Whether a certificate is requested; a reload may change it.
    asks: Arc<AtomicBool>,
}

impl AskForCertificate {
    /// A verifier with this crypto provider.
    pub fn new(provider: Arc<CryptoProvider>, asks: Arc<AtomicBool>) -> AskForCertificate {
        AskForCertificate { provider, asks }
    }
}

impl ClientCertVerifier for AskForCertificate {
    fn offer_client_auth(&self) -> bool {
        self.asks.load(Ordering::Relaxed)
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// Empty: the list would tell every caller which authorities are trusted, and an SVID client has only one
    /// certificate to choose from.
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
        let is_over = intermediates.len() >= HANDSHAKE_CERTIFICATES_MAX || intermediates.iter().any(is_large);
        if is_over {
            return Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ));
        }
        if let Err(fault) = check_client_key(end_entity) {
            tracing::debug!(event = "connection.certificate_refused", %fault, "the certificate of a client is refused in the TLS handshake");
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

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, PublicKeyData, SignatureAlgorithm};

    /// An RSA key of this modulus and exponent, in DER, without a private key.
    struct RsaKey(Vec<u8>);

    impl PublicKeyData for RsaKey {
        fn der_bytes(&self) -> &[u8] {
            &self.0
        }

        fn algorithm(&self) -> &'static SignatureAlgorithm {
            &rcgen::PKCS_RSA_SHA256
        }
    }

    fn rsa(bytes: u16, exponent: &[u8]) -> RsaKey {
        let modulus = vec![0xff; usize::from(bytes)];
        let long = |tag: u8, content: &[u8]| {
            let length = (content.len() as u16).to_be_bytes();
            [&[tag, 0x82][..], &length, content].concat()
        };
        let e = [&[0x02, exponent.len() as u8], exponent].concat();
        RsaKey(long(
            0x30,
            &[long(0x02, &[&[0], modulus.as_slice()].concat()), e].concat(),
        ))
    }

    fn judge(key: &impl PublicKeyData) -> Result<ClientCertVerified, Error> {
        let own = KeyPair::generate().unwrap();
        let issuer = rcgen::Issuer::new(CertificateParams::default(), own);
        let leaf = CertificateParams::default().signed_by(key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        AskForCertificate::new(provider, Arc::default()).verify_client_cert(
            leaf.der(),
            &[],
            UnixTime::since_unix_epoch(Default::default()),
        )
    }

    #[test]
    fn certificate_with_a_key_too_large_to_verify_cheaply_ends_the_handshake() {
        assert!(judge(&KeyPair::generate().unwrap()).is_ok());
        assert!(judge(&rsa(512, &[1, 0, 1])).is_ok(), "4096 bits");
        assert!(judge(&rsa(1024, &[1, 0, 1])).is_err(), "8192 bits");
        let large_exponent = [0x00, 0xff, 0xff, 0xff, 0xff];
        assert!(
            judge(&rsa(1024, &large_exponent)).is_err(),
            "8192 bits, exponent 2^32 - 1"
        );
        assert!(
            judge(&rsa(256, &large_exponent)).is_err(),
            "2048 bits, exponent 2^32 - 1"
        );
    }

    #[test]
    fn number_and_size_of_certificates_are_bounded() {
        let leaf = rcgen::generate_simple_self_signed(vec![])
            .unwrap()
            .cert
            .der()
            .clone();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = AskForCertificate::new(provider, Arc::default());
        let judge = |intermediates: &[CertificateDer<'_>]| {
            let now = UnixTime::since_unix_epoch(Default::default());
            verifier.verify_client_cert(&leaf, intermediates, now)
        };
        let small = CertificateDer::from(vec![0; CERTIFICATE_BYTES_MAX]);
        let large = CertificateDer::from(vec![0; CERTIFICATE_BYTES_MAX + 1]);
        assert!(judge(&vec![small.clone(); HANDSHAKE_CERTIFICATES_MAX - 1]).is_ok());
        assert!(judge(&vec![small; HANDSHAKE_CERTIFICATES_MAX]).is_err());
        assert!(judge(&[large]).is_err());
    }
}

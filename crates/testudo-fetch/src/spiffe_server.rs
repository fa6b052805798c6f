//! Verifies a server by its X.509-SVID: its chain must end at an authority of the bundle of its trust domain, and its
//! SPIFFE ID must be the configured one. The host name of the URL is not compared with the certificate. [SPIFFE-FED §5.2.2]

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::fmt;
use std::sync::Arc;
use testudo_protocol::Timestamp;
use testudo_protocol::spiffe::{Bundle, SpiffeId, X509Svid};

/// The server that must be at a URL.
#[derive(Debug, Clone)]
pub struct SpiffeServer {
    /// Its SPIFFE ID, which its certificate must have as its only URI name.
    pub spiffe_id: SpiffeId,
    /// The bundle of its trust domain. Roots of the system and extra roots are not used.
    pub bundle: Arc<Bundle>,
    /// The time at which its certificates must be valid.
    pub now: Timestamp,
}

impl SpiffeServer {
    fn check(&self, chain: &[Vec<u8>]) -> Result<(), String> {
        let svid = X509Svid::parse(chain).map_err(|fault| format!("is not an X.509-SVID: {fault}"))?;
        let shown = svid.unverified_spiffe_id();
        if *shown != self.spiffe_id {
            return Err(format!(
                "is that of {}, and endpoint_spiffe_id is {}",
                shown.as_str(),
                self.spiffe_id.as_str()
            ));
        }
        svid.verify_server(&self.bundle.x509_authorities, self.now)
            .map(drop)
            .map_err(|fault| format!("is refused: {fault}"))
    }
}

/// Why the certificate of such a server is refused, as the end of a sentence that begins with the certificate.
#[derive(Debug)]
pub(crate) struct SvidRefused(pub(crate) String);

impl fmt::Display for SvidRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SvidRefused {}

/// The verification in the form that the TLS library calls.
#[derive(Debug)]
pub(crate) struct Verifier {
    pub(crate) server: SpiffeServer,
    pub(crate) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _host: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<Vec<u8>> = std::iter::once(leaf)
            .chain(intermediates)
            .map(|der| der.to_vec())
            .collect();
        match self.server.check(&chain) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(why) => {
                let refused = OtherError(Arc::new(SvidRefused(why)));
                Err(Error::InvalidCertificate(CertificateError::Other(refused)))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

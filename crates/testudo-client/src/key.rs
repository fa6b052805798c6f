//! Private keys of which the client sends proofs.

use crate::ClientError;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use std::sync::Arc;
use testudo_protocol::jose::{Algorithm, SigningKey};
use zeroize::Zeroizing;

/// Characters in a line of PEM.
const PEM_LINE: usize = 64;
/// Algorithms for keys from files; the key must be for exactly one of the first four, or be an RSA key.
const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::ES512,
    Algorithm::EdDSA,
    Algorithm::PS256,
];

/// A private key that the client proves to have: tokens are bound to it, or an attestation names it. It has no `Debug`.
pub struct PrivateKey {
    pkcs8: Zeroizing<Vec<u8>>,
    signing: Arc<SigningKey>,
}

impl PrivateKey {
    /// A new ES256 key, which is in the memory of this process only.
    pub fn generate() -> Result<PrivateKey, ClientError> {
        PrivateKey::from_pkcs8(&generate_pkcs8()?)
    }

    /// A new ES256 key in PEM (PKCS #8), for [`PrivateKey::from_pem`]. Every program that can read it can use the
    /// tokens.
    pub fn generate_pem() -> Result<Zeroizing<String>, ClientError> {
        let encoded = Zeroizing::new(STANDARD.encode(&*generate_pkcs8()?));
        let mut pem = Zeroizing::new(String::from("-----BEGIN PRIVATE KEY-----\n"));
        for line in encoded.as_bytes().chunks(PEM_LINE) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(pem)
    }

    /// Reads a private key in PEM (PKCS #8): EC, Ed25519 or RSA.
    pub fn from_pem(pem: &[u8]) -> Result<PrivateKey, ClientError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem)
            .map_err(|_| ClientError::Key("there is no `PRIVATE KEY` in PEM (PKCS #8) in it".into()))?;
        PrivateKey::from_pkcs8(key.secret_pkcs8_der())
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<PrivateKey, ClientError> {
        let mut keys = ALGORITHMS
            .iter()
            .filter_map(|algorithm| SigningKey::from_pkcs8(*algorithm, pkcs8, None).ok());
        let wrong = || "the key must be EC (P-256, P-384, P-521), Ed25519 or RSA".into();
        let signing = keys.next().ok_or_else(|| ClientError::Key(wrong()))?;
        Ok(PrivateKey {
            pkcs8: pkcs8.to_vec().into(),
            signing: Arc::new(signing),
        })
    }

    /// Thumbprint of the key: `cnf.jkt` of a token that is bound to it. [RFC7638]
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.signing.thumbprint())
    }

    /// The public key as a JWK, for an attester that is to attest it.
    pub fn public_jwk(&self) -> String {
        self.signing.proof_jwk()
    }

    /// Signs with the default algorithm of the key.
    pub(crate) fn signing(&self) -> Arc<SigningKey> {
        self.signing.clone()
    }

    /// Signs with this algorithm, if the key is for it: an RSA key is for several.
    pub(crate) fn signing_with(&self, algorithm: Algorithm) -> Option<Arc<SigningKey>> {
        if self.signing.algorithm() == algorithm {
            return Some(self.signing());
        }
        SigningKey::from_pkcs8(algorithm, &self.pkcs8, None)
            .ok()
            .map(Arc::new)
    }
}

fn generate_pkcs8() -> Result<Zeroizing<Vec<u8>>, ClientError> {
    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map(|document| Zeroizing::new(document.as_ref().to_vec()))
        .map_err(|_| ClientError::Key("no key could be generated".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_pem_is_read_and_other_files_are_refused() {
        let pem = PrivateKey::generate_pem().unwrap();
        let key = PrivateKey::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(
            key.thumbprint(),
            PrivateKey::from_pem(pem.as_bytes()).unwrap().thumbprint()
        );
        assert_ne!(key.thumbprint(), PrivateKey::generate().unwrap().thumbprint());
        let sec1 = pem.replace("PRIVATE KEY", "EC PRIVATE KEY");
        let cut = pem.replace("MIG", "AAA");
        for wrong in ["", "x", &sec1, &cut] {
            assert!(PrivateKey::from_pem(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }
}

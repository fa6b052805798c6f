//! DPoP: tokens that are bound to a key of this process. [RFC9449]

use crate::ClientError;
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
use testudo_fetch::Fetched;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_protocol::oauth::dpop::DpopClaims;
use url::Url;
use zeroize::Zeroizing;

/// How many servers the last nonce is remembered of.
const ORIGINS_MAX: usize = 64;
/// A longer nonce is not repeated in a proof, which must fit into the headers of a request.
const NONCE_BYTES_MAX: usize = 1_024;
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

/// The private key to which tokens are bound. It has no `Debug`.
pub struct DpopKey(SigningKey);

impl DpopKey {
    /// A new ES256 key, which is in the memory of this process only.
    pub fn generate() -> Result<DpopKey, ClientError> {
        DpopKey::from_pkcs8(&generate_pkcs8()?)
    }

    /// A new ES256 key in PEM (PKCS #8), for [`DpopKey::from_pem`]. Every program that can read it can use the tokens.
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
    pub fn from_pem(pem: &[u8]) -> Result<DpopKey, ClientError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem)
            .map_err(|_| ClientError::DpopKey("there is no `PRIVATE KEY` in PEM (PKCS #8) in it".into()))?;
        DpopKey::from_pkcs8(key.secret_pkcs8_der())
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<DpopKey, ClientError> {
        let mut keys = ALGORITHMS
            .iter()
            .filter_map(|algorithm| SigningKey::from_pkcs8(*algorithm, pkcs8, None).ok());
        let wrong = || "the key must be EC (P-256, P-384, P-521), Ed25519 or RSA".into();
        keys.next()
            .map(DpopKey)
            .ok_or_else(|| ClientError::DpopKey(wrong()))
    }

    /// Thumbprint of the key: `cnf.jkt` of a token that is bound to it. [RFC7638]
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.thumbprint())
    }
}

fn generate_pkcs8() -> Result<Zeroizing<Vec<u8>>, ClientError> {
    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map(|document| Zeroizing::new(document.as_ref().to_vec()))
        .map_err(|_| ClientError::DpopKey("no key could be generated".into()))
}

/// Makes proofs with one key, and remembers the last nonce of each server.
pub(crate) struct Prover {
    key: DpopKey,
    /// Origin and last nonce, the newest first.
    nonces: Mutex<VecDeque<(String, String)>>,
}

impl Prover {
    pub(crate) fn new(key: DpopKey) -> Prover {
        Prover {
            key,
            nonces: Mutex::default(),
        }
    }

    /// A new proof for a request, with the last nonce of the server. [RFC9449 §4.2]
    pub(crate) fn proof(&self, method: &str, url: &Url, token: Option<&str>) -> Result<String, ClientError> {
        let failed = || ClientError::DpopKey("the proof could not be signed".into());
        let mut random = [0; 16];
        rand::fill(&mut random).map_err(|_| failed())?;
        let mut htu = url.clone();
        htu.set_query(None);
        htu.set_fragment(None);
        let nonce = self.nonce_of(url);
        let claims = DpopClaims {
            jti: &URL_SAFE_NO_PAD.encode(random),
            htm: method,
            htu: htu.as_str(),
            iat: Timestamp::from(SystemTime::now()),
            nonce: nonce.as_deref(),
        };
        claims.sign(&self.key.0, token).map_err(|_| failed())
    }

    fn nonce_of(&self, url: &Url) -> Option<String> {
        let origin = url.origin().ascii_serialization();
        let nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        let found = nonces.iter().find(|(of, _)| *of == origin);
        found.map(|(_, nonce)| nonce.clone())
    }

    /// [RFC9449 §8.2] The nonce of each answer replaces the one before.
    pub(crate) fn keep_nonce(&self, url: &Url, nonce: &str) {
        let is_plain = nonce.bytes().all(|byte| byte.is_ascii_graphic());
        if nonce.is_empty() || nonce.len() > NONCE_BYTES_MAX || !is_plain {
            return;
        }
        let origin = url.origin().ascii_serialization();
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.retain(|(of, _)| *of != origin);
        nonces.truncate(ORIGINS_MAX - 1);
        nonces.push_front((origin, nonce.to_owned()));
    }

    /// Keeps the nonce of an answer of the token endpoint for the next proof. True if the answer demands a proof with that
    /// nonce. [RFC9449 §8]
    pub(crate) fn needs_new_proof(&self, url: &Url, answer: &Fetched) -> bool {
        #[derive(serde::Deserialize)]
        struct Refusal {
            error: String,
        }
        let Some(nonce) = answer.values("dpop-nonce").next() else {
            return false;
        };
        self.keep_nonce(url, nonce);
        let refusal = serde_json::from_slice::<Refusal>(&answer.body);
        answer.status != 200 && refusal.is_ok_and(|refusal| refusal.error == "use_dpop_nonce")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn prover() -> Prover {
        Prover::new(DpopKey::generate().unwrap())
    }

    #[test]
    fn last_nonce_of_each_origin_is_remembered_for_a_bounded_number_of_origins() {
        let prover = prover();
        prover.keep_nonce(&url("https://a.example/token"), "one");
        prover.keep_nonce(&url("https://a.example:443/other"), "two");
        prover.keep_nonce(&url("https://a.example:8443/"), "three");
        assert_eq!(
            prover.nonce_of(&url("https://a.example/x")).as_deref(),
            Some("two")
        );
        assert_eq!(prover.nonce_of(&url("http://a.example/")), None);
        for unusable in ["", "a b", "\u{e9}", &"a".repeat(NONCE_BYTES_MAX + 1)] {
            prover.keep_nonce(&url("https://a.example/"), unusable);
        }
        assert_eq!(
            prover.nonce_of(&url("https://a.example/")).as_deref(),
            Some("two")
        );
        for number in 0..ORIGINS_MAX {
            prover.keep_nonce(&url(&format!("https://{number}.example/")), "n");
        }
        assert_eq!(prover.nonce_of(&url("https://a.example/")), None);
        assert_eq!(prover.nonces.lock().unwrap().len(), ORIGINS_MAX);
    }

    #[test]
    fn generated_pem_is_read_and_other_files_are_refused() {
        let pem = DpopKey::generate_pem().unwrap();
        let key = DpopKey::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(
            key.thumbprint(),
            DpopKey::from_pem(pem.as_bytes()).unwrap().thumbprint()
        );
        assert_ne!(key.thumbprint(), prover().key.thumbprint());
        let sec1 = pem.replace("PRIVATE KEY", "EC PRIVATE KEY");
        let cut = pem.replace("MIG", "AAA");
        for wrong in ["", "x", &sec1, &cut] {
            assert!(DpopKey::from_pem(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }
}

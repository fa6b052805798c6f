//! An issuer with real keys: a trust domain, or a client that signs its own assertions. For tests, and for `testudo
//! dev`, which runs a trial server on one machine.
//!
//! It is a separate crate, so that the binary contains only this part of the test kit.

#![warn(clippy::wildcard_enum_match_arm)]
#![allow(clippy::expect_used, reason = "an error in a test or a trial panics")]

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::{rsa, signature as lc};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};

/// Generates a private key; without `kid`, its key id is the thumbprint.
pub fn generate_key(algorithm: Algorithm, kid: Option<&str>) -> SigningKey {
    let random = SystemRandom::new();
    let ecdsa = |kind| {
        lc::EcdsaKeyPair::generate_pkcs8(kind, &random)
            .expect("key generation")
            .as_ref()
            .to_vec()
    };
    let pkcs8 = match algorithm {
        Algorithm::ES256 => ecdsa(&lc::ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::ES384 => ecdsa(&lc::ECDSA_P384_SHA384_FIXED_SIGNING),
        Algorithm::ES512 => ecdsa(&lc::ECDSA_P521_SHA512_FIXED_SIGNING),
        Algorithm::EdDSA => lc::Ed25519KeyPair::generate_pkcs8(&random)
            .expect("key generation")
            .as_ref()
            .to_vec(),
        Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512 => {
            let pair = lc::RsaKeyPair::generate(rsa::KeySize::Rsa2048).expect("key generation");
            pair.as_der().expect("PKCS #8").as_ref().to_vec()
        }
    };
    SigningKey::from_pkcs8(algorithm, &pkcs8, kid).expect("a key that was just generated can be read")
}

/// A trust domain with its signing keys.
pub struct TestIssuer {
    /// The name of the trust domain.
    pub trust_domain: String,
    /// The keys of the trust domain; the first one signs.
    pub keys: Vec<SigningKey>,
    /// `spiffe_sequence` of the bundle.
    pub sequence: u64,
}

impl TestIssuer {
    /// A trust domain with one ES256 key.
    pub fn new(trust_domain: &str) -> TestIssuer {
        let key = generate_key(Algorithm::ES256, None);
        TestIssuer {
            trust_domain: trust_domain.into(),
            keys: vec![key],
            sequence: 1,
        }
    }

    /// Adds a key that signs from now on; the earlier keys stay in the bundle.
    pub fn rotate(&mut self) {
        self.keys.insert(0, generate_key(Algorithm::ES256, None));
        self.sequence += 1;
    }

    /// The signing key.
    pub fn key(&self) -> &SigningKey {
        self.keys.first().expect("an issuer has at least one key")
    }

    /// The SPIFFE bundle document.
    pub fn bundle(&self) -> Value {
        let keys: Vec<Value> = self
            .keys
            .iter()
            .map(|key| key.public_jwk("jwt-svid", false))
            .collect();
        json!({ "keys": keys, "spiffe_sequence": self.sequence, "spiffe_refresh_hint": 300 })
    }

    /// A JWT-SVID with the claims that SPIRE writes.
    pub fn svid(&self, path: &str, audience: &str, now: i64) -> String {
        let claims = json!({
            "sub": format!("spiffe://{}{path}", self.trust_domain),
            "aud": [audience],
            "exp": now + 240,
            "iat": now,
        });
        self.sign(&claims)
    }

    /// Signs any claims with the usual header.
    pub fn sign(&self, claims: &Value) -> String {
        self.key()
            .sign_jwt(Some("JWT"), claims.to_string().as_bytes())
            .expect("signing")
    }
}

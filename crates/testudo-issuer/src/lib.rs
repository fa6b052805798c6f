//! An issuer with real keys: a trust domain, or a client that signs its own assertions. For tests, and for `dev`,
//! which tries the server out on one machine.
//!
//! It is a crate of its own so that the binary holds this much of the test kit and no more.

#![warn(clippy::wildcard_enum_match_arm)]
#![allow(
    clippy::expect_used,
    reason = "an issuer of a test or a demonstration fails loudly"
)]

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::{rsa, signature as lc};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};

/// Makes a private key; `kid` is its thumbprint where none is given.
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
    SigningKey::from_pkcs8(algorithm, &pkcs8, kid).expect("a key that was made a moment ago")
}

/// A trust domain's signing side.
pub struct TestIssuer {
    /// Its name.
    pub trust_domain: String,
    /// Its keys; the first one signs.
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

    /// Adds a key that signs from now on; the old ones stay in the bundle.
    pub fn rotate(&mut self) {
        self.keys.insert(0, generate_key(Algorithm::ES256, None));
        self.sequence += 1;
    }

    /// The signing key.
    pub fn key(&self) -> &SigningKey {
        self.keys.first().expect("an issuer has a key")
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

    /// A JWT-SVID as SPIRE makes them.
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

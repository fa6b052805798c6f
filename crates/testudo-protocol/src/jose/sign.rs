//! Signing, with the server's own keys and with the temporary keys of tests and of `testudo dev`.

use super::algorithm::Algorithm;
use super::thumbprint::{curve_members, rsa_members};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self as lc, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;

/// Why a private key cannot be used. The error contains nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningFault {
    /// The bytes are not a PKCS #8 key for this algorithm.
    KeyRejected,
    /// The library refused to sign.
    Failed,
}

impl fmt::Display for SigningFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SigningFault::KeyRejected => "the private key is not a PKCS #8 key for this algorithm",
            SigningFault::Failed => "signing failed",
        })
    }
}

/// A private key for one algorithm, parsed once. It has no `Debug`.
pub struct SigningKey {
    algorithm: Algorithm,
    kid: Box<str>,
    pair: Pair,
    random: SystemRandom,
}

enum Pair {
    Ecdsa(lc::EcdsaKeyPair),
    Ed25519(lc::Ed25519KeyPair),
    Rsa(Box<lc::RsaKeyPair>, &'static dyn lc::RsaEncoding),
}

impl SigningKey {
    /// Reads a PKCS #8 private key. Without `kid`, the key id is the RFC 7638 thumbprint.
    pub fn from_pkcs8(
        algorithm: Algorithm,
        pkcs8: &[u8],
        kid: Option<&str>,
    ) -> Result<SigningKey, SigningFault> {
        let rejected = |_| SigningFault::KeyRejected;
        let ecdsa = |kind| {
            lc::EcdsaKeyPair::from_pkcs8(kind, pkcs8)
                .map(Pair::Ecdsa)
                .map_err(rejected)
        };
        let rsa = |encoding: &'static dyn lc::RsaEncoding| {
            lc::RsaKeyPair::from_pkcs8(pkcs8)
                .map(|pair| Pair::Rsa(Box::new(pair), encoding))
                .map_err(rejected)
        };
        let pair = match algorithm {
            Algorithm::ES256 => ecdsa(&lc::ECDSA_P256_SHA256_FIXED_SIGNING)?,
            Algorithm::ES384 => ecdsa(&lc::ECDSA_P384_SHA384_FIXED_SIGNING)?,
            Algorithm::ES512 => ecdsa(&lc::ECDSA_P521_SHA512_FIXED_SIGNING)?,
            Algorithm::EdDSA => Pair::Ed25519(lc::Ed25519KeyPair::from_pkcs8(pkcs8).map_err(rejected)?),
            Algorithm::RS256 => rsa(&lc::RSA_PKCS1_SHA256)?,
            Algorithm::RS384 => rsa(&lc::RSA_PKCS1_SHA384)?,
            Algorithm::RS512 => rsa(&lc::RSA_PKCS1_SHA512)?,
            Algorithm::PS256 => rsa(&lc::RSA_PSS_SHA256)?,
            Algorithm::PS384 => rsa(&lc::RSA_PSS_SHA384)?,
            Algorithm::PS512 => rsa(&lc::RSA_PSS_SHA512)?,
        };
        let mut key = SigningKey {
            algorithm,
            kid: "".into(),
            pair,
            random: SystemRandom::new(),
        };
        key.kid = match kid {
            Some(kid) => kid.into(),
            None => URL_SAFE_NO_PAD.encode(key.thumbprint()).into(),
        };
        Ok(key)
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key id, for JOSE headers and the key set.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// SHA-256 thumbprint of the public half. [RFC7638 §3]
    pub fn thumbprint(&self) -> [u8; 32] {
        super::sha256(self.required_members().as_bytes())
    }

    /// The public half as a JWK with its required members only, as text. A proof of possession has it in its header.
    /// [RFC9449 §4.2]
    pub fn proof_jwk(&self) -> String {
        self.required_members()
    }

    /// The public half as a JWK, with `use` as given (`sig` for our key set, `jwt-svid` for a bundle).
    pub fn public_jwk(&self, key_use: &str, with_alg: bool) -> serde_json::Value {
        let mut jwk: serde_json::Value = serde_json::from_str(&self.required_members()).unwrap_or_default();
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".into(), self.kid().into());
            members.insert("use".into(), key_use.into());
            if with_alg {
                members.insert("alg".into(), self.algorithm.name().into());
            }
        }
        jwk
    }

    /// [RFC7638 §3.2] The required members in lexicographic order, without white space.
    fn required_members(&self) -> String {
        match &self.pair {
            Pair::Ecdsa(pair) => curve_members(self.algorithm, pair.public_key().as_ref()),
            Pair::Ed25519(pair) => curve_members(self.algorithm, pair.public_key().as_ref()),
            Pair::Rsa(pair, _) => {
                let public = pair.public_key();
                rsa_members(
                    public.modulus().big_endian_without_leading_zero(),
                    public.exponent().big_endian_without_leading_zero(),
                )
            }
        }
    }

    /// Signs bytes; the signature has the form that JWS requires.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFault> {
        let failed = |_| SigningFault::Failed;
        match &self.pair {
            Pair::Ecdsa(pair) => pair
                .sign(&self.random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(failed),
            Pair::Ed25519(pair) => pair
                .try_sign(message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(failed),
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &self.random, message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
        }
    }

    /// A compact JWS over `claims` (JSON text) with `alg`, `kid` and, where given, `typ`.
    pub fn sign_jwt(&self, typ: Option<&str>, claims: &[u8]) -> Result<String, SigningFault> {
        let typ = typ.map(|typ| format!(r#","typ":"{typ}""#)).unwrap_or_default();
        let kid = serde_json::Value::from(self.kid());
        self.sign_compact(
            format!(r#"{{"alg":"{}","kid":{kid}{typ}}}"#, self.algorithm).as_bytes(),
            claims,
        )
    }

    /// A compact JWS over exactly these header and payload bytes.
    pub fn sign_compact(&self, header: &[u8], payload: &[u8]) -> Result<String, SigningFault> {
        let mut token = String::with_capacity((header.len() + payload.len()) * 4 / 3 + 96);
        encode_segment(header, &mut token);
        token.push('.');
        encode_segment(payload, &mut token);
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        encode_segment(&signature, &mut token);
        Ok(token)
    }
}

/// Appends `bytes` as unpadded base64url.
pub fn encode_segment(bytes: &[u8], into: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, into);
}

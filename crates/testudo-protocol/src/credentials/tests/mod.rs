//! Tests of credentials, with the keys of RFC 8032, 7.1: the issuer has that of test 1, the holder that of test 2.

mod holder;
mod sd_jwt;
mod vc_jwt;
mod x5c;

use super::*;
use crate::jose::{Jwk, ProofKey};
use crate::time::Timestamp;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

pub(super) const ISSUED: i64 = 1_795_000_000;
pub(super) const NOW: Timestamp = Timestamp(ISSUED + 10);
pub(super) const K1: &str = "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw";
pub(super) const K2: &str = "did:key:z6MkiaMbhXHNA4eJVCCj8dbzKzTgYDKf6crKgHVHid1F1WCT";
const X1: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
pub(super) const X2: &str = "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw";

/// Signs with one of the two keys.
#[derive(Clone, Copy)]
pub(super) enum Signer {
    Issuer,
    Holder,
}

impl Signer {
    fn pair(self) -> Ed25519KeyPair {
        let seed = match self {
            Signer::Issuer => "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            Signer::Holder => "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        };
        let seed: Vec<u8> = (0..64)
            .step_by(2)
            .map(|at| u8::from_str_radix(&seed[at..at + 2], 16).unwrap())
            .collect();
        Ed25519KeyPair::from_seed_unchecked(&seed).unwrap()
    }

    /// The compact JWS of these texts. With `alg` HS256 it has a MAC, whose secret is the public key of the signer.
    pub(super) fn jws(self, header: &str, payload: &str) -> String {
        let input = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let pair = self.pair();
        let signature = match header.contains(r#""alg":"HS256""#) {
            true => {
                let secret = hmac::Key::new(hmac::HMAC_SHA256, pair.public_key().as_ref());
                URL_SAFE_NO_PAD.encode(hmac::sign(&secret, input.as_bytes()))
            }
            false => URL_SAFE_NO_PAD.encode(pair.sign(input.as_bytes())),
        };
        format!("{input}.{signature}")
    }
}

/// The key set of the issuer, with this `kid`.
pub(super) fn issuer_keys(kid: &str) -> KeySet {
    let jwks = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{X1}"}}]}}"#);
    KeySet::from_jwks(jwks.as_bytes()).unwrap()
}

pub(super) fn holder_key() -> ProofKey {
    let jwk: Jwk =
        serde_json::from_value(serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": X2})).unwrap();
    ProofKey::from_jwk(&jwk).unwrap()
}

/// A disclosure, and its digest.
pub(super) fn disclosure(parts: &Value) -> (String, String) {
    let text = URL_SAFE_NO_PAD.encode(parts.to_string());
    let digest = super::disclosures::DisclosureHash::Sha256.digest(&text);
    (text, digest)
}

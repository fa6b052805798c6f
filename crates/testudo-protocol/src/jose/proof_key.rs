//! The key of a proof of possession, with its thumbprint. [RFC7638] [RFC7800 §3.2]

use super::key::{Jwk, PublicKey};
use super::key_error::KeyError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::sync::Arc;

/// A public key that a client proves to have: the `jwk` header of a DPoP proof, or `cnf.jwk` of an attestation.
pub struct ProofKey {
    key: PublicKey,
    thumbprint: [u8; 32],
}

/// Keys of proofs that were imported before. To import a key again costs 2.5 us, an RSA key 355 us.
pub trait ProofKeys {
    /// The key that was kept for an equal JWK.
    fn find(&self, jwk: &Jwk) -> Option<Arc<ProofKey>>;

    /// Keeps the key of this JWK. It is called only after a signature was verified with the key, so that a sender cannot
    /// displace the keys of others by keys that it does not have. The caller decides whose keys are kept at all.
    fn keep(&self, jwk: Jwk, key: Arc<ProofKey>);
}

/// Keeps no key.
#[derive(Debug, Clone, Copy)]
pub struct NoProofKeysKept;

impl ProofKeys for NoProofKeysKept {
    fn find(&self, _: &Jwk) -> Option<Arc<ProofKey>> {
        None
    }

    fn keep(&self, _: Jwk, _: Arc<ProofKey>) {}
}

impl ProofKey {
    /// Checks the JWK by the rules for keys of clients, and computes its thumbprint.
    pub fn from_jwk(jwk: &Jwk) -> Result<ProofKey, KeyError> {
        let key = PublicKey::from_client_jwk(jwk)?;
        let thumbprint = key.thumbprint();
        Ok(ProofKey { key, thumbprint })
    }

    /// The key that verifies the proof.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// SHA-256 thumbprint: two JWKs of one key have the same, whatever other members they have and in whatever order.
    /// [RFC7638 §3]
    pub fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProofKey({})", URL_SAFE_NO_PAD.encode(self.thumbprint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(jwk: &str) -> Result<ProofKey, KeyError> {
        ProofKey::from_jwk(&serde_json::from_str(jwk).unwrap())
    }

    const MODULUS: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

    #[test]
    fn rfc7638_3_1_thumbprint_of_the_example_is_that_of_the_standard() {
        let jwk = format!(r#"{{"kty":"RSA","alg":"RS256","kid":"2011-04-29","e":"AQAB","n":"{MODULUS}"}}"#);
        let thumbprint = URL_SAFE_NO_PAD.encode(key(&jwk).unwrap().thumbprint());
        assert_eq!(thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn rfc7638_3_order_other_members_and_leading_zeros_do_not_change_the_thumbprint() {
        let plain = key(&format!(r#"{{"kty":"RSA","e":"AQAB","n":"{MODULUS}"}}"#)).unwrap();
        let zeros = key(&format!(
            r#"{{"n":"{MODULUS}","use":"sig","e":"AAEAAQ","kty":"RSA"}}"#
        ))
        .unwrap();
        assert_eq!(plain.thumbprint(), zeros.thumbprint());
    }

    #[test]
    fn keys_that_a_client_may_not_have_are_refused() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let with =
            |extra: &str| key(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"{extra}}}"#)).map(|_| ());
        assert_eq!(with(""), Ok(()));
        assert_eq!(with(r#","d":"AA""#), Err(KeyError::PrivateMaterial));
        assert_eq!(with(r#","use":"enc""#), Err(KeyError::NotForVerification));
        assert_eq!(with(r#","alg":"ES256""#), Err(KeyError::AlgorithmMismatch));
        let symmetric = key(r#"{"kty":"oct","k":"AA"}"#).map(|_| ());
        assert_eq!(symmetric, Err(KeyError::PrivateMaterial));
    }
}

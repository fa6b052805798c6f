//! Keys of DPoP proofs, imported once: a client sends the same key in each of its proofs.

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::sync::Arc;
use testudo_protocol::jose::{Jwk, ProofKey, ProofKeys};

/// Most memory of all keys, KiB: that of 4,096 keys that are not RSA keys.
const WEIGHT_MAX: u64 = 12_288;
/// Most memory of the strings and lists of a JWK that is kept. Those of an RSA key of 4,096 bits have 700 bytes.
const JWK_BYTES_MAX: usize = 1_024;

/// Keys, by the whole JWK: another JWK of the same key may state another algorithm or use.
pub struct KeptProofKeys {
    cache: Cache<Jwk, Arc<ProofKey>, Weight>,
}

/// What a key needs at most, KiB. An RSA key is parsed for each of its six algorithms.
#[derive(Clone)]
struct Weight;

impl Weighter<Jwk, Arc<ProofKey>> for Weight {
    fn weight(&self, jwk: &Jwk, _: &Arc<ProofKey>) -> u64 {
        if jwk.n.is_some() { 18 } else { 3 }
    }
}

impl Default for KeptProofKeys {
    fn default() -> KeptProofKeys {
        KeptProofKeys {
            cache: Cache::with_weighter(4_096, WEIGHT_MAX, Weight),
        }
    }
}

impl KeptProofKeys {
    /// How many keys are kept.
    pub fn count(&self) -> usize {
        self.cache.len()
    }
}

impl ProofKeys for KeptProofKeys {
    fn find(&self, jwk: &Jwk) -> Option<Arc<ProofKey>> {
        self.cache.get(jwk)
    }

    fn keep(&self, jwk: Jwk, key: Arc<ProofKey>) {
        if jwk.heap_bytes() <= JWK_BYTES_MAX {
            self.cache.insert(jwk, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use testudo_protocol::Timestamp;
    use testudo_protocol::jose::{Algorithm, JoseError, KeyError, SigningKey};
    use testudo_protocol::oauth::RequestUri;
    use testudo_protocol::oauth::dpop::{DpopError, DpopExpectation, DpopProof, VerifiedDpop};
    use testudo_testkit::generate_key;

    const NOW: Timestamp = Timestamp(1_800_000_000);
    const URI: &str = "https://as.example/token";

    /// A proof by this key, whose header has this JWK.
    fn proof(key: &SigningKey, jwk: &Value) -> String {
        let header = json!({ "alg": key.algorithm().name(), "typ": "dpop+jwt", "jwk": jwk });
        let claims = json!({ "jti": "a", "htm": "POST", "htu": URI, "iat": NOW.0 });
        key.sign_compact(header.to_string().as_bytes(), claims.to_string().as_bytes())
            .unwrap()
    }

    fn verify(keys: &KeptProofKeys, proof: &str) -> Result<VerifiedDpop, DpopError> {
        let expected = DpopExpectation {
            method: "POST",
            uris: &[RequestUri::parse(URI).unwrap()],
            access_token: None,
        };
        DpopProof::parse_with(proof, keys)?.verify(expected, NOW)
    }

    fn jwk(key: &SigningKey) -> Value {
        key.public_jwk("sig", false)
    }

    fn found(keys: &KeptProofKeys, jwk: &Value) -> Option<Arc<ProofKey>> {
        keys.find(&serde_json::from_value(jwk.clone()).unwrap())
    }

    #[test]
    fn key_is_kept_when_its_first_proof_is_verified_and_found_for_the_next_one() {
        let keys = KeptProofKeys::default();
        for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
            let key = generate_key(algorithm, None);
            let jwk = jwk(&key);
            assert!(found(&keys, &jwk).is_none());
            let first = verify(&keys, &proof(&key, &jwk)).unwrap();
            let kept = found(&keys, &jwk).unwrap();
            assert_eq!(verify(&keys, &proof(&key, &jwk)).unwrap(), first);
            assert!(Arc::ptr_eq(&kept, &found(&keys, &jwk).unwrap()), "{algorithm}");
            assert_eq!(*kept.thumbprint(), first.thumbprint);
        }
    }

    #[test]
    fn proof_that_another_key_signed_is_refused_beside_a_kept_key_and_keeps_none() {
        let keys = KeptProofKeys::default();
        let [own, other] = [0, 1].map(|_| generate_key(Algorithm::ES256, None));
        let refused = Err(DpopError::Jose(JoseError::BadSignature));
        assert_eq!(verify(&keys, &proof(&other, &jwk(&own))), refused);
        assert_eq!(keys.count(), 0);
        verify(&keys, &proof(&own, &jwk(&own))).unwrap();
        assert_eq!(verify(&keys, &proof(&other, &jwk(&own))), refused);
        assert_eq!(keys.count(), 1);
    }

    #[test]
    fn jwk_that_differs_from_a_kept_one_in_any_member_is_judged_by_itself() {
        let keys = KeptProofKeys::default();
        let key = generate_key(Algorithm::ES256, None);
        verify(&keys, &proof(&key, &jwk(&key))).unwrap();
        let with = |member: &str, value: Value| {
            let mut other = jwk(&key);
            other[member] = value;
            (
                verify(&keys, &proof(&key, &other)),
                found(&keys, &other).is_some(),
            )
        };
        let refused = [
            ("d", json!("AA"), KeyError::PrivateMaterial),
            ("use", json!("enc"), KeyError::NotForVerification),
            ("key_ops", json!(["encrypt"]), KeyError::NotForVerification),
            ("alg", json!("ES384"), KeyError::AlgorithmMismatch),
            ("crv", json!("P-384"), KeyError::WrongLength),
            ("kty", json!("OKP"), KeyError::UnknownType),
            ("kid", json!("\u{1}"), KeyError::KeyIdUnprintable),
            ("x", jwk(&key)["y"].clone(), KeyError::NotOnCurve),
            ("y", jwk(&key)["x"].clone(), KeyError::NotOnCurve),
        ];
        for (member, value, reason) in refused {
            assert_eq!(
                with(member, value),
                (Err(DpopError::Key(reason)), false),
                "{member}"
            );
        }
        let accepted = [
            ("alg", json!("ES256")),
            ("kid", json!("k")),
            ("key_ops", json!(["verify"])),
            ("n", json!("AQAB")),
            ("e", json!("AQAB")),
            ("x5c", json!(["AA"])),
        ];
        for (number, (member, value)) in accepted.into_iter().enumerate() {
            let (verified, is_kept) = with(member, value);
            assert!(verified.is_ok() && is_kept, "{member}: {verified:?}");
            assert_eq!(keys.count(), number + 2, "{member}");
        }
    }

    #[test]
    fn jwk_that_needs_more_memory_than_the_limit_is_accepted_and_not_kept() {
        let keys = KeptProofKeys::default();
        let key = generate_key(Algorithm::ES256, None);
        let with = |padding: usize| {
            let mut padded = jwk(&key);
            padded["n"] = "A".repeat(padding).into();
            padded
        };
        let parsed: Jwk = serde_json::from_value(jwk(&key)).unwrap();
        let room = JWK_BYTES_MAX - parsed.heap_bytes();
        for (padding, is_kept) in [(room, true), (room + 1, false)] {
            verify(&keys, &proof(&key, &with(padding))).unwrap();
            assert_eq!(found(&keys, &with(padding)).is_some(), is_kept, "{padding}");
        }
        // Each of these strings is empty, and the list of them has 24 KiB.
        let mut many = jwk(&key);
        many["x5c"] = vec![""; 1_000].into();
        verify(&keys, &proof(&key, &many)).unwrap();
        assert!(found(&keys, &many).is_none());
    }

    #[test]
    fn no_more_keys_are_kept_than_their_memory_allows() {
        let keys = KeptProofKeys::default();
        let key = generate_key(Algorithm::ES256, None);
        let parsed = Arc::new(ProofKey::from_jwk(&serde_json::from_value(jwk(&key)).unwrap()).unwrap());
        for kid in 0..10_000 {
            let mut named = Jwk::default();
            named.kid = Some(kid.to_string());
            keys.keep(named, parsed.clone());
            assert!(keys.cache.weight() <= WEIGHT_MAX);
        }
        assert!(keys.count() > 2_000, "{}", keys.count());
    }
}

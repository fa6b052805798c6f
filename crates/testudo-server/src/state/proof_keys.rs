//! Keys of DPoP proofs, imported once. A client sends the same key in each of its proofs, and to import it costs 2.5 us, an
//! RSA key 355 us.

use quick_cache::sync::Cache;
use std::sync::Arc;
use testudo_protocol::jose::{Jwk, KeyError, ProofKey, ProofKeys};

/// Most keys in memory: up to 3 KiB each. A sender that displaces the keys of others costs them one import each.
const KEYS_MAX: usize = 4_096;

/// Keys, by the whole JWK: another JWK of the same key may state another algorithm or use.
pub struct KeptProofKeys {
    cache: Cache<Jwk, Arc<ProofKey>>,
}

impl Default for KeptProofKeys {
    fn default() -> KeptProofKeys {
        KeptProofKeys {
            cache: Cache::new(KEYS_MAX),
        }
    }
}

impl ProofKeys for KeptProofKeys {
    fn import(&self, jwk: &Jwk) -> Result<Arc<ProofKey>, KeyError> {
        if let Some(key) = self.cache.get(jwk) {
            return Ok(key);
        }
        let key = Arc::new(ProofKey::from_jwk(jwk)?);
        // These members may be long, and clients have no reason to send them in a proof.
        if jwk.x5c.is_none() && jwk.key_ops.is_none() {
            self.cache.insert(jwk.clone(), key.clone());
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo_protocol::jose::Algorithm;
    use testudo_testkit::generate_key;

    fn jwk(algorithm: Algorithm) -> serde_json::Value {
        generate_key(algorithm, None).public_jwk("sig", false)
    }

    fn import(keys: &KeptProofKeys, jwk: &serde_json::Value) -> Result<Arc<ProofKey>, KeyError> {
        keys.import(&serde_json::from_value(jwk.clone()).unwrap())
    }

    #[test]
    fn equal_jwk_is_imported_once() {
        let keys = KeptProofKeys::default();
        for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
            let jwk = jwk(algorithm);
            let first = import(&keys, &jwk).unwrap();
            assert!(Arc::ptr_eq(&first, &import(&keys, &jwk).unwrap()));
            assert!(!Arc::ptr_eq(
                &first,
                &import(&keys, &self::jwk(algorithm)).unwrap()
            ));
        }
    }

    #[test]
    fn jwk_that_differs_in_any_member_is_judged_by_itself() {
        let keys = KeptProofKeys::default();
        let good = jwk(Algorithm::ES256);
        let first = import(&keys, &good).unwrap();
        let with = |member: &str, value: serde_json::Value| {
            let mut other = good.clone();
            other[member] = value;
            import(&keys, &other)
        };
        let refused = [
            ("d", "AA".into(), KeyError::PrivateMaterial),
            ("use", "enc".into(), KeyError::NotForVerification),
            ("alg", "ES384".into(), KeyError::AlgorithmMismatch),
            ("crv", "P-384".into(), KeyError::WrongLength),
            ("kty", "OKP".into(), KeyError::UnknownType),
            (
                "key_ops",
                serde_json::json!(["encrypt"]),
                KeyError::NotForVerification,
            ),
        ];
        for (member, value, reason) in refused {
            assert_eq!(with(member, value).unwrap_err(), reason, "{member}");
        }
        let narrower = with("alg", "ES256".into()).unwrap();
        assert!(!Arc::ptr_eq(&first, &narrower));
        assert_eq!(narrower.key().stated_algorithm(), Some(Algorithm::ES256));
        assert_eq!(first.key().stated_algorithm(), None);
        assert_eq!(first.thumbprint(), narrower.thumbprint());
    }

    #[test]
    fn jwk_with_members_that_may_be_long_is_not_kept() {
        let keys = KeptProofKeys::default();
        let mut jwk = jwk(Algorithm::ES256);
        jwk["x5c"] = serde_json::json!(["AA"]);
        let first = import(&keys, &jwk).unwrap();
        assert!(!Arc::ptr_eq(&first, &import(&keys, &jwk).unwrap()));
        assert_eq!(keys.cache.len(), 0);
    }
}

//! Sets of keys. [RFC7517 §5]

use super::algorithm::Algorithm;
use super::key::{Jwk, PublicKey};
use crate::limits::{BUNDLE_KEYS_MAX, KEYS_WITHOUT_KID_MAX};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::sync::OnceLock;

/// A published JWK Set. [RFC7517 §5]
#[derive(Deserialize)]
struct Jwks<Key> {
    keys: Vec<Key>,
}

/// The keys of one authority for one use. They are never mixed with the keys of another authority. [SPIFFE-FED §4.2]
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
    /// Of the JWK Set of an authority: the keys that cannot be used, and why.
    ignored: Vec<String>,
    /// The thumbprints of the keys, computed when they are first needed.
    thumbprints: OnceLock<Box<[[u8; 32]]>>,
}

impl KeySet {
    /// Adds a key that passed the checks.
    pub fn push(&mut self, key: PublicKey) {
        self.keys.push(key);
        self.thumbprints = OnceLock::new();
    }

    /// Parses a published JWK Set and leaves out the keys that cannot be used here: one key of an unknown type must not
    /// make the whole set unusable. [RFC7517 §5]
    pub fn understood(bytes: &[u8]) -> Result<KeySet, String> {
        let jwks: Jwks<serde_json::Value> =
            crate::json::from_slice(bytes).map_err(|fault| fault.to_string())?;
        let mut set = KeySet::usable(jwks.keys);
        // A client chooses its keys: the reasons could use more memory than the keys, and are not shown.
        set.ignored = Vec::new();
        Ok(set)
    }

    /// Parses the JWK Set of an authority, as [`KeySet::understood`], and keeps the reasons for `doctor` and `trust
    /// show`. A document with a private key or with more than
    /// 1,000 keys is refused as a whole: a private key that is published is a leak.
    pub fn of_authority(bytes: &[u8]) -> Result<KeySet, String> {
        let jwks: Jwks<serde_json::Value> = crate::json::from_slice(bytes)
            .map_err(|fault| format!("the key set is not a JWK Set ({fault})"))?;
        if jwks.keys.len() > BUNDLE_KEYS_MAX {
            return Err(format!("the key set has more than {BUNDLE_KEYS_MAX} keys"));
        }
        if jwks.keys.iter().any(Jwk::names_private_material) {
            return Err("the key set contains private key material".to_owned());
        }
        Ok(KeySet::usable(jwks.keys))
    }

    /// Each key is parsed by itself, so that only a key with members of unexpected types is left out.
    fn usable(keys: Vec<serde_json::Value>) -> KeySet {
        let mut set = KeySet::default();
        for (position, key) in keys.into_iter().enumerate() {
            let jwk = serde_json::from_value(key).map_err(|error| error.to_string());
            let key = jwk.and_then(|jwk| PublicKey::from_jwk(&jwk).map_err(|fault| fault.to_string()));
            match key {
                Ok(key) => set.keys.push(key),
                Err(reason) => set.ignored.push(format!("key {position}: {reason}")),
            }
        }
        set
    }

    /// The keys of an authority's JWK Set that cannot be used, and why.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Parses a JWK Set that an administrator configured; one unusable key is an error. [RFC7517 §5]
    pub fn from_jwks(bytes: &[u8]) -> Result<KeySet, String> {
        let jwks: Jwks<Jwk> = crate::json::from_slice(bytes).map_err(|fault| fault.to_string())?;
        let mut set = KeySet::default();
        for (position, jwk) in jwks.keys.iter().enumerate() {
            set.push(PublicKey::from_jwk(jwk).map_err(|fault| format!("key {position}: {fault}"))?);
        }
        Ok(set)
    }

    /// The keys whose thumbprint is in `pins`; the others count as ignored.
    pub fn only(mut self, pins: &[[u8; 32]]) -> KeySet {
        let (pinned, others): (Vec<PublicKey>, Vec<PublicKey>) = std::mem::take(&mut self.keys)
            .into_iter()
            .partition(|key| pins.contains(&key.thumbprint()));
        let reasons = others.iter().map(|key| {
            let thumbprint = URL_SAFE_NO_PAD.encode(key.thumbprint());
            format!(
                "key {}: its thumbprint {thumbprint} is not in `pin`",
                key.kid().unwrap_or("without kid")
            )
        });
        self.ignored.extend(reasons);
        self.keys = pinned;
        self.thumbprints = OnceLock::new();
        self
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True if the set has no key, so no signature verifies.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter()
    }

    /// True if a key has this `kid`.
    pub fn has_kid(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
    }

    /// True if a key has this thumbprint. [RFC7638 §3]
    pub fn has_thumbprint(&self, thumbprint: &[u8; 32]) -> bool {
        let compute = || self.keys.iter().map(PublicKey::thumbprint).collect();
        self.thumbprints.get_or_init(compute).contains(thumbprint)
    }

    /// The keys to try: the one that `kid` names, or, without `kid`, the first eight that fit the algorithm.
    /// [JWT-SVID §2.2] `kid` is optional.
    pub fn candidates(&self, kid: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &PublicKey> {
        self.keys
            .iter()
            .filter(move |key| kid.is_none_or(|wanted| key.kid() == Some(wanted)) && key.accepts(algorithm))
            .take(KEYS_WITHOUT_KID_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(jwk: &str) -> PublicKey {
        PublicKey::from_jwk(&serde_json::from_str(jwk).unwrap()).unwrap()
    }

    fn ed25519(x: &str) -> PublicKey {
        import(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#))
    }

    #[test]
    fn a_token_without_kid_is_tried_against_eight_keys_at_most() {
        let key = |kid: &str| {
            let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
            import(&format!(
                r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"{kid}"}}"#
            ))
        };
        let mut set = KeySet::default();
        for number in 0..9 {
            set.push(key(&number.to_string()));
        }
        assert_eq!(set.candidates(None, Algorithm::EdDSA).count(), 8);
        assert_eq!(set.candidates(Some("4"), Algorithm::EdDSA).count(), 1);
        assert_eq!(set.candidates(None, Algorithm::ES256).count(), 0);
    }

    #[test]
    fn rfc7517_5_unusable_keys_of_a_published_set_are_left_out_and_the_others_are_used() {
        let good =
            r#"{"kty":"OKP","crv":"Ed25519","kid":"good","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        for unusable in [
            r#"{"kty":"AKP","alg":"ML-DSA-65","kid":"pq","pub":"AA"}"#,
            r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#,
            r#"{"kty":"RSA","use":"enc","n":"AA","e":"AQAB"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":7}"#,
            r#"{}"#,
            r#""a string""#,
        ] {
            let text = format!(r#"{{"keys":[{unusable},{good}]}}"#);
            let set = KeySet::understood(text.as_bytes()).unwrap();
            assert!(set.len() == 1 && set.has_kid("good"), "{unusable}");
            assert!(KeySet::from_jwks(text.as_bytes()).is_err(), "{unusable}");
        }
        assert!(KeySet::understood(br#"{"keys":[]}"#).unwrap().is_empty());
        for malformed in [&b"[]"[..], b"{}", br#"{"keys":{}}"#, br#"{"keys":[]"#] {
            assert!(KeySet::understood(malformed).is_err());
            assert!(KeySet::of_authority(malformed).is_err());
        }
    }

    #[test]
    fn key_set_of_an_authority_with_a_private_key_or_too_many_keys_is_refused() {
        let good =
            r#"{"kty":"OKP","crv":"Ed25519","kid":"good","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let set = |others: &[&str]| {
            let keys: Vec<&str> = others.iter().copied().chain([good]).collect();
            KeySet::of_authority(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes())
        };
        assert!(set(&[]).unwrap().has_kid("good"));
        assert_eq!(set(&["{}"; BUNDLE_KEYS_MAX - 1]).unwrap().len(), 1);
        assert!(set(&["{}"; BUNDLE_KEYS_MAX]).unwrap_err().contains("more than"));
        for private in [r#"{"kty":"AKP","d":"AA"}"#, r#"{"kty":"oct","k":"AA"}"#] {
            assert!(set(&[private]).unwrap_err().contains("private"), "{private}");
        }
    }

    #[test]
    fn set_finds_the_thumbprints_of_exactly_the_keys_that_it_has_now() {
        let point = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let other = "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw";
        let [first, second] = [point, other].map(|x| ed25519(x).thumbprint());
        let has = |set: &KeySet| [first, second].map(|thumbprint| set.has_thumbprint(&thumbprint));
        let mut set = KeySet::default();
        assert_eq!(has(&set), [false, false]);
        set.push(ed25519(point));
        assert_eq!(has(&set), [true, false]);
        set.push(ed25519(other));
        assert_eq!(has(&set), [true, true]);
        assert_eq!(has(&set.only(&[second])), [false, true]);
    }
}

//! Keys for tests of this crate.

use super::{Algorithm, KeySet, PublicKey, SigningKey};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

/// A new ES256 key with the `kid` k.
pub(crate) fn signing_key() -> SigningKey {
    let random = aws_lc_rs::rand::SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    SigningKey::from_pkcs8(Algorithm::ES256, document.as_ref(), Some("k")).unwrap()
}

/// The key set that has the public half of this key.
pub(crate) fn key_set(key: &SigningKey) -> KeySet {
    let mut set = KeySet::default();
    let jwk = serde_json::from_value(key.public_jwk("sig", true)).unwrap();
    set.push(PublicKey::from_jwk(&jwk).unwrap());
    set
}

//! Creates signing keys.

use crate::key_encryption::KeyEncryption;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::{rsa, signature as lc};
use testudo_core::records::StoredSigningKey;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::{Algorithm, SigningKey};
use zeroize::Zeroizing;

/// A new signing key, encrypted for the store. It signs from `active_from`.
pub(crate) fn make_signing_key(
    encryption: &KeyEncryption,
    algorithm: Algorithm,
    active_from: Timestamp,
    now: Timestamp,
) -> Result<StoredSigningKey, String> {
    let pkcs8 = generate_pkcs8(algorithm)?;
    let key = SigningKey::from_pkcs8(algorithm, &pkcs8, None).map_err(|fault| fault.to_string())?;
    Ok(StoredSigningKey {
        kid: key.kid().to_owned(),
        algorithm: algorithm.name().to_owned(),
        created: now,
        active_from,
        wrapped: encryption.wrap(key.kid(), &pkcs8)?,
    })
}

/// A new private key in PKCS #8.
pub(crate) fn generate_pkcs8(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, String> {
    let random = SystemRandom::new();
    let failed = |_| "key generation failed".to_owned();
    let ecdsa = |kind| {
        lc::EcdsaKeyPair::generate_pkcs8(kind, &random)
            .map(|key| key.as_ref().to_vec())
            .map_err(failed)
    };
    let pkcs8 = match algorithm {
        Algorithm::ES256 => ecdsa(&lc::ECDSA_P256_SHA256_FIXED_SIGNING)?,
        Algorithm::ES384 => ecdsa(&lc::ECDSA_P384_SHA384_FIXED_SIGNING)?,
        Algorithm::ES512 => ecdsa(&lc::ECDSA_P521_SHA512_FIXED_SIGNING)?,
        Algorithm::EdDSA => lc::Ed25519KeyPair::generate_pkcs8(&random)
            .map(|key| key.as_ref().to_vec())
            .map_err(failed)?,
        Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512 => {
            let pair = lc::RsaKeyPair::generate(rsa::KeySize::Rsa3072).map_err(failed)?;
            pair.as_der().map_err(failed)?.as_ref().to_vec()
        }
    };
    Ok(Zeroizing::new(pkcs8))
}

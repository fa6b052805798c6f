//! The key-encryption key: reading it from its file, and encrypting with it what is secret in the store.

use crate::fault::Fault;
use crate::private_files::{Exposure, exposure};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// Encrypts private keys and secrets for the store: AES-256-GCM, with a random nonce in front of the ciphertext and the
/// purpose as associated data.
pub struct KeyEncryption(RandomizedNonceKey);

impl KeyEncryption {
    /// The key from its 32 bytes.
    pub fn new(key: &[u8; 32]) -> Result<KeyEncryption, String> {
        RandomizedNonceKey::new(&AES_256_GCM, key)
            .map(KeyEncryption)
            .map_err(|_| "the key-encryption key cannot be used".into())
    }

    pub(crate) fn wrap(&self, purpose: &str, plain: &[u8]) -> Result<String, String> {
        let mut sealed = plain.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut sealed)
            .map_err(|_| "encryption with the key-encryption key failed")?;
        Ok(STANDARD.encode([nonce.as_ref().as_slice(), &sealed].concat()))
    }

    pub(crate) fn unwrap(&self, purpose: &str, wrapped: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        let wrong = || {
            "cannot be decrypted: this is not the key-encryption key that it was encrypted with (store.key_encryption_key, \
             or the file beside the database)"
                .to_owned()
        };
        let mut bytes = STANDARD.decode(wrapped).map_err(|_| wrong())?;
        if bytes.len() < NONCE_LEN {
            return Err(wrong());
        }
        let mut sealed = bytes.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| wrong())?;
        let plain = self
            .0
            .open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut sealed)
            .map_err(|_| wrong())?;
        Ok(Zeroizing::new(plain.to_vec()))
    }
}

/// Parses a key of 32 bytes, raw or as base64url text.
pub fn parse_key_encryption_key(bytes: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    if let Ok(raw) = <[u8; 32]>::try_from(bytes) {
        return Some(Zeroizing::new(raw));
    }
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
    <[u8; 32]>::try_from(decoded.as_slice()).ok().map(Zeroizing::new)
}

/// Reads the key-encryption key from a file, or creates it in a file that only this user can read.
pub fn read_or_make_key_encryption_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, String> {
    match std::fs::read(path) {
        Ok(bytes) => {
            if let Some(exposure @ Exposure::Ours(_)) = exposure(path) {
                return Err(format!(
                    "{path} {exposure}: chmod 600 {path}",
                    path = path.display()
                ));
            }
            return parse_key_encryption_key(&Zeroizing::new(bytes)).ok_or_else(|| {
                format!(
                    "{} does not contain 32 bytes, raw or in base64url",
                    path.display()
                )
            });
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    }
    let key = random_32()?;
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(URL_SAFE_NO_PAD.encode(*key).as_bytes())
                .and_then(|()| file.sync_all())
        })
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    Ok(key)
}

/// 32 random bytes.
pub fn random_32() -> Result<Zeroizing<[u8; 32]>, String> {
    let mut key = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(key.as_mut()).map_err(|_| Fault::NoEntropy.to_string())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_encrypted_for_one_purpose_is_not_decrypted_for_another() {
        let encryption = KeyEncryption::new(&[7; 32]).unwrap();
        let wrapped = encryption.wrap("a", b"secret").unwrap();
        assert_eq!(encryption.unwrap("a", &wrapped).unwrap().as_slice(), b"secret");
        assert!(encryption.unwrap("b", &wrapped).is_err());
        assert!(
            KeyEncryption::new(&[8; 32])
                .unwrap()
                .unwrap("a", &wrapped)
                .is_err()
        );
        assert!(encryption.unwrap("a", "AAAA").is_err());
    }
}

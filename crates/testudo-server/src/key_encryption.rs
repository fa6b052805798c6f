//! The key-encryption key: reading it from its file, and encrypting with it what is secret in the store.

use crate::fault::Fault;
use crate::private_files::{Exposure, exposure};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// Encrypts private keys and secrets for the store: AES-256-GCM, with a random nonce in front of the ciphertext and the
/// purpose as associated data.
pub struct KeyEncryption {
    store: RandomizedNonceKey,
    /// Derived from the key-encryption key, for what a browser keeps: a text of a browser is never a record of the store.
    browser: RandomizedNonceKey,
}

/// 32 bytes, for HKDF.
struct KeyBytes;

impl hkdf::KeyType for KeyBytes {
    fn len(&self) -> usize {
        32
    }
}

/// A key of its own for one use. (RFC 5869)
fn derived(key: &[u8; 32], purpose: &str) -> Option<Zeroizing<[u8; 32]>> {
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, b"testudo").extract(key);
    let info = [purpose.as_bytes()];
    let mut bytes = Zeroizing::new([0; 32]);
    extracted
        .expand(&info, KeyBytes)
        .ok()?
        .fill(bytes.as_mut())
        .ok()?;
    Some(bytes)
}

impl KeyEncryption {
    /// The key from its 32 bytes.
    pub fn new(key: &[u8; 32]) -> Result<KeyEncryption, String> {
        let of = |key: &[u8; 32]| RandomizedNonceKey::new(&AES_256_GCM, key).ok();
        let browser = derived(key, "state in the browser");
        let keys = of(key).zip(browser.and_then(|key| of(&key)));
        let (store, browser) = keys.ok_or("the key-encryption key cannot be used")?;
        Ok(KeyEncryption { store, browser })
    }

    /// Encrypts a value for the browser: base64url of the nonce and the ciphertext. The error is a sentence.
    pub(crate) fn seal_for_browser(&self, purpose: &str, plain: &[u8]) -> Result<String, String> {
        let sealed = encrypt(&self.browser, purpose, plain).ok_or("encryption for the browser failed")?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Decrypts what was encrypted for the browser for this purpose.
    pub(crate) fn open_from_browser(&self, purpose: &str, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        decrypt(&self.browser, purpose, URL_SAFE_NO_PAD.decode(sealed).ok()?)
    }

    pub(crate) fn wrap(&self, purpose: &str, plain: &[u8]) -> Result<String, String> {
        let sealed = encrypt(&self.store, purpose, plain);
        let sealed = sealed.ok_or("encryption with the key-encryption key failed")?;
        Ok(STANDARD.encode(sealed))
    }

    pub(crate) fn unwrap(&self, purpose: &str, wrapped: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        let bytes = STANDARD.decode(wrapped).ok();
        let plain = bytes.and_then(|bytes| decrypt(&self.store, purpose, bytes));
        plain.ok_or_else(|| {
            "cannot be decrypted: this is not the key-encryption key that it was encrypted with (store.key_encryption_key, \
             or the file beside the database)"
                .to_owned()
        })
    }
}

/// The nonce and the ciphertext.
fn encrypt(key: &RandomizedNonceKey, purpose: &str, plain: &[u8]) -> Option<Vec<u8>> {
    let mut sealed = plain.to_vec();
    let aad = Aad::from(purpose.as_bytes());
    let nonce = key.seal_in_place_append_tag(aad, &mut sealed).ok()?;
    Some([nonce.as_ref().as_slice(), &sealed].concat())
}

fn decrypt(key: &RandomizedNonceKey, purpose: &str, mut bytes: Vec<u8>) -> Option<Zeroizing<Vec<u8>>> {
    if bytes.len() < NONCE_LEN {
        return None;
    }
    let mut sealed = bytes.split_off(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(&bytes).ok()?;
    let plain = key
        .open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut sealed)
        .ok()?;
    Some(Zeroizing::new(plain.to_vec()))
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

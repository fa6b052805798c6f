//! The list of signing keys in the store, encrypted under the key-encryption key. An attacker who can write to the
//! database cannot add a key to it.

use crate::key_encryption::KeyEncryption;
use testudo_core::records::ServerSecret;
use testudo_core::signing_keys::KeyList;

/// Purpose, and therefore store key, of the record that contains the list.
pub(crate) const PURPOSE: &str = "signing-keys";

pub(crate) fn open(encryption: &KeyEncryption, secret: &ServerSecret) -> Result<KeyList, String> {
    let plain = encryption.unwrap(PURPOSE, &secret.wrapped)?;
    serde_json::from_slice(&plain).map_err(|error| error.to_string())
}

pub(crate) fn seal(encryption: &KeyEncryption, list: &KeyList) -> Result<ServerSecret, String> {
    let plain = serde_json::to_vec(list).map_err(|error| error.to_string())?;
    Ok(ServerSecret {
        purpose: PURPOSE.to_owned(),
        wrapped: encryption.wrap(PURPOSE, &plain)?,
    })
}

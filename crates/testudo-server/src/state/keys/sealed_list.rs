//! The list of signing keys at rest: sealed under the key-encryption key.

use crate::key_encryption::KeyEncryption;
use testudo_core::records::ServerSecret;
use testudo_core::signing_keys::KeyList;

/// Purpose, and so the key, of the record that holds the list.
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

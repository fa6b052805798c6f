//! `did:jwk`: a JWK in base64url. [DID-JWK]

use super::DidError;
use crate::jose::{Jwk, KeyError, PublicKey};
use crate::json;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The JWK of the part after `did:jwk:`. A private key and a key for encryption are refused.
pub(super) fn jwk(specific: &str) -> Result<Value, DidError> {
    let bytes = URL_SAFE_NO_PAD.decode(specific).map_err(|_| DidError::NotAJwk)?;
    let value: Value = json::from_slice(&bytes).map_err(|_| DidError::NotAJwk)?;
    if Jwk::names_private_material(&value) {
        return Err(DidError::Key(KeyError::PrivateMaterial));
    }
    let parsed: Jwk = serde_json::from_value(value.clone()).map_err(|_| DidError::NotAJwk)?;
    PublicKey::from_client_jwk(&parsed).map_err(DidError::Key)?;
    Ok(value)
}

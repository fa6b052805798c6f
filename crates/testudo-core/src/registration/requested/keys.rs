//! Keys that a client brings: public, few, and judged before anything is stored. [RFC7591 §2] [RFC7517 §5]

use super::refused;
use crate::rejection::Rejection;
use serde_json::Value;
use testudo_protocol::jose::{Jwk, KeyFault, KeySet, PublicKey};

const KEYS_MAX: usize = 10;
const BYTES_MAX: usize = 16 * 1024;

/// The keys of a `jwks` member. Keys of unknown type or for encryption are passed over; one that can verify a
/// signature must remain, and a key that is wrong is refused rather than passed over.
pub fn key_set(jwks: &Value) -> Result<KeySet, Rejection> {
    let problem = |problem| refused("jwks", problem);
    let keys = jwks
        .get("keys")
        .and_then(Value::as_array)
        .ok_or(problem("jwks must be an object with an array of keys"))?;
    if keys.len() > KEYS_MAX || jwks.to_string().len() > BYTES_MAX {
        return Err(problem("jwks has more than 10 keys, or more than 16 KiB"));
    }
    let mut set = KeySet::default();
    let mut names: Vec<&str> = Vec::new();
    for key in keys {
        if !key.is_object() {
            return Err(problem("jwks must be an object with an array of keys"));
        }
        // Also of a type we do not know: what is private is private.
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"]
            .iter()
            .any(|member| key.get(member).is_some())
        {
            return Err(Rejection::PrivateKeyDisclosed);
        }
        if let Some(kid) = key.get("kid").and_then(Value::as_str) {
            if names.contains(&kid) {
                return Err(problem("two keys of the jwks have one kid"));
            }
            names.push(kid);
        }
        if key.get("kty").and_then(Value::as_str) == Some("oct") {
            return Err(problem("a key of the jwks is symmetric"));
        }
        let jwk: Jwk =
            serde_json::from_value(key.clone()).map_err(|_| problem("a key of the jwks is malformed"))?;
        match PublicKey::from_jwk(&jwk) {
            Ok(key) => set.push(key),
            Err(KeyFault::UnknownType | KeyFault::NotForVerification) => {}
            Err(_) => {
                return Err(problem(
                    "a key of the jwks is weak, malformed or of the wrong algorithm",
                ));
            }
        }
    }
    if set.is_empty() {
        return Err(problem("jwks has no key that can verify a signature"));
    }
    Ok(set)
}

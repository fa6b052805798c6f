//! Keys that a client registers. They are limited in number and validated before anything is stored. [RFC7591 §2]
//! [RFC7517 §5]

use super::given::Given;
use crate::rejection::MetadataReason;
use serde_json::{Map, Value, json};
use testudo_protocol::client_certificate::certificate_of;
use testudo_protocol::jose::{Jwk, KeyError, KeySet, PublicKey};
use testudo_protocol::limits::IDENTIFIER_BYTES_MAX;
use testudo_protocol::printable::is_printable;
use url::{Host, Url};

const KEYS_MAX: usize = 10;

const BYTES_MAX: usize = 16 * 1024;

impl Given<'_> {
    pub(super) fn keys(self) -> Result<Option<Value>, MetadataReason> {
        let Some(jwks) = self.value else {
            return Ok(None);
        };
        key_set(jwks)?;
        Ok(Some(known_members(jwks)))
    }
}

/// Checks that keys may be fetched from this URL: https, with a host name instead of an address, and not this server
/// itself.
/// The host is resolved when an assertion of the client must be verified, not at registration.
pub fn place_of_keys(uri: &str, issuer: &str) -> Result<(), MetadataReason> {
    let own = Url::parse(issuer).ok();
    let own_host = own.as_ref().and_then(Url::host_str);
    let is_plain = uri.len() <= IDENTIFIER_BYTES_MAX && uri.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    let url = Url::parse(uri).ok().filter(|url| {
        let host = match url.host() {
            Some(Host::Domain(name)) => Some(name.trim_end_matches('.')),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => None,
        };
        let is_of_the_network = host.is_some_and(|name| {
            Some(name) != own_host && name != "localhost" && !name.ends_with(".localhost")
        });
        let is_bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        url.scheme() == "https" && is_of_the_network && is_bare
    });
    match url {
        Some(_) if is_plain => Ok(()),
        _ => Err(MetadataReason::JwksUriMalformed),
    }
}

/// Validates the keys of a `jwks` member, by the same rules for keys that a client registers, publishes, or has in the
/// configuration. Keys of an unknown type or for encryption are ignored, at least one key must be able to verify
/// signatures, and an invalid key is refused.
pub fn key_set(jwks: &Value) -> Result<KeySet, MetadataReason> {
    let keys = jwks
        .get("keys")
        .and_then(Value::as_array)
        .ok_or(MetadataReason::JwksMalformed)?;
    if keys.len() > KEYS_MAX || jwks.to_string().len() > BYTES_MAX {
        return Err(MetadataReason::JwksTooLarge {
            keys_max: KEYS_MAX,
            kib_max: BYTES_MAX / 1024,
        });
    }
    let mut set = KeySet::default();
    let mut names: Vec<(&str, usize)> = Vec::new();
    for (position, key) in keys.iter().enumerate() {
        if !key.is_object() {
            return Err(MetadataReason::JwksMalformed);
        }
        // A private key is refused even if its type is unknown.
        if Jwk::names_private_material(key) {
            return Err(MetadataReason::PrivateKeyDisclosed { position });
        }
        if key.get("kty").and_then(Value::as_str) == Some("oct") {
            return Err(MetadataReason::JwksKeySymmetric { position });
        }
        let jwk: Jwk =
            serde_json::from_value(key.clone()).map_err(|_| MetadataReason::JwksKeyMalformed { position })?;
        match PublicKey::from_client_jwk(&jwk) {
            Ok(public) => {
                // Only among signature keys: an encryption key may have the same `kid` as a signature key.
                if let Some(kid) = key.get("kid").and_then(Value::as_str) {
                    if let Some((_, earlier)) = names.iter().find(|(known, _)| *known == kid) {
                        let earlier = *earlier;
                        return Err(MetadataReason::JwksKeyIdRepeated { position, earlier });
                    }
                    names.push((kid, position));
                }
                set.push(public);
            }
            Err(KeyError::UnknownType | KeyError::NotForVerification) => {}
            Err(why) => return Err(MetadataReason::JwksKeyRefused { position, why }),
        }
    }
    if set.is_empty() {
        return Err(MetadataReason::JwksWithoutKey);
    }
    Ok(set)
}

/// SHA-256 of the certificates of the keys: of each key, the first in its `x5c`, if it is a certificate of this key.
/// [RFC8705 §2.2.2]
pub fn certificates(jwks: &Value) -> Vec<[u8; 32]> {
    let keys = jwks.get("keys").and_then(Value::as_array).into_iter().flatten();
    let jwks = keys.filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
    jwks.filter_map(|jwk| certificate_of(&jwk)).collect()
}

/// The part of a key set that is stored and returned in answers, after [`key_set`] accepted it: for each key, the
/// members that identify it, and the first certificate of `x5c` if it is one of this key. Other members of the request
/// are dropped. [RFC7517 §4]
pub(crate) fn known_members(jwks: &Value) -> Value {
    const MEMBERS: [&str; 9] = ["kty", "kid", "use", "alg", "crv", "x", "y", "n", "e"];
    let keys = jwks.get("keys").and_then(Value::as_array).into_iter().flatten();
    let kept = keys.map(|key| {
        let known = MEMBERS.into_iter().filter_map(|name| {
            let text = key.get(name)?.as_str().filter(|text| is_printable(text))?;
            Some((name.to_owned(), Value::from(text)))
        });
        let mut known: Map<String, Value> = known.collect();
        let first = key.get("x5c").and_then(|chain| chain.get(0));
        if let Some(first) = first.filter(|_| !certificates(&json!({ "keys": [key] })).is_empty()) {
            known.insert("x5c".to_owned(), json!([first]));
        }
        Value::Object(known)
    });
    json!({ "keys": kept.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Row DR-67.
    #[test]
    fn jwks_uris_with_a_forbidden_scheme_or_host_are_refused() {
        for bad in [
            "http://app.example/jwks",
            "file:///etc/passwd",
            "https://169.254.169.254/",
            "https://2852039166/",
            "https://[::1]/",
            "https://localhost/",
            "https://localhost./",
            "https://x.localhost/",
            "https://as.example/jwks",
            "https://as.example./jwks",
            "https://AS.example/jwks",
            "https://u:p@app.example/jwks",
            "https://app.example/jwks#x",
            "https://app.example/ jwks",
            "/jwks",
            "",
            &format!("https://app.example/{}", "x".repeat(2048)),
        ] {
            assert!(place_of_keys(bad, "https://as.example/tenant").is_err(), "{bad}");
        }
        for good in ["https://app.example/jwks", "https://app.example:8443/k?x=1"] {
            assert!(place_of_keys(good, "https://as.example").is_ok(), "{good}");
        }
    }
}

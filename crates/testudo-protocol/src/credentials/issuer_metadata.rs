//! The metadata document of an issuer of SD-JWT VCs, which leads to its keys. [SD-JWT-VC §4]

use crate::jose::KeySet;
use crate::json;
use crate::limits::CREDENTIAL_ISSUER_METADATA_BYTES_MAX;
use crate::oauth::FoundKeySet;
use serde_json::{Map, Value};

/// The URL of the document: the well-known part goes between host and path. [SD-JWT-VC §4.1] `None` for an issuer that
/// is no https URL, or has a query or a fragment.
pub fn url(issuer: &str) -> Option<String> {
    let rest = issuer.strip_prefix("https://")?;
    if rest.contains(['?', '#', '@', '\\']) || rest.starts_with('/') || url::Url::parse(issuer).is_err() {
        return None;
    }
    let at = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(at);
    let path = path.strip_suffix('/').unwrap_or(path);
    Some(format!("https://{host}/.well-known/jwt-vc-issuer{path}"))
}

/// Where the keys of the issuer are.
#[derive(Debug)]
pub enum IssuerKeys {
    /// In the document: a JWK Set.
    Here(Vec<u8>),
    /// At this URL.
    At(FoundKeySet),
}

/// Reads the document of `issuer`. The error is a sentence for the administrator. Nothing of a document of another
/// issuer is used. [SD-JWT-VC §4.3]
pub fn read(issuer: &str, document: &[u8]) -> Result<IssuerKeys, String> {
    if document.len() > CREDENTIAL_ISSUER_METADATA_BYTES_MAX {
        return Err("the metadata document is larger than 256 KiB".to_owned());
    }
    let document: Map<String, Value> =
        json::from_slice(document).map_err(|error| format!("the metadata document is malformed: {error}"))?;
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(format!("issuer of the metadata document is not {issuer:?}"));
    }
    match (document.get("jwks"), document.get("jwks_uri")) {
        (Some(keys), None) => {
            let keys = keys.to_string().into_bytes();
            KeySet::of_authority(&keys)?;
            Ok(IssuerKeys::Here(keys))
        }
        (None, Some(Value::String(url))) => FoundKeySet::at(url, issuer).map(IssuerKeys::At),
        (None, Some(_)) => Err("jwks_uri of the metadata document must be an https URL".to_owned()),
        _ => Err("the metadata document must have exactly one of jwks and jwks_uri".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows SD-23, SD-28.
    #[test]
    fn url_is_inserted_between_host_and_path() {
        for (issuer, expected) in [
            (
                "https://issuer.example",
                Some("https://issuer.example/.well-known/jwt-vc-issuer"),
            ),
            (
                "https://issuer.example/",
                Some("https://issuer.example/.well-known/jwt-vc-issuer"),
            ),
            (
                "https://h.example/t/1",
                Some("https://h.example/.well-known/jwt-vc-issuer/t/1"),
            ),
            (
                "https://h.example:8443/t/",
                Some("https://h.example:8443/.well-known/jwt-vc-issuer/t"),
            ),
            ("http://issuer.example", None),
            ("https://issuer.example?x", None),
            ("https://issuer.example/#k", None),
            ("https://a@issuer.example", None),
            ("https:///x", None),
            ("did:web:issuer.example", None),
        ] {
            assert_eq!(url(issuer).as_deref(), expected, "{issuer}");
        }
    }

    // Row SD-27.
    #[test]
    fn document_of_another_issuer_or_without_exactly_one_key_source_is_refused() {
        const ISSUER: &str = "https://issuer.example";
        let key =
            r#"{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let document = |members: &str| format!(r#"{{"issuer":"{ISSUER}"{members}}}"#);
        let jwks = format!(r#","jwks":{{"keys":[{key}]}}"#);
        let uri = r#","jwks_uri":"https://keys.example/jwks""#;
        let here = read(ISSUER, document(&jwks).as_bytes()).unwrap();
        let IssuerKeys::Here(keys) = here else {
            panic!("{here:?}")
        };
        assert!(KeySet::of_authority(&keys).unwrap().has_kid("k1"));
        let at = read(ISSUER, document(uri).as_bytes()).unwrap();
        assert!(matches!(at, IssuerKeys::At(found) if found.url.as_str() == "https://keys.example/jwks"));
        for (name, document) in [
            ("both", document(&format!("{jwks}{uri}"))),
            ("neither", document("")),
            ("http", document(r#","jwks_uri":"http://keys.example/jwks""#)),
            ("number", document(r#","jwks_uri":7"#)),
            (
                "private key",
                document(&jwks.replace(r#""x":"#, r#""d":"AA","x":"#)),
            ),
            (
                "slash",
                document(&jwks).replace(ISSUER, "https://issuer.example/"),
            ),
            ("no issuer", "{}".to_owned()),
            ("twice", document(&format!(r#","issuer":"{ISSUER}"{jwks}"#))),
            ("page", "<html>".to_owned()),
            (
                "large",
                document(&format!(r#"{jwks},"x":"{}""#, "a".repeat(256 * 1024))),
            ),
        ] {
            assert!(read(ISSUER, document.as_bytes()).is_err(), "{name}");
        }
    }
}

//! The metadata of another issuer: its URL, and the URL of the issuer's keys in it. [OIDCD §4] [RFC8414 §3]

use crate::is_loopback;
use crate::limits::ISSUER_METADATA_BYTES_MAX;
use serde::Deserialize;
use url::Url;

/// The URLs at which an issuer may publish its metadata, and where its keys may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerMetadataUrls {
    /// Of OpenID Connect: the well-known part follows the path of the issuer. [OIDCD §4.1]
    pub openid: Url,
    /// Of OAuth: the well-known part precedes it. [RFC8414 §3.1]
    pub oauth: Url,
}

/// `jwks_uri` of a metadata document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundKeySet {
    /// The URL.
    pub url: Url,
    /// True if scheme, host and port are those of the issuer. A token for the issuer's server is sent to no other one.
    pub is_of_the_same_server: bool,
}

impl IssuerMetadataUrls {
    /// The URLs for this `iss`. The error is the rest of a sentence about the issuer.
    pub fn of(issuer: &str) -> Result<IssuerMetadataUrls, &'static str> {
        let url = Url::parse(issuer).map_err(|_| "is not a URL")?;
        if !(url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url))) {
            return Err("is not an https URL");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("has user information");
        }
        // [OIDCD §2] [RFC8414 §2] Neither query nor fragment.
        if url.query().is_some() || url.fragment().is_some() {
            return Err("has a query or a fragment");
        }
        // [OIDCD §4.1] [RFC8414 §3.1] A final slash is removed before the well-known part is added.
        let path = url.path().trim_end_matches('/').to_owned();
        let at = |path: &str| {
            let mut url = url.clone();
            url.set_path(path);
            url
        };
        Ok(IssuerMetadataUrls {
            openid: at(&format!("{path}/.well-known/openid-configuration")),
            oauth: at(&format!("/.well-known/oauth-authorization-server{path}")),
        })
    }
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: Option<String>,
}

impl FoundKeySet {
    /// Reads the metadata of this issuer. The error is a sentence.
    pub fn parse(document: &[u8], issuer: &str) -> Result<FoundKeySet, String> {
        if document.len() > ISSUER_METADATA_BYTES_MAX {
            return Err(format!(
                "the metadata is larger than {ISSUER_METADATA_BYTES_MAX} bytes"
            ));
        }
        let Document {
            issuer: found,
            jwks_uri,
        } = serde_json::from_slice(document)
            .map_err(|error| format!("the metadata is malformed: {error}"))?;
        // [OIDCD §4.3] [RFC8414 §3.3] Otherwise a server could publish keys in the name of another issuer.
        if found != issuer {
            return Err(format!(
                "the metadata is that of the issuer {found:?} and not of {issuer:?}"
            ));
        }
        let jwks_uri = jwks_uri.ok_or("the metadata has no `jwks_uri`")?;
        FoundKeySet::at(&jwks_uri, issuer)
    }

    /// The key set at the `jwks_uri` of the metadata of this issuer. The error is a sentence.
    pub fn at(jwks_uri: &str, issuer: &str) -> Result<FoundKeySet, String> {
        let refused = |why: &str| format!("the `jwks_uri` {jwks_uri:?} of the metadata {why}");
        let url = Url::parse(jwks_uri).map_err(|_| refused("is not a URL"))?;
        let issuer = Url::parse(issuer).map_err(|_| "the issuer is not a URL")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("has user information"));
        }
        let is_of_the_same_server = url.origin() == issuer.origin();
        // A key set without TLS is fetched only for trials, where the issuer itself is on loopback without TLS.
        if url.scheme() != "https" && !(is_of_the_same_server && url.scheme() == "http" && is_loopback(&url))
        {
            return Err(refused("is not an https URL"));
        }
        Ok(FoundKeySet {
            url,
            is_of_the_same_server,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://ci.example/t";

    fn found(issuer: &str, document: &str) -> Result<(String, bool), String> {
        FoundKeySet::parse(document.as_bytes(), issuer)
            .map(|found| (found.url.to_string(), found.is_of_the_same_server))
    }

    #[test]
    fn well_known_part_follows_the_path_for_openid_and_precedes_it_for_oauth() {
        for (issuer, openid, oauth) in [
            (
                "https://ci.example",
                "https://ci.example/.well-known/openid-configuration",
                "https://ci.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://ci.example/",
                "https://ci.example/.well-known/openid-configuration",
                "https://ci.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://ci.example:8443/t/1/",
                "https://ci.example:8443/t/1/.well-known/openid-configuration",
                "https://ci.example:8443/.well-known/oauth-authorization-server/t/1",
            ),
        ] {
            let urls = IssuerMetadataUrls::of(issuer).unwrap();
            assert_eq!((urls.openid.as_str(), urls.oauth.as_str()), (openid, oauth));
        }
        for bad in [
            "ci.example",
            "http://ci.example",
            "ftp://ci.example",
            "https://u:p@ci.example",
            "https://ci.example?x",
            "https://ci.example/#x",
            "",
        ] {
            assert!(IssuerMetadataUrls::of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn metadata_of_another_issuer_is_refused() {
        let good = r#"{"issuer":"https://ci.example/t","jwks_uri":"https://ci.example/keys","x":1}"#;
        assert_eq!(
            found(ISSUER, good),
            Ok(("https://ci.example/keys".to_owned(), true))
        );
        for (name, document) in [
            ("other issuer", good.replace("ci.example/t", "evil.example/t")),
            ("final slash", good.replace("ci.example/t", "ci.example/t/")),
            ("other case", good.replace("ci.example/t", "CI.example/t")),
            ("two issuers", good.replace("\"x\"", "\"issuer\"")),
            ("no issuer", good.replace("\"issuer\"", "\"x2\"")),
            ("no keys", good.replace("jwks_uri", "y")),
            ("no JSON", "<html>".to_owned()),
            ("a list", "[]".to_owned()),
            (
                "too large",
                format!("{good}{}", " ".repeat(ISSUER_METADATA_BYTES_MAX)),
            ),
        ] {
            assert!(found(ISSUER, &document).is_err(), "{name}");
        }
    }

    // Row H-20.
    #[test]
    fn key_set_of_another_server_gets_no_token_and_needs_https() {
        let document = |url: &str| format!(r#"{{"issuer":"https://ci.example/t","jwks_uri":"{url}"}}"#);
        for (url, expected) in [
            ("https://ci.example:443/keys", Some(true)),
            ("https://keys.example/keys", Some(false)),
            ("https://ci.example:8443/keys", Some(false)),
            ("https://ci.example.evil/keys", Some(false)),
            ("http://ci.example/keys", None),
            ("http://127.0.0.1/keys", None),
            ("https://u@ci.example/keys", None),
            ("file:///etc/passwd", None),
            ("keys", None),
        ] {
            let found = found(ISSUER, &document(url)).ok();
            assert_eq!(found.map(|(_, is_same)| is_same), expected, "{url}");
        }
        let loopback = r#"{"issuer":"http://127.0.0.1:9","jwks_uri":"http://127.0.0.1:9/keys"}"#;
        assert_eq!(
            found("http://127.0.0.1:9", loopback).map(|(_, is_same)| is_same),
            Ok(true)
        );
        let other_port = loopback.replace(":9/keys", ":10/keys");
        assert!(found("http://127.0.0.1:9", &other_port).is_err());
    }
}

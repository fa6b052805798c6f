//! The metadata of an OpenID provider. [OIDCD §3]

use crate::is_loopback;
use crate::limits::ISSUER_METADATA_BYTES_MAX;
use crate::oauth::FoundKeySet;
use crate::oauth::pkce::METHOD_S256;
use serde::Deserialize;
use url::Url;

/// What a sign-in at a provider needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderMetadata {
    /// `issuer`, which is the configured one, byte for byte.
    pub issuer: String,
    /// `authorization_endpoint`: to it the browser is sent.
    pub authorization_endpoint: Url,
    /// `token_endpoint`: to it the code is sent.
    pub token_endpoint: Url,
    /// `jwks_uri`.
    pub key_set: FoundKeySet,
    /// `authorization_response_iss_parameter_supported`: each response has `iss`. [RFC9207 §3]
    pub states_issuer: bool,
    /// `token_endpoint_auth_methods_supported`.
    pub auth_methods: Vec<String>,
    /// `token_endpoint_auth_signing_alg_values_supported`.
    pub auth_algorithms: Vec<String>,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    jwks_uri: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    response_types_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    token_endpoint_auth_signing_alg_values_supported: Vec<String>,
}

impl ProviderMetadata {
    /// Reads the metadata of the provider with this issuer identifier. The error is a sentence for administrators.
    pub fn parse(document: &[u8], issuer: &str) -> Result<ProviderMetadata, String> {
        if document.len() > ISSUER_METADATA_BYTES_MAX {
            return Err(format!(
                "the metadata is larger than {ISSUER_METADATA_BYTES_MAX} bytes"
            ));
        }
        let document: Document = serde_json::from_slice(document)
            .map_err(|error| format!("the metadata is malformed: {error}"))?;
        // [OIDCD §4.3] Otherwise a server could get the codes of another provider.
        if document.issuer != issuer {
            let found = document.issuer;
            return Err(format!(
                "the metadata is that of the issuer {found:?} and not of {issuer:?}"
            ));
        }
        let is_missing = |list: &Option<Vec<String>>, value: &str| {
            list.as_ref()
                .is_some_and(|list| !list.iter().any(|found| found == value))
        };
        if is_missing(&document.response_types_supported, "code") {
            return Err("response_types_supported of the metadata does not contain code".to_owned());
        }
        // A provider that does not list methods may support PKCE; one that lists others does not support S256.
        if is_missing(&document.code_challenge_methods_supported, METHOD_S256) {
            return Err("code_challenge_methods_supported of the metadata does not contain S256".to_owned());
        }
        let jwks_uri = document.jwks_uri.ok_or("the metadata has no `jwks_uri`")?;
        let endpoint = |name, url: Option<String>| endpoint(name, url.as_deref(), issuer);
        Ok(ProviderMetadata {
            authorization_endpoint: endpoint("authorization_endpoint", document.authorization_endpoint)?,
            token_endpoint: endpoint("token_endpoint", document.token_endpoint)?,
            key_set: FoundKeySet::at(&jwks_uri, issuer)?,
            states_issuer: document.authorization_response_iss_parameter_supported,
            // [OIDCD §3] The default.
            auth_methods: document
                .token_endpoint_auth_methods_supported
                .unwrap_or_else(|| vec!["client_secret_basic".to_owned()]),
            auth_algorithms: document.token_endpoint_auth_signing_alg_values_supported,
            issuer: document.issuer,
        })
    }
}

/// [OIDCC §3.1.2.1] [OIDCC §3.1.3.1] Endpoints need TLS. Without it, only a provider on loopback may be used, for
/// trials.
fn endpoint(name: &str, url: Option<&str>, issuer: &str) -> Result<Url, String> {
    let text = url.ok_or_else(|| format!("the metadata has no `{name}`"))?;
    let refused = |why: &str| format!("the `{name}` {text:?} of the metadata {why}");
    let url = Url::parse(text).map_err(|_| refused("is not a URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("has user information"));
    }
    if url.fragment().is_some() {
        return Err(refused("has a fragment"));
    }
    let is_trial = url.scheme() == "http" && is_loopback(&url) && issuer.starts_with("http://");
    match url.scheme() == "https" || is_trial {
        true => Ok(url),
        false => Err(refused("is not an https URL")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ISSUER: &str = "https://login.example/t";

    fn document() -> Value {
        json!({
            "issuer": ISSUER, "authorization_endpoint": "https://login.example/authorize?x=1",
            "token_endpoint": "https://token.example/token", "jwks_uri": "https://login.example/keys",
            "response_types_supported": ["code", "id_token"], "code_challenge_methods_supported": ["plain", "S256"],
            "authorization_response_iss_parameter_supported": true,
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
        })
    }

    fn with(name: &str, value: Value) -> Result<ProviderMetadata, String> {
        let mut document = document();
        match value.is_null() {
            true => drop(document.as_object_mut().unwrap().remove(name)),
            false => document[name] = value,
        }
        ProviderMetadata::parse(document.to_string().as_bytes(), ISSUER)
    }

    #[test]
    fn metadata_of_the_provider_is_read() {
        let metadata = with("unknown", json!({ "a": 1 })).unwrap();
        assert_eq!(metadata.issuer, ISSUER);
        assert_eq!(
            metadata.authorization_endpoint.as_str(),
            "https://login.example/authorize?x=1"
        );
        assert_eq!(metadata.token_endpoint.as_str(), "https://token.example/token");
        assert_eq!(metadata.key_set.url.as_str(), "https://login.example/keys");
        assert!(metadata.states_issuer);
        assert_eq!(metadata.auth_methods, ["private_key_jwt"]);
        assert_eq!(metadata.auth_algorithms, ["ES256"]);

        let without = |name| with(name, Value::Null).unwrap();
        assert!(!without("authorization_response_iss_parameter_supported").states_issuer);
        let defaults = without("token_endpoint_auth_methods_supported");
        assert_eq!(defaults.auth_methods, ["client_secret_basic"]);
        assert!(with("code_challenge_methods_supported", Value::Null).is_ok());
        assert!(with("response_types_supported", Value::Null).is_ok());
    }

    #[test]
    fn metadata_that_would_send_a_code_or_a_person_to_a_wrong_place_is_refused() {
        for (name, value, says) in [
            ("issuer", json!("https://login.example"), "is that of the issuer"),
            (
                "issuer",
                json!("https://login.example/t/"),
                "is that of the issuer",
            ),
            (
                "issuer",
                json!("https://login.example/{tenantid}"),
                "is that of the issuer",
            ),
            ("issuer", Value::Null, "malformed"),
            (
                "authorization_endpoint",
                Value::Null,
                "has no `authorization_endpoint`",
            ),
            (
                "authorization_endpoint",
                json!("http://login.example/authorize"),
                "is not an https URL",
            ),
            (
                "authorization_endpoint",
                json!("javascript:alert(1)"),
                "is not an https URL",
            ),
            (
                "authorization_endpoint",
                json!("https://login.example/a#b"),
                "has a fragment",
            ),
            ("authorization_endpoint", json!("/authorize"), "is not a URL"),
            ("token_endpoint", Value::Null, "has no `token_endpoint`"),
            (
                "token_endpoint",
                json!("http://127.0.0.1/token"),
                "is not an https URL",
            ),
            (
                "token_endpoint",
                json!("https://u:p@login.example/token"),
                "has user information",
            ),
            ("jwks_uri", Value::Null, "has no `jwks_uri`"),
            (
                "jwks_uri",
                json!("http://login.example/keys"),
                "is not an https URL",
            ),
            (
                "response_types_supported",
                json!(["id_token"]),
                "does not contain code",
            ),
            (
                "code_challenge_methods_supported",
                json!(["plain"]),
                "does not contain S256",
            ),
            (
                "authorization_response_iss_parameter_supported",
                json!("yes"),
                "malformed",
            ),
            (
                "padding",
                json!("x".repeat(ISSUER_METADATA_BYTES_MAX)),
                "larger than",
            ),
        ] {
            let error = with(name, value.clone()).expect_err(name);
            assert!(error.contains(says), "{name}: {error}");
        }
        let twice = document()
            .to_string()
            .replacen('{', r#"{"token_endpoint":"https://evil.example","#, 1);
        assert!(ProviderMetadata::parse(twice.as_bytes(), ISSUER).is_err());
    }

    #[test]
    fn provider_on_loopback_may_be_without_tls() {
        let document = document()
            .to_string()
            .replace("https://login.example", "http://127.0.0.1:9");
        let issuer = "http://127.0.0.1:9/t";
        assert!(ProviderMetadata::parse(document.as_bytes(), issuer).is_ok());
        let elsewhere = document.replace("https://token.example", "http://token.example");
        assert!(ProviderMetadata::parse(elsewhere.as_bytes(), issuer).is_err());
    }
}

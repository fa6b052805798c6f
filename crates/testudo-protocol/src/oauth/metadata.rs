//! Authorization server metadata. [RFC8414 §2]

use serde::{Deserialize, Serialize};

/// The document at the well-known path. A member whose default differs from what this server does is always present.
#[derive(Serialize, Deserialize, Debug, Clone)]
#[expect(missing_docs, reason = "the names are the standard's own")]
pub struct AuthorizationServerMetadata {
    pub issuer: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    /// [ABCA §6.3]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge_endpoint: Option<String>,
    /// Present while registration is enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    #[serde(default)]
    pub grant_types_supported: Vec<String>,
    /// Required even if there is no authorization endpoint. [RFC8414 §2]
    #[serde(default)]
    pub response_types_supported: Vec<String>,
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// [RFC9449 §5.1]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// [ABCA §8]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub client_attestation_signing_alg_values_supported: Vec<String>,
    /// [ABCA §8]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub client_attestation_pop_signing_alg_values_supported: Vec<String>,
    /// [ABCA §7.6]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub client_attestation_pop_methods_supported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// [RFC8705 §3.3]
    #[serde(default)]
    pub tls_client_certificate_bound_access_tokens: bool,
    /// [RFC8705 §5]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtls_endpoint_aliases: Option<EndpointAliases>,
    /// Present if people can sign in.
    #[serde(flatten)]
    pub people: PeopleMetadata,
}

/// Members about the flows of people, and about what a client or a resource server can ask of issued tokens. A member
/// whose default in [RFC8414 §2] is not what this server does must be filled with the others.
#[derive(Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the standard's own")]
pub struct PeopleMetadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_endpoint: Option<String>,
    /// [RFC9126 §5]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushed_authorization_request_endpoint: Option<String>,
    /// [RFC9126 §5] True if no client may send its parameters to the authorization endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_pushed_authorization_requests: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response_modes_supported: Vec<String>,
    /// [RFC7636 §6.2]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub code_challenge_methods_supported: Vec<String>,
    /// [RFC9207 §3]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_response_iss_parameter_supported: Option<bool>,
    /// [RFC9101 §10.5]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_parameter_supported: Option<bool>,
    /// [OIDCD §3] The default is true, so a server that fetches no request objects must state false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_uri_parameter_supported: Option<bool>,
    /// [RFC9101 §10.5]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_signed_request_object: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_object_signing_alg_values_supported: Vec<String>,
    /// [RFC9470 §7]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acr_values_supported: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// [RFC9701 §7] Algorithms of signed answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub introspection_signing_alg_values_supported: Vec<String>,
    /// [RT-EXPIRATION §8] `authorization` and `token_timeout`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refresh_token_expiration_types_supported: Vec<String>,
}

/// The document at the well-known path of OpenID Connect Discovery: the members above and those that OpenID Connect
/// requires in addition. [OIDCD §3]
#[derive(Serialize, Deserialize, Debug, Clone)]
#[expect(missing_docs, reason = "the names are the standard's own")]
pub struct OpenIdConfiguration {
    #[serde(flatten)]
    pub metadata: AuthorizationServerMetadata,
    /// Only if `metadata` has none: OpenID Connect requires it in this document, also where users cannot sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_endpoint: Option<String>,
    pub subject_types_supported: Vec<String>,
    pub id_token_signing_alg_values_supported: Vec<String>,
}

/// Endpoints of the listener that asks for client certificates. [RFC8705 §5]
#[derive(Serialize, Deserialize, Debug, Clone)]
pub struct EndpointAliases {
    /// Token endpoint.
    pub token_endpoint: String,
    /// Registration endpoint, if registration is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    /// Endpoint for pushed requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_authorization_request_endpoint: Option<String>,
    /// Revocation endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    /// Introspection endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // Row RX-12 for the names of the members.
    #[test]
    fn members_about_people_are_absent_until_they_are_filled() {
        let mut document = json!({
            "issuer": "https://as.example", "token_endpoint": "https://as.example/token",
            "jwks_uri": "https://as.example/jwks", "grant_types_supported": [], "response_types_supported": [],
            "token_endpoint_auth_methods_supported": [], "tls_client_certificate_bound_access_tokens": false,
        });
        let mut metadata: AuthorizationServerMetadata = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(metadata.people, PeopleMetadata::default());
        assert_eq!(serde_json::to_value(&metadata).unwrap(), document);

        metadata.people.authorization_endpoint = Some("https://as.example/authorize".to_owned());
        metadata.people.request_uri_parameter_supported = Some(false);
        let types = ["authorization", "token_timeout"].map(str::to_owned);
        metadata.people.refresh_token_expiration_types_supported = types.to_vec();
        document["authorization_endpoint"] = json!("https://as.example/authorize");
        document["request_uri_parameter_supported"] = json!(false);
        document["refresh_token_expiration_types_supported"] = json!(types);
        assert_eq!(serde_json::to_value(&metadata).unwrap(), document);
        let read: AuthorizationServerMetadata = serde_json::from_value(document).unwrap();
        assert_eq!(read.people, metadata.people);
    }
}

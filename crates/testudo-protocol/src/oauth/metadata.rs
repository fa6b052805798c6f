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
}

/// The document at the well-known path of OpenID Connect Discovery: the members above and those that OpenID Connect
/// requires in addition. [OIDCD §3]
#[derive(Serialize, Deserialize, Debug, Clone)]
#[expect(missing_docs, reason = "the names are the standard's own")]
pub struct OpenIdConfiguration {
    #[serde(flatten)]
    pub metadata: AuthorizationServerMetadata,
    pub authorization_endpoint: String,
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
}

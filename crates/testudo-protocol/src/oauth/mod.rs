//! OAuth 2.0: parameters, identifiers, errors and documents as they are sent.

pub mod access_token;
pub mod attestation_pop;
mod audience;
pub mod authorization;
pub mod dpop;
pub mod error;
pub mod form;
pub mod introspection;
pub mod issuer;
mod issuer_metadata;
mod label_url;
pub mod metadata;
pub mod pkce;
mod presented_token;
mod proof_claims;
pub mod redirect_uri;
pub mod request_object;
mod request_uri;
pub mod resource;
pub mod scope;
pub mod server_nonce;
pub mod workload_proof;

pub use audience::Audience;
pub use error::ErrorCode;
pub use form::{Form, FormError};
pub use issuer::IssuerUrl;
pub use issuer_metadata::{FoundKeySet, IssuerMetadataUrls};
pub use label_url::is_label_url;
pub use presented_token::{PresentedToken, TokenMissingError, TokenTypeHint};
pub use redirect_uri::RedirectUri;
pub use request_uri::RequestUri;
pub use resource::Resource;
pub use scope::{Scope, ScopeSet};

/// `client_assertion_type` of a JWT-SVID. [SPIFFE-AUTH §3.1]
pub const ASSERTION_TYPE_JWT_SPIFFE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
/// `client_assertion_type` of a client's own JWT. [RFC7523 §2.2]
pub const ASSERTION_TYPE_JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The grant type of a client that redeems an authorization code. [RFC6749 §4.1.3]
pub const GRANT_AUTHORIZATION_CODE: &str = "authorization_code";
/// The grant type of a client that uses a refresh token. [RFC6749 §6]
pub const GRANT_REFRESH_TOKEN: &str = "refresh_token";
/// The grant type of a client that acts for itself. [RFC6749 §4.4]
pub const GRANT_CLIENT_CREDENTIALS: &str = "client_credentials";

/// The token in a value of `Authorization` whose scheme is Bearer. [RFC6750 §2.1]
pub fn bearer_token(value: &str) -> Option<&str> {
    token_of_scheme(value, "Bearer")
}

/// The token in a value of `Authorization` whose scheme is DPoP. [RFC9449 §7.1]
pub fn dpop_token(value: &str) -> Option<&str> {
    token_of_scheme(value, "DPoP")
}

fn token_of_scheme<'v>(value: &'v str, wanted: &str) -> Option<&'v str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case(wanted) && !token.is_empty()).then_some(token)
}

/// token68: the syntax of a JWT in a header field. [RFC9110 §11.2] [ABCA §4] It has no comma and no semicolon, so a list
/// and parameters are refused.
pub fn is_token68(value: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    !value.is_empty() && value.bytes().all(is_legal)
}

/// [RFC6749 A] VSCHAR: the characters that are allowed in a `client_id`.
pub fn is_vschar(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

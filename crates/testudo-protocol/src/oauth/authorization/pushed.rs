//! The URI that names a pushed request. [RFC9126 §2.2]

use super::AuthorizationRequestError;
use crate::base64url;
use crate::jose::sha256;

const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// `request_uri` of a pushed request: 32 random bytes, which only the client has until it sends the person to the
/// authorization endpoint. It has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct PushedRequestUri(Box<str>);

impl PushedRequestUri {
    /// The URI with these random bytes. [RFC9126 §7.1]
    pub fn of_random(bytes: &[u8; 32]) -> PushedRequestUri {
        PushedRequestUri(format!("{PREFIX}{}", base64url::text(bytes)).into())
    }

    /// Parses a `request_uri`.
    pub fn parse(text: &str) -> Result<PushedRequestUri, AuthorizationRequestError> {
        // [RFC9101 §10.4] A fetch of the URI would send a request to a server that the caller chooses.
        let handle = text
            .strip_prefix(PREFIX)
            .ok_or(AuthorizationRequestError::UriByReference)?;
        base64url::parse::<32>(handle).ok_or(AuthorizationRequestError::UriMalformed)?;
        Ok(PushedRequestUri(text.into()))
    }

    /// The URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the URI, under which the request is stored: who can read the store cannot use the request.
    pub fn digest(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

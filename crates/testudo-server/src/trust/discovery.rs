//! Finds the key set of an issuer by its metadata. [OIDCD §4] [RFC8414 §3]
//!
//! The metadata is read at each refresh of the keys, so that a new `jwks_uri` is used as soon as new keys are.

use std::time::Duration;
use testudo_fetch::{Access, FetchLimits, Fetcher};
use testudo_protocol::limits::ISSUER_METADATA_BYTES_MAX;
use testudo_protocol::oauth::{FoundKeySet, IssuerMetadataUrls};

const LIMITS: FetchLimits = FetchLimits {
    body_bytes_max: ISSUER_METADATA_BYTES_MAX,
    deadline: Duration::from_secs(5),
};

/// The key set that the metadata of an OpenID provider names. [OIDCD §4] The error is a sentence.
pub(crate) async fn key_set_of_provider(
    fetcher: &Fetcher,
    issuer: &str,
    metadata: &url::Url,
) -> Result<FoundKeySet, String> {
    let fetched = fetcher.get_with(metadata, Access::default(), LIMITS).await;
    let fetched = fetched.map_err(|fault| fault.to_string())?;
    match fetched.status {
        200 => FoundKeySet::parse(&fetched.body, issuer),
        status => Err(format!("the server of the provider answers {status}")),
    }
}

/// The key set that the metadata of this issuer names. The error is a sentence.
pub(super) async fn key_set(
    fetcher: &Fetcher,
    issuer: &str,
    urls: &IssuerMetadataUrls,
    access: Access<'_>,
) -> Result<FoundKeySet, String> {
    for url in [&urls.openid, &urls.oauth] {
        let fetched = fetcher.get_with(url, access, LIMITS).await;
        let fetched = fetched.map_err(|fault| format!("the metadata of the issuer: {fault}"))?;
        match fetched.status {
            200 => return FoundKeySet::parse(&fetched.body, issuer),
            // An issuer may publish only one of the two documents.
            404 => {}
            status => return Err(format!("the server of the issuer answers {status} at {url}")),
        }
    }
    Err(format!(
        "the server of the issuer answers 404 at {} and at {}",
        urls.openid, urls.oauth
    ))
}

//! What the issuer answers: its metadata, tokens and refusals.

use crate::dpop::Prover;
use crate::{AccessToken, ClientError, token_type};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testudo_fetch::{FetchLimits, Fetched, Fetcher, UrlOrigin};
use testudo_protocol::oauth::IssuerUrl;
use testudo_protocol::oauth::metadata::AuthorizationServerMetadata;
use testudo_protocol::printable::excerpt;
use url::Url;

/// Reads the metadata of `issuer`. [RFC8414 §3]
pub async fn discover(
    fetcher: &Fetcher,
    issuer: &IssuerUrl,
) -> Result<AuthorizationServerMetadata, ClientError> {
    let url = Url::parse(&issuer.metadata_url()).map_err(|_| ClientError::Issuer {
        issuer: issuer.as_str().to_owned(),
        problem: "is not a URL",
    })?;
    let answer = fetcher
        .get(&url, UrlOrigin::Configuration, FetchLimits::default())
        .await?;
    if answer.status != 200 {
        return Err(ClientError::Metadata(format!("{url} answers {}", answer.status)));
    }
    let metadata: AuthorizationServerMetadata = serde_json::from_slice(&answer.body).map_err(|error| {
        ClientError::Metadata(format!("{url} is not authorization server metadata: {error}"))
    })?;
    // [RFC8414 §3.3] If the document names another issuer, by attack or by mistake, it is not used.
    if metadata.issuer != issuer.as_str() {
        return Err(ClientError::Metadata(format!(
            "{url} is the metadata of another issuer, {}",
            metadata.issuer
        )));
    }
    Ok(metadata)
}

/// Why the issuer refused a request. [RFC6749 §5.2]
#[derive(serde::Deserialize)]
pub(crate) struct Refusal {
    pub(crate) error: String,
    error_description: Option<String>,
}

pub(crate) fn refusal(answer: &Fetched) -> Option<Refusal> {
    let refusal = serde_json::from_slice(&answer.body).ok();
    refusal.filter(|_| answer.status != 200)
}

pub(crate) fn read_answer(
    answer: &Fetched,
    fetched: Instant,
    prover: Option<Arc<Prover>>,
) -> Result<AccessToken, ClientError> {
    #[derive(serde::Deserialize)]
    struct Success {
        access_token: String,
        token_type: String,
        expires_in: u64,
        scope: Option<String>,
    }
    if answer.status == 200 {
        let success: Success = serde_json::from_slice(&answer.body)
            .map_err(|error| ClientError::Answer(format!("not a token response: {error}")))?;
        // [RFC6749 §7.1] A token of an unknown type must not be used. [RFC9449 §5] A bearer token in place of a bound
        // one would be a downgrade.
        let expected = token_type(prover.as_ref());
        if !success.token_type.eq_ignore_ascii_case(expected) {
            let found = excerpt(&success.token_type);
            let problem = format!("token_type must be {expected} and is {found:?}; the token was not used");
            return Err(ClientError::Answer(problem));
        }
        let lifetime = Duration::from_secs(success.expires_in);
        return Ok(AccessToken {
            secret: success.access_token,
            fetched,
            lifetime,
            scope: success.scope,
            prover,
        });
    }
    let Some(refusal) = refusal(answer) else {
        return Err(ClientError::Answer(format!(
            "status {} without an OAuth error code",
            answer.status
        )));
    };
    Err(ClientError::Refused {
        status: answer.status,
        error: refusal.error,
        description: refusal.error_description.unwrap_or_default(),
        retry_after_seconds: answer.retry_after_seconds,
        request_id: answer.request_id.clone(),
    })
}

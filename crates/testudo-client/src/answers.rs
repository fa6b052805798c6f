//! What the issuer answers: its metadata, tokens and refusals.

use crate::dpop::Prover;
use crate::{AccessToken, ClientError, RefreshToken, token_type};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
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

/// The answer to a request that the client authenticated.
pub(crate) struct Answered {
    pub(crate) answer: Fetched,
    /// When the request was sent: lifetimes in the answer count from it.
    pub(crate) sent: Instant,
    /// The key that the request proved for DPoP.
    pub(crate) prover: Option<Arc<Prover>>,
}

/// Why the issuer refused a request. [RFC6749 §5.2]
#[derive(serde::Deserialize)]
pub(crate) struct Refusal {
    pub(crate) error: String,
    error_description: Option<String>,
}

pub(crate) fn refusal(answer: &Fetched) -> Option<Refusal> {
    let refusal = serde_json::from_slice(&answer.body).ok();
    refusal.filter(|_| answer.status >= 400)
}

/// The tokens of a token response. The refresh token is that of a person.
pub(crate) fn read_tokens(answered: Answered) -> Result<(AccessToken, Option<RefreshToken>), ClientError> {
    #[derive(serde::Deserialize)]
    struct Success {
        access_token: String,
        token_type: String,
        expires_in: u64,
        scope: Option<String>,
        refresh_token: Option<String>,
        refresh_token_timeout: Option<u64>,
        authorization_expires_in: Option<u64>,
    }
    let Answered { answer, sent, prover } = answered;
    if answer.status != 200 {
        return Err(refused(&answer));
    }
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
    let ends = |seconds: Option<u64>| {
        let left = Duration::from_secs(seconds?).saturating_sub(sent.elapsed());
        SystemTime::now().checked_add(left)
    };
    let refresh = success.refresh_token.map(|text| RefreshToken {
        secret: text.into(),
        unused_until: ends(success.refresh_token_timeout),
        authorization_ends: ends(success.authorization_expires_in),
    });
    let access = AccessToken {
        secret: success.access_token,
        fetched: sent,
        lifetime: Duration::from_secs(success.expires_in),
        scope: success.scope,
        prover,
    };
    Ok((access, refresh))
}

/// A pushed request. [RFC9126 §2.2]
#[derive(serde::Deserialize)]
pub(crate) struct Pushed {
    pub(crate) request_uri: String,
    /// Seconds.
    expires_in: Option<u64>,
}

impl Pushed {
    /// The time in which the browser must arrive with it.
    pub(crate) fn lifetime(&self) -> Option<Duration> {
        self.expires_in.map(Duration::from_secs)
    }
}

pub(crate) fn read_pushed(answered: &Answered) -> Result<Pushed, ClientError> {
    if answered.answer.status != 201 {
        return Err(refused(&answered.answer));
    }
    serde_json::from_slice(&answered.answer.body)
        .map_err(|error| ClientError::Answer(format!("not a response to a pushed request: {error}")))
}

fn refused(answer: &Fetched) -> ClientError {
    let Some(refusal) = refusal(answer) else {
        return ClientError::Answer(format!("status {} without an OAuth error code", answer.status));
    };
    ClientError::Refused {
        status: answer.status,
        error: refusal.error,
        description: refusal.error_description.unwrap_or_default(),
        retry_after_seconds: answer.retry_after_seconds,
        request_id: answer.request_id.clone(),
    }
}

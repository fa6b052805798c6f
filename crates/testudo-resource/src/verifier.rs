//! Verification of access tokens with keys that follow the issuer's rotation.

use crate::kept_keys::KeptKeys;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use testudo_fetch::{FetchLimits, Fetcher, FetcherOptions, UrlOrigin};
use testudo_protocol::jose::{Jws, KeySet, sha256};
use testudo_protocol::oauth::IssuerUrl;
use testudo_protocol::oauth::access_token::{self, Expectation, TokenError, VerifiedToken};
use testudo_protocol::oauth::metadata::AuthorizationServerMetadata;
use testudo_protocol::{Seconds, Timestamp};
use url::Url;

/// One fetch: the metadata, or the key set.
const FETCH_DEADLINE: Duration = Duration::from_secs(5);
/// Tolerated difference of clocks.
const LEEWAY: Seconds = Seconds(5);

/// Why a token was not accepted.
#[derive(Debug)]
pub enum VerifyError {
    /// The token is no good: 401.
    Token(TokenError),
    /// The issuer's keys cannot be had: 503.
    NoKeys(String),
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerifyError::Token(fault) => write!(f, "{fault}"),
            VerifyError::NoKeys(why) => write!(f, "the issuer's keys cannot be had: {why}"),
        }
    }
}

impl std::error::Error for VerifyError {}

/// Verifies the tokens of one issuer for one resource.
pub struct Verifier {
    audience: String,
    source: Arc<Source>,
    keys: KeptKeys,
}

/// Where the issuer's keys come from.
struct Source {
    issuer: IssuerUrl,
    fetcher: Arc<Fetcher>,
}

impl Verifier {
    /// `audience` is this resource server's own identifier, as it stands in tokens.
    pub fn new(issuer: &str, audience: &str) -> Result<Verifier, String> {
        Verifier::with_fetcher(
            issuer,
            audience,
            Arc::new(Fetcher::new(FetcherOptions::default())?),
        )
    }

    /// The same over a fetcher of your own: extra trust roots, a name map.
    pub fn with_fetcher(issuer: &str, audience: &str, fetcher: Arc<Fetcher>) -> Result<Verifier, String> {
        let issuer = IssuerUrl::parse(issuer).map_err(|problem| format!("the issuer {problem}"))?;
        Ok(Verifier {
            audience: audience.to_owned(),
            source: Arc::new(Source { issuer, fetcher }),
            keys: KeptKeys::default(),
        })
    }

    /// Verifies a token. Waits for the network only where no usable keys are held, or not the token's; keys that are
    /// due are refreshed in the background.
    pub async fn verify(&self, token: &str) -> Result<VerifiedToken, VerifyError> {
        self.verify_with_certificate(token, None).await
    }

    /// The same for a connection on which the client showed a certificate (its leaf, DER): a token that is bound
    /// to that one is good here, and nowhere else. [RFC8705 §3]
    pub async fn verify_with_certificate(
        &self,
        token: &str,
        certificate: Option<&[u8]>,
    ) -> Result<VerifiedToken, VerifyError> {
        let thumbprint = certificate.map(sha256);
        let keys = self.keys_for(token).await?;
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Timestamp(i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX));
        let expected = Expectation {
            issuer: self.source.issuer.as_str(),
            audience: &self.audience,
            leeway: LEEWAY,
            certificate_thumbprint: thumbprint.as_ref(),
        };
        access_token::verify(token, &keys, expected, now).map_err(VerifyError::Token)
    }

    async fn keys_for(&self, token: &str) -> Result<Arc<KeySet>, VerifyError> {
        // Only to know whether a fetch may help; the key set judges.
        let unverified_kid = Jws::parse(token)
            .map_err(|fault| VerifyError::Token(TokenError::Jose(fault)))?
            .header
            .kid;
        let fetch = || {
            let source = self.source.clone();
            async move { source.fetch_keys().await }
        };
        self.keys
            .get(unverified_kid.as_deref(), fetch)
            .await
            .map_err(VerifyError::NoKeys)
    }
}

impl Source {
    async fn fetch_keys(&self) -> Result<KeySet, String> {
        let metadata: AuthorizationServerMetadata = {
            let body = self.fetch(&self.issuer.metadata_url()).await?;
            serde_json::from_slice(&body).map_err(|error| format!("the metadata cannot be read: {error}"))?
        };
        // [RFC8414 §3.3] The document must speak for the issuer that was asked for.
        if metadata.issuer != self.issuer.as_str() {
            return Err(format!(
                "the metadata speaks for another issuer, {}",
                metadata.issuer
            ));
        }
        KeySet::understood(&self.fetch(&metadata.jwks_uri).await?)
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
        let parsed = Url::parse(url).map_err(|_| format!("{url} is not a URL"))?;
        let limits = FetchLimits {
            deadline: FETCH_DEADLINE,
            ..FetchLimits::default()
        };
        let answer = self
            .fetcher
            .get(&parsed, UrlOrigin::Operator, limits)
            .await
            .map_err(|fault| format!("{url}: {fault}"))?;
        if answer.status != 200 {
            return Err(format!("{url} answers {}", answer.status));
        }
        Ok(answer.body)
    }
}

//! Verification of access tokens with keys that follow the issuer's rotation.

use arc_swap::ArcSwapOption;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use testudo_fetch::{FetchLimits, Fetcher, FetcherOptions, UrlOrigin};
use testudo_protocol::jose::{Jws, KeySet, sha256};
use testudo_protocol::oauth::IssuerUrl;
use testudo_protocol::oauth::access_token::{self, Expectation, TokenFault, VerifiedToken};
use testudo_protocol::oauth::metadata::AuthorizationServerMetadata;
use testudo_protocol::{Seconds, Timestamp};
use url::Url;

/// Keys are fetched again after that long.
const FRESH_FOR: Duration = Duration::from_secs(300);
/// While the issuer cannot be reached, keys are used that long.
const USABLE_FOR: Duration = Duration::from_secs(3600);
/// Pause between fetches for an unknown `kid`: strangers must not make us fetch.
const UNKNOWN_KID_PAUSE: Duration = Duration::from_secs(10);
/// Tolerated difference of clocks.
const LEEWAY: Seconds = Seconds(5);

/// Why a token was not accepted.
#[derive(Debug)]
pub enum VerifyError {
    /// The token is no good: 401.
    Token(TokenFault),
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
    issuer: IssuerUrl,
    audience: String,
    fetcher: Arc<Fetcher>,
    keys: ArcSwapOption<Keys>,
    one_in_flight: tokio::sync::Mutex<()>,
}

struct Keys {
    set: KeySet,
    fetched: Instant,
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
            issuer,
            audience: audience.to_owned(),
            fetcher,
            keys: ArcSwapOption::empty(),
            one_in_flight: tokio::sync::Mutex::default(),
        })
    }

    /// Verifies a token. Waits for the network only where keys are missing, old, or do not have the token's.
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
            issuer: self.issuer.as_str(),
            audience: &self.audience,
            leeway: LEEWAY,
            certificate_thumbprint: thumbprint.as_ref(),
        };
        access_token::verify(token, &keys.set, expected, now).map_err(VerifyError::Token)
    }

    async fn keys_for(&self, token: &str) -> Result<Arc<Keys>, VerifyError> {
        // Only to know whether a fetch may help; the key set judges.
        let unverified_kid = Jws::parse(token)
            .map_err(|fault| VerifyError::Token(TokenFault::Jose(fault)))?
            .header
            .kid;
        let is_enough = |keys: &Keys| {
            let has_kid = unverified_kid.as_deref().is_none_or(|kid| keys.set.has_kid(kid));
            let age = keys.fetched.elapsed();
            age < FRESH_FOR && (has_kid || age < UNKNOWN_KID_PAUSE)
        };
        if let Some(keys) = self.keys.load_full().filter(|keys| is_enough(keys)) {
            return Ok(keys);
        }
        let _turn = self.one_in_flight.lock().await;
        let held = self.keys.load_full();
        if let Some(keys) = held.as_ref().filter(|keys| is_enough(keys)) {
            return Ok(keys.clone());
        }
        match self.fetch_keys().await {
            Ok(set) => {
                let keys = Arc::new(Keys {
                    set,
                    fetched: Instant::now(),
                });
                self.keys.store(Some(keys.clone()));
                Ok(keys)
            }
            Err(why) => match held.filter(|keys| keys.fetched.elapsed() < USABLE_FOR) {
                Some(keys) => Ok(keys),
                None => Err(VerifyError::NoKeys(why)),
            },
        }
    }

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
        KeySet::from_jwks(&self.fetch(&metadata.jwks_uri).await?)
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
        let parsed = Url::parse(url).map_err(|_| format!("{url} is not a URL"))?;
        let answer = self
            .fetcher
            .get(&parsed, UrlOrigin::Operator, FetchLimits::default())
            .await
            .map_err(|fault| format!("{url}: {fault}"))?;
        if answer.status != 200 {
            return Err(format!("{url} answers {}", answer.status));
        }
        Ok(answer.body)
    }
}

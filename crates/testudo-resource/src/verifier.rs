//! Verification of access tokens. The keys are fetched from the issuer and follow its key rotation.

use crate::kept_keys::KeptKeys;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use testudo_fetch::{FetchLimits, Fetcher, FetcherOptions, UrlOrigin};
use testudo_protocol::jose::{Jws, KeySet, sha256};
use testudo_protocol::oauth::IssuerUrl;
use testudo_protocol::oauth::access_token::{self, Expectation, TokenError, VerifiedToken};
use testudo_protocol::oauth::metadata::AuthorizationServerMetadata;
use testudo_protocol::{Seconds, Timestamp};
use url::Url;

/// Deadline of one fetch, of the metadata or of the key set.
const FETCH_DEADLINE: Duration = Duration::from_secs(5);
/// Tolerated difference of clocks.
const LEEWAY: Seconds = Seconds(5);

/// Why a token was refused.
#[derive(Debug)]
pub enum VerifyError {
    /// The token is not valid: answer 401.
    Token(TokenError),
    /// The issuer's keys cannot be fetched: answer 503.
    NoKeys(String),
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerifyError::Token(fault) => write!(f, "{fault}"),
            VerifyError::NoKeys(why) => write!(f, "the issuer's keys cannot be fetched: {why}"),
        }
    }
}

impl std::error::Error for VerifyError {}

/// What the sender of a request proved beside the token.
#[derive(Debug, Clone, Copy, Default)]
pub struct Proofs<'a> {
    /// The client's leaf certificate, DER, of the TLS connection.
    pub certificate: Option<&'a [u8]>,
    /// Thumbprint of the key of a verified DPoP proof, which [`Dpop`](crate::Dpop) finds. With it, only a token that is
    /// bound to this key is accepted.
    pub dpop_key: Option<&'a [u8; 32]>,
}

/// Verifies the tokens of one issuer for one resource.
pub struct Verifier {
    audience: String,
    source: Arc<Source>,
    keys: KeptKeys,
}

/// How the issuer's keys are fetched.
struct Source {
    issuer: IssuerUrl,
    fetcher: Arc<Fetcher>,
}

impl Verifier {
    /// `audience` is the identifier of this resource server, which tokens must have in `aud`.
    pub fn new(issuer: &str, audience: &str) -> Result<Verifier, String> {
        Verifier::with_fetcher(
            issuer,
            audience,
            Arc::new(Fetcher::new(FetcherOptions::default())?),
        )
    }

    /// As [`Verifier::new`], with a fetcher that has extra trust roots or a name map.
    pub fn with_fetcher(issuer: &str, audience: &str, fetcher: Arc<Fetcher>) -> Result<Verifier, String> {
        let issuer =
            IssuerUrl::parse(issuer).map_err(|problem| format!("the issuer {issuer:?} {problem}"))?;
        Ok(Verifier {
            audience: audience.to_owned(),
            source: Arc::new(Source { issuer, fetcher }),
            keys: KeptKeys::default(),
        })
    }

    /// Verifies a token. It waits for the network only if no usable keys are cached or the token's key is not among
    /// them; otherwise keys are refreshed in the background.
    pub async fn verify(&self, token: &str) -> Result<VerifiedToken, VerifyError> {
        self.verify_with_proofs(token, Proofs::default()).await
    }

    /// As [`Verifier::verify`], for a request that proves a key or a certificate. A token that is bound to one of them
    /// needs it; a token that is bound to both needs both. [RFC8705 §3] [RFC9449 §7.1]
    pub async fn verify_with_proofs(
        &self,
        token: &str,
        proofs: Proofs<'_>,
    ) -> Result<VerifiedToken, VerifyError> {
        let thumbprint = proofs.certificate.map(sha256);
        let keys = self.keys_for(token).await?;
        let now = Timestamp::from(SystemTime::now());
        let expected = Expectation {
            issuer: self.source.issuer.as_str(),
            audience: &self.audience,
            leeway: LEEWAY,
            certificate_thumbprint: thumbprint.as_ref(),
            dpop_key: proofs.dpop_key,
        };
        access_token::verify(token, &keys, expected, now).map_err(VerifyError::Token)
    }

    async fn keys_for(&self, token: &str) -> Result<Arc<KeySet>, VerifyError> {
        // The unverified `kid` is used only to decide whether a fetch may help; the signature is verified with the key
        // set.
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
        // [RFC8414 §3.3] The document must be the metadata of the requested issuer.
        if metadata.issuer != self.issuer.as_str() {
            return Err(format!(
                "the document is the metadata of another issuer, {}",
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
            .get(&parsed, UrlOrigin::Configuration, limits)
            .await
            .map_err(|fault| format!("{url}: {fault}"))?;
        if answer.status != 200 {
            return Err(format!("{url} answers {}", answer.status));
        }
        Ok(answer.body)
    }
}

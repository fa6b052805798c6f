//! SDK for workloads: exchanges an SVID for an access token.
//!
//! ```no_run
//! # async fn example() -> Result<(), testudo_client::ClientError> {
//! use testudo_client::{Svids, TokenClient, TokenRequest};
//! let client = TokenClient::new("https://as.example.net", Svids::from_environment())?
//!     .request(TokenRequest { scope: Some("orders.read".into()), ..TokenRequest::default() });
//! let token = client.token().await?;
//! println!("Authorization: Bearer {}", token.secret());
//! # Ok(()) }
//! ```
//!
//! A token is fetched once, returned to all callers while it is valid, and replaced before it expires. Only one request
//! is in flight at a time, for any number of tasks that ask for the token.
//!
//! With [`TokenClient::dpop`] the tokens are bound to a key, so that a stolen token is useless. [RFC9449] Each request to
//! an API then needs the header fields of [`AccessToken::headers`], which contain a proof of the key;
//! [`TokenClient::call`] sends such a request:
//!
//! ```no_run
//! # async fn example(url: url::Url) -> Result<(), testudo_client::ClientError> {
//! use testudo_client::{DpopKey, Outgoing, Svids, TokenClient};
//! let client = TokenClient::new("https://as.example.net", Svids::from_environment())?.dpop(DpopKey::generate()?);
//! let request = Outgoing { method: "GET", url: &url, headers: vec![], body: vec![] };
//! let answer = client.call(&request).await?;
//! # let _ = answer; Ok(()) }
//! ```

#![warn(clippy::wildcard_enum_match_arm)]

mod api;
mod dpop;
mod error;
mod look;
mod svid;

pub use api::{ApiAnswer, TokenHeaders};
pub use dpop::DpopKey;
pub use error::ClientError;
pub use svid::{Svid, Svids};
pub use testudo_fetch::{ClientIdentity, Fetched, FetcherOptions, Outgoing};

use dpop::Prover;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use testudo_fetch::{FetchLimits, Fetcher, UrlOrigin};
use testudo_protocol::oauth::metadata::AuthorizationServerMetadata;
use testudo_protocol::oauth::{ASSERTION_TYPE_JWT_SPIFFE, GRANT_CLIENT_CREDENTIALS, IssuerUrl};
use testudo_protocol::printable::excerpt;
use url::Url;

/// Share of a token's lifetime after which a new token is fetched.
const REFRESH_AFTER: f64 = 0.8;

/// What the token request asks for.
#[derive(Debug, Clone, Default)]
pub struct TokenRequest {
    /// Scope values, separated by spaces. Default: the scope of the rule.
    pub scope: Option<String>,
    /// `resource`: the API that the token is for. Default: the first resource of the rule.
    pub resource: Option<String>,
    /// `client_id`; optional, since the SVID identifies the client.
    pub client_id: Option<String>,
}

/// An access token. Its `Debug` does not print the token.
#[derive(Clone)]
pub struct AccessToken {
    secret: String,
    fetched: Instant,
    lifetime: Duration,
    scope: Option<String>,
    /// Present if the token is bound to a key.
    prover: Option<Arc<Prover>>,
}

impl AccessToken {
    /// The token itself. Keep it secret: a resource server accepts it from any caller, unless it is bound to a key.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// `token_type`: `Bearer`, or `DPoP` if the token is bound to the key of [`TokenClient::dpop`].
    pub fn token_type(&self) -> &'static str {
        token_type(self.prover.as_ref())
    }

    /// Granted scope.
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// The time until the token expires.
    pub fn remaining(&self) -> Duration {
        self.lifetime.saturating_sub(self.fetched.elapsed())
    }

    fn is_due(&self) -> bool {
        self.fetched.elapsed() >= self.lifetime.mul_f64(REFRESH_AFTER)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "AccessToken(scope {:?}, {:?} left)",
            self.scope,
            self.remaining()
        )
    }
}

/// Fetches and caches one access token of one workload. Share it behind an `Arc`.
pub struct TokenClient {
    issuer: IssuerUrl,
    svids: Svids,
    request: TokenRequest,
    options: FetcherOptions,
    fetcher: Fetcher,
    prover: Option<Arc<Prover>>,
    current: Mutex<Option<Arc<AccessToken>>>,
    one_in_flight: tokio::sync::Mutex<()>,
    metadata: tokio::sync::OnceCell<AuthorizationServerMetadata>,
}

impl TokenClient {
    /// A client of `issuer` that authenticates with SVIDs from `svids`.
    pub fn new(issuer: &str, svids: Svids) -> Result<TokenClient, ClientError> {
        TokenClient::with_options(issuer, svids, FetcherOptions::default())
    }

    /// As [`TokenClient::new`], with extra trust roots or a map of host names to addresses.
    pub fn with_options(
        issuer: &str,
        svids: Svids,
        options: FetcherOptions,
    ) -> Result<TokenClient, ClientError> {
        let fetcher = Fetcher::new(options.clone()).map_err(ClientError::Tls)?;
        let issuer = IssuerUrl::parse(issuer).map_err(|problem| ClientError::Issuer {
            issuer: issuer.to_owned(),
            problem,
        })?;
        Ok(TokenClient {
            issuer,
            svids,
            request: TokenRequest::default(),
            options,
            fetcher,
            prover: None,
            current: Mutex::default(),
            one_in_flight: tokio::sync::Mutex::default(),
            metadata: tokio::sync::OnceCell::new(),
        })
    }

    /// Sets what the token request asks for.
    #[must_use]
    pub fn request(mut self, request: TokenRequest) -> TokenClient {
        self.request = request;
        self
    }

    /// Binds the tokens to this key: each token request has a proof of it, and a token that is not bound is refused. The
    /// key is kept in memory only.
    #[must_use]
    pub fn dpop(mut self, key: DpopKey) -> TokenClient {
        self.prover = Some(Arc::new(Prover::new(key)));
        self
    }

    /// A token that is valid now. A caller waits only if no valid token is cached. When the token is about to expire,
    /// one caller fetches the next one; the other callers receive the cached token meanwhile.
    pub async fn token(&self) -> Result<Arc<AccessToken>, ClientError> {
        let held = self.held();
        if let Some(token) = held.filter(|token| !token.remaining().is_zero()) {
            if !token.is_due() {
                return Ok(token);
            }
            let Ok(_turn) = self.one_in_flight.try_lock() else {
                return Ok(token);
            };
            // The cached token is still valid, so a failed refresh is no error yet.
            return Ok(self.fetch_and_hold().await.unwrap_or(token));
        }
        let _turn = self.one_in_flight.lock().await;
        match self.held().filter(|token| !token.is_due()) {
            Some(token) => Ok(token),
            None => self.fetch_and_hold().await,
        }
    }

    fn held(&self) -> Option<Arc<AccessToken>> {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn fetch_and_hold(&self) -> Result<Arc<AccessToken>, ClientError> {
        let token = Arc::new(self.fetch().await?);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        Ok(token)
    }

    /// Reads an SVID, sends the token request and parses the answer.
    async fn fetch(&self) -> Result<AccessToken, ClientError> {
        // [RFC10070 §4] The audience is the issuer identifier, never the endpoint.
        let svid = self.svids.svid(self.issuer.as_str()).await?;
        match &svid {
            Svid::Jwt(token) => {
                look::at_jwt(token, self.issuer.as_str()).map_err(|error| self.svids.name_source(error))?;
            }
            Svid::X509 { identity, .. } => look::at_certificate(identity)?,
        }
        let metadata = self
            .metadata
            .get_or_try_init(|| discover(&self.fetcher, &self.issuer))
            .await?;
        let mut form = vec![("grant_type", GRANT_CLIENT_CREDENTIALS)];
        let mut client_id = self.request.client_id.as_deref();
        if let Svid::Jwt(token) = &svid {
            form.push(("client_assertion_type", ASSERTION_TYPE_JWT_SPIFFE));
            form.push(("client_assertion", token));
        }
        if let Svid::X509 { spiffe_id, .. } = &svid {
            // [RFC8705 §2] Required with a certificate; the default is the SPIFFE ID.
            client_id = client_id.or(Some(spiffe_id));
        }
        let optional = [
            ("scope", self.request.scope.as_deref()),
            ("resource", self.request.resource.as_deref()),
            ("client_id", client_id),
        ];
        form.extend(
            optional
                .iter()
                .filter_map(|(name, value)| Some((*name, (*value)?))),
        );
        let fetched = Instant::now();
        let answer = match &svid {
            Svid::Jwt(_) => {
                let endpoint = endpoint(&metadata.token_endpoint)?;
                self.send_form(&self.fetcher, &endpoint, &form).await?
            }
            Svid::X509 { identity, .. } => {
                // [RFC8705 §5] If the issuer has a separate listener for client certificates, the request goes there.
                // Each token request opens a new connection, because the certificate is rotated.
                let alias = metadata
                    .mtls_endpoint_aliases
                    .as_ref()
                    .map(|aliases| &aliases.token_endpoint);
                let endpoint = endpoint(alias.unwrap_or(&metadata.token_endpoint))?;
                let options = FetcherOptions {
                    client_identity: Some(identity.clone()),
                    ..self.options.clone()
                };
                let fetcher = Fetcher::new(options).map_err(ClientError::Tls)?;
                self.send_form(&fetcher, &endpoint, &form).await?
            }
        };
        read_answer(&answer, fetched, self.prover.clone())
    }

    /// Sends the token request, with a proof if the token is to be bound to a key. If the issuer demands a nonce in the
    /// proof, the request is sent once more. [RFC9449 §8]
    async fn send_form(
        &self,
        fetcher: &Fetcher,
        endpoint: &Url,
        form: &[(&str, &str)],
    ) -> Result<Fetched, ClientError> {
        let Some(prover) = &self.prover else {
            let request = Outgoing::form(endpoint, form);
            return Ok(fetcher.send(&request, FetchLimits::default()).await?);
        };
        let send = async || {
            let proof = prover.proof("POST", endpoint, None)?;
            let mut request = Outgoing::form(endpoint, form);
            request.headers.push(("dpop", &proof));
            let answer = fetcher.send(&request, FetchLimits::default()).await?;
            let needs_new_proof = prover.needs_new_proof(endpoint, &answer);
            Ok::<_, ClientError>((answer, needs_new_proof))
        };
        let (mut answer, needs_new_proof) = send().await?;
        if needs_new_proof {
            (answer, _) = send().await?;
        }
        Ok(answer)
    }
}

fn token_type(prover: Option<&Arc<Prover>>) -> &'static str {
    match prover {
        Some(_) => "DPoP",
        None => "Bearer",
    }
}

fn endpoint(text: &str) -> Result<Url, ClientError> {
    Url::parse(text).map_err(|_| ClientError::Metadata("token_endpoint is not a URL".into()))
}

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

fn read_answer(
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
    #[derive(serde::Deserialize)]
    struct Refusal {
        error: String,
        error_description: Option<String>,
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
    match serde_json::from_slice::<Refusal>(&answer.body) {
        Ok(refusal) => Err(ClientError::Refused {
            status: answer.status,
            error: refusal.error,
            description: refusal.error_description.unwrap_or_default(),
            retry_after_seconds: answer.retry_after_seconds,
            request_id: answer.request_id.clone(),
        }),
        Err(_) => Err(ClientError::Answer(format!(
            "status {} without an OAuth error code",
            answer.status
        ))),
    }
}

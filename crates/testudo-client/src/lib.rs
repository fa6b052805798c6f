//! SDK for workloads: exchanges an SVID, a token of another issuer or a client attestation for an access token.
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
//! use testudo_client::{Outgoing, PrivateKey, Svids, TokenClient};
//! let client = TokenClient::new("https://as.example.net", Svids::from_environment())?.dpop(PrivateKey::generate()?);
//! let request = Outgoing { method: "GET", url: &url, headers: vec![], body: vec![] };
//! let answer = client.call(&request).await?;
//! # let _ = answer; Ok(()) }
//! ```
//!
//! An application that signs people in ([`TokenClient::sign_in`]) gets tokens of these people: [`SignIn`].
//!
//! A program on the computer of a person listens on loopback for the response ([`TokenClient::listen_for_sign_in`]), and
//! can keep the sign-in in a file ([`SignInFile`]).
//!
//! A workload without an SVID authenticates with a token of its platform, such as a pod with that of its service account
//! or a job of a CI system with that of the job: [`Assertions`]. An app on a device has an attestation of its key:
//! [`Attestations`].
//!
//! ```no_run
//! # async fn example() -> Result<(), testudo_client::ClientError> {
//! use testudo_client::{Assertions, TokenClient};
//! let pod = Assertions::file("/var/run/secrets/testudo/token");
//! let token = TokenClient::new("https://as.example.net", pod)?.token().await?;
//! # let _ = token; Ok(()) }
//! ```

#![warn(clippy::wildcard_enum_match_arm)]

mod answers;
mod api;
mod assertions;
mod attestation_command;
mod attestations;
mod attested;
mod credential_file;
mod dpop;
mod error;
mod exchange;
mod github_actions;
mod key;
mod look;
mod loopback;
mod person;
mod refresh_token;
mod sign_in;
mod sign_in_file;
mod svid;

pub use answers::discover;
pub use api::{ApiAnswer, TokenHeaders};
pub use assertions::{AssertionFuture, AssertionSource, Assertions};
pub use attestations::Attestations;
pub use attested::{AttestationSource, Attested, AttestedFuture};
pub use error::ClientError;
pub use key::PrivateKey;
pub use loopback::{LOOPBACK_REDIRECT_URI, LocalSignIn};
pub use person::PersonTokens;
pub use refresh_token::RefreshToken;
pub use sign_in::SignIn;
pub use sign_in_file::SignInFile;
pub use svid::{Svid, Svids};
pub use testudo_fetch::{ClientIdentity, Fetched, FetcherOptions, Outgoing};

use dpop::{Nonces, Prover};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use testudo_fetch::Fetcher;
use testudo_protocol::oauth::IssuerUrl;
use testudo_protocol::oauth::metadata::AuthorizationServerMetadata;

/// Share of a token's lifetime after which a new token is fetched.
const REFRESH_AFTER: f64 = 0.8;

/// What the token request asks for.
#[derive(Debug, Clone, Default)]
pub struct TokenRequest {
    /// Scope values, separated by spaces. Default: the scope of the rule.
    pub scope: Option<String>,
    /// `resource`: the API that the token is for. Default: the first resource of the rule.
    pub resource: Option<String>,
    /// `client_id`; optional, since the SVID, the token or the attestation identifies the client. A public client must set
    /// it, and also a client that signs people in and authenticates with a token of its platform.
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

    /// `token_type`: `Bearer`, or `DPoP` if the token is bound to a key.
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

/// How a workload authenticates.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// With SVIDs.
    Svids(Svids),
    /// With tokens of another issuer: of Kubernetes, of a CI system, of a cloud.
    Assertions(Assertions),
    /// With client attestations or WIT-SVIDs, and proofs of their keys.
    Attestations(Attestations),
    /// Not at all: a program on a person's computer, which signs this person in.
    Public,
}

impl From<Svids> for Credentials {
    fn from(svids: Svids) -> Credentials {
        Credentials::Svids(svids)
    }
}

impl From<Assertions> for Credentials {
    fn from(assertions: Assertions) -> Credentials {
        Credentials::Assertions(assertions)
    }
}

impl From<Attestations> for Credentials {
    fn from(attestations: Attestations) -> Credentials {
        Credentials::Attestations(attestations)
    }
}

/// Fetches and caches one access token of one workload. Share it behind an `Arc`.
pub struct TokenClient {
    issuer: IssuerUrl,
    credentials: Credentials,
    request: TokenRequest,
    /// True if the issuer demands pushed requests of this client and not of all.
    must_push: bool,
    options: FetcherOptions,
    fetcher: Fetcher,
    prover: Option<Arc<Prover>>,
    nonces: Arc<Nonces>,
    /// The last challenge of the issuer. [ABCA §6]
    challenge: Mutex<Option<String>>,
    current: Mutex<Option<Arc<AccessToken>>>,
    one_in_flight: tokio::sync::Mutex<()>,
    metadata: tokio::sync::OnceCell<AuthorizationServerMetadata>,
}

impl TokenClient {
    /// A client of `issuer` that authenticates with [`Svids`], [`Assertions`] or [`Attestations`].
    pub fn new(issuer: &str, credentials: impl Into<Credentials>) -> Result<TokenClient, ClientError> {
        TokenClient::with_options(issuer, credentials, FetcherOptions::default())
    }

    /// As [`TokenClient::new`], with extra trust roots or a map of host names to addresses.
    pub fn with_options(
        issuer: &str,
        credentials: impl Into<Credentials>,
        options: FetcherOptions,
    ) -> Result<TokenClient, ClientError> {
        let fetcher = Fetcher::new(options.clone()).map_err(ClientError::Tls)?;
        let issuer = IssuerUrl::parse(issuer).map_err(|problem| ClientError::Issuer {
            issuer: issuer.to_owned(),
            problem,
        })?;
        Ok(TokenClient {
            issuer,
            credentials: credentials.into(),
            request: TokenRequest::default(),
            must_push: false,
            options,
            fetcher,
            prover: None,
            nonces: Arc::default(),
            challenge: Mutex::default(),
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

    /// Pushes authorization requests also without a credential. An issuer may demand this of one client
    /// (`pushed_authorization = "required"`), which its metadata do not tell.
    #[must_use]
    pub fn push_requests(mut self) -> TokenClient {
        self.must_push = true;
        self
    }

    /// Binds the tokens to this key: each token request has a proof of it, and a token that is not bound is refused. The
    /// key is kept in memory only.
    #[must_use]
    pub fn dpop(mut self, key: PrivateKey) -> TokenClient {
        self.prover = Some(Arc::new(Prover::new(key.signing(), self.nonces.clone())));
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
}

fn token_type(prover: Option<&Arc<Prover>>) -> &'static str {
    match prover {
        Some(_) => "DPoP",
        None => "Bearer",
    }
}

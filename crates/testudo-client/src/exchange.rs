//! Requests that the client authenticates: their credential, their proofs, and their repetitions.

use crate::answers::{Answered, discover, read_tokens, refusal};
use crate::attested::Attested;
use crate::dpop::{Prover, is_usable, new_id, not_signed};
use crate::{AccessToken, ClientError, Credentials, Svid, Svids, TokenClient, look};
use std::sync::{Arc, PoisonError};
use std::time::{Instant, SystemTime};
use testudo_fetch::{ClientIdentity, FetchLimits, Fetched, Fetcher, FetcherOptions, Outgoing};
use testudo_protocol::Timestamp;
use testudo_protocol::jose::SigningKey;
use testudo_protocol::oauth::attestation_pop::AttestationPopClaims;
use testudo_protocol::oauth::metadata::AuthorizationServerMetadata;
use testudo_protocol::oauth::{
    ASSERTION_TYPE_JWT_BEARER, ASSERTION_TYPE_JWT_SPIFFE, GRANT_CLIENT_CREDENTIALS,
};
use url::Url;

/// An endpoint at which the client authenticates.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Endpoint {
    Token,
    PushedRequests,
}

/// The credential of a request.
pub(crate) enum Shown {
    /// The client has none: it is public.
    Nothing,
    /// The assertion, and its type.
    Jwt(&'static str, String),
    X509(String, ClientIdentity),
    Attested(Attested, Arc<SigningKey>),
}

/// A request without its proofs, which are new for each attempt.
struct Exchange<'a> {
    endpoint: Url,
    form: Vec<(&'a str, &'a str)>,
    prover: Option<Arc<Prover>>,
    /// The attestation, and the key of the PoP if there is one.
    attestation: Option<(&'a str, Option<&'a SigningKey>)>,
}

impl TokenClient {
    /// Requests a token for the client itself.
    pub(crate) async fn fetch(&self) -> Result<AccessToken, ClientError> {
        let mut form = vec![("grant_type", GRANT_CLIENT_CREDENTIALS)];
        form.extend(self.wanted());
        form.extend(self.request.client_id.as_deref().map(|id| ("client_id", id)));
        let answered = self.ask(Endpoint::Token, &form).await?;
        read_tokens(answered).map(|(access, _)| access)
    }

    /// `scope` and `resource` of the request.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = (&str, &str)> {
        let optional = [
            ("scope", self.request.scope.as_deref()),
            ("resource", self.request.resource.as_deref()),
        ];
        optional
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }

    /// The metadata of the issuer.
    pub(crate) async fn metadata(&self) -> Result<&AuthorizationServerMetadata, ClientError> {
        let found = self
            .metadata
            .get_or_try_init(|| discover(&self.fetcher, &self.issuer));
        found.await
    }

    /// Reads a credential and sends a request with it.
    pub(crate) async fn ask(
        &self,
        endpoint: Endpoint,
        form: &[(&str, &str)],
    ) -> Result<Answered, ClientError> {
        let shown = self.read_credential(false).await?;
        self.ask_as(shown, endpoint, form).await
    }

    /// Sends a request with this credential. If the issuer wants a newer attestation, the request is sent once more with
    /// one. [ABCA §7.4]
    pub(crate) async fn ask_as(
        &self,
        shown: Shown,
        endpoint: Endpoint,
        form: &[(&str, &str)],
    ) -> Result<Answered, ClientError> {
        let metadata = self.metadata().await?;
        let answered = self.ask_with(&shown, endpoint, form, metadata).await?;
        let Shown::Attested(old, _) = &shown else {
            return Ok(answered);
        };
        if refusal(&answered.answer).is_none_or(|refusal| refusal.error != "use_fresh_attestation") {
            return Ok(answered);
        }
        let renewed = self.read_credential(true).await?;
        if matches!(&renewed, Shown::Attested(new, _) if new.attestation == old.attestation) {
            return Ok(answered);
        }
        self.ask_with(&renewed, endpoint, form, metadata).await
    }

    /// The id of the client: the one that was set, or the one that its credential states.
    pub(crate) fn client_id(&self, shown: &Shown) -> Result<String, ClientError> {
        let client_id = self.request.client_id.clone().or_else(|| shown.client_id());
        client_id.ok_or(ClientError::ClientId)
    }

    pub(crate) async fn read_credential(&self, must_be_new: bool) -> Result<Shown, ClientError> {
        match &self.credentials {
            Credentials::Svids(svids) => read_svid(svids, self.issuer.as_str()).await,
            Credentials::Assertions(assertions) => {
                let token = assertions.assertion(&self.fetcher, self.issuer.as_str()).await?;
                Ok(Shown::Jwt(ASSERTION_TYPE_JWT_BEARER, token))
            }
            Credentials::Attestations(attestations) => {
                let attested = attestations.attested(must_be_new).await?;
                let key = look::at_attestation(&attested).map_err(|error| attestations.name_source(error))?;
                Ok(Shown::Attested(attested, key))
            }
            Credentials::Public => Ok(Shown::Nothing),
        }
    }

    async fn ask_with(
        &self,
        shown: &Shown,
        at: Endpoint,
        form: &[(&str, &str)],
        metadata: &AuthorizationServerMetadata,
    ) -> Result<Answered, ClientError> {
        let mut form = form.to_vec();
        let is_named = form.iter().any(|(name, _)| *name == "client_id");
        match shown {
            Shown::Jwt(assertion_type, token) => {
                form.push(("client_assertion_type", *assertion_type));
                form.push(("client_assertion", token));
            }
            // [RFC8705 §2] Required with a certificate; the default is the SPIFFE ID.
            Shown::X509(spiffe_id, _) if !is_named => form.push(("client_id", spiffe_id)),
            Shown::X509(..) | Shown::Attested(..) | Shown::Nothing => {}
        }
        // [RFC8705 §5] If the issuer has a separate listener for client certificates, the request goes there.
        let has_certificate = matches!(shown, Shown::X509(..));
        let mut exchange = Exchange {
            endpoint: at.url(metadata, has_certificate)?,
            form,
            prover: self.prover.clone(),
            attestation: None,
        };
        let sent = Instant::now();
        let answer = match shown {
            Shown::Jwt(..) | Shown::Nothing => self.send(&self.fetcher, &exchange).await?,
            Shown::X509(_, identity) => {
                // Each request opens a new connection, because the certificate is rotated.
                let options = FetcherOptions {
                    client_identity: Some(identity.clone()),
                    ..self.options.clone()
                };
                let fetcher = Fetcher::new(options).map_err(ClientError::Tls)?;
                self.send(&fetcher, &exchange).await?
            }
            Shown::Attested(attested, key) => {
                let is_combined = self.is_combined();
                if is_combined {
                    exchange.prover = Some(Arc::new(Prover::new(key.clone(), self.nonces.clone())));
                }
                let has_pop = !is_combined || !accepts_combined(metadata);
                if has_pop {
                    self.get_challenge(metadata).await;
                }
                exchange.attestation = Some((&attested.attestation, has_pop.then_some(&**key)));
                self.send(&self.fetcher, &exchange).await?
            }
        };
        Ok(Answered {
            answer,
            sent,
            prover: exchange.prover,
        })
    }

    /// True if tokens are to be bound to the attested key.
    fn is_combined(&self) -> bool {
        match &self.credentials {
            Credentials::Attestations(attestations) => attestations.is_combined && self.prover.is_none(),
            Credentials::Svids(_) | Credentials::Assertions(_) | Credentials::Public => false,
        }
    }

    /// [ABCA §6.3] A client without a challenge gets one first. If that fails, the token endpoint answers with one.
    async fn get_challenge(&self, metadata: &AuthorizationServerMetadata) {
        #[derive(serde::Deserialize)]
        struct Challenge {
            attestation_challenge: Option<String>,
        }
        if self.challenge().is_some() {
            return;
        }
        let url = metadata.challenge_endpoint.as_deref().map(Url::parse);
        let Some(Ok(url)) = url else { return };
        let request = Outgoing::form(&url, &[]);
        let Ok(answer) = self.fetcher.send(&request, FetchLimits::default()).await else {
            return;
        };
        self.keep(&url, &answer);
        if let Ok(Challenge {
            attestation_challenge,
        }) = serde_json::from_slice(&answer.body)
        {
            self.keep_challenge(attestation_challenge.as_deref());
        }
    }

    /// Sends the request. If the issuer demands a nonce [RFC9449 §8] or another challenge [ABCA §6.1], the request
    /// is sent again, once for each of the two.
    async fn send(&self, fetcher: &Fetcher, exchange: &Exchange<'_>) -> Result<Fetched, ClientError> {
        let of_proof = exchange.prover.as_ref().map(|_| ("use_dpop_nonce", "dpop-nonce"));
        let of_pop = exchange
            .attestation
            .map(|_| ("use_attestation_challenge", CHALLENGE));
        let mut demands: Vec<_> = of_proof.into_iter().chain(of_pop).collect();
        loop {
            let answer = self.send_once(fetcher, exchange).await?;
            let refusal = refusal(&answer);
            let demand = demands.iter().position(|(demanded, header)| {
                refusal.as_ref().is_some_and(|refusal| refusal.error == *demanded)
                    && answer.values(header).next().is_some()
            });
            match demand {
                Some(position) => demands.remove(position),
                None => return Ok(answer),
            };
        }
    }

    async fn send_once(&self, fetcher: &Fetcher, exchange: &Exchange<'_>) -> Result<Fetched, ClientError> {
        let endpoint = &exchange.endpoint;
        let mut request = Outgoing::form(endpoint, &exchange.form);
        let proof = match &exchange.prover {
            Some(prover) => Some(prover.proof("POST", endpoint, None)?),
            None => None,
        };
        request
            .headers
            .extend(proof.as_deref().map(|proof| ("dpop", proof)));
        let pop = match exchange.attestation {
            Some((_, Some(key))) => Some(self.pop(key)?),
            Some((_, None)) | None => None,
        };
        let attestation = exchange
            .attestation
            .map(|(text, _)| ("oauth-client-attestation", text));
        request.headers.extend(attestation);
        request
            .headers
            .extend(pop.as_deref().map(|pop| ("oauth-client-attestation-pop", pop)));
        let answer = fetcher.send(&request, FetchLimits::default()).await?;
        self.keep(endpoint, &answer);
        Ok(answer)
    }

    /// A new PoP, with the last challenge of the issuer. [ABCA §5.1]
    fn pop(&self, key: &SigningKey) -> Result<String, ClientError> {
        let challenge = self.challenge();
        let claims = AttestationPopClaims {
            aud: self.issuer.as_str(),
            jti: &new_id()?,
            iat: Timestamp::from(SystemTime::now()),
            challenge: challenge.as_deref(),
        };
        claims.sign(key).map_err(|_| not_signed())
    }

    fn challenge(&self) -> Option<String> {
        let held = self.challenge.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }

    /// [RFC9449 §8.2] [ABCA §6.2] Nonce and challenge of each answer replace the ones before.
    fn keep(&self, url: &Url, answer: &Fetched) {
        if let Some(nonce) = answer.values("dpop-nonce").next() {
            self.nonces.keep(url, nonce);
        }
        self.keep_challenge(answer.values(CHALLENGE).next());
    }

    fn keep_challenge(&self, challenge: Option<&str>) {
        if let Some(challenge) = challenge.filter(|challenge| is_usable(challenge)) {
            *self.challenge.lock().unwrap_or_else(PoisonError::into_inner) = Some(challenge.to_owned());
        }
    }
}

/// [ABCA §6.2]
const CHALLENGE: &str = "oauth-client-attestation-challenge";

async fn read_svid(svids: &Svids, issuer: &str) -> Result<Shown, ClientError> {
    // [RFC10070 §4] The audience is the issuer identifier, never the endpoint.
    match svids.svid(issuer).await? {
        Svid::Jwt(token) => {
            look::at_jwt(&token, issuer).map_err(|error| svids.name_source(error))?;
            Ok(Shown::Jwt(ASSERTION_TYPE_JWT_SPIFFE, token))
        }
        Svid::X509 { spiffe_id, identity } => {
            look::at_certificate(&identity)?;
            Ok(Shown::X509(spiffe_id, identity))
        }
    }
}

/// True if one DPoP proof may be the proof of the attested key too. [ABCA §7.6] [ABCA §8]
fn accepts_combined(metadata: &AuthorizationServerMetadata) -> bool {
    let methods = &metadata.client_attestation_pop_methods_supported;
    let of_clients = &metadata.token_endpoint_auth_methods_supported;
    methods.iter().any(|method| method == "dpop_combined")
        || of_clients
            .iter()
            .any(|method| method == "attest_jwt_client_auth_dpop")
}

impl Shown {
    /// The client id that the credential states. An issuer derives the client id of a token of a platform by a rule of its
    /// own.
    fn client_id(&self) -> Option<String> {
        match self {
            Shown::Jwt(ASSERTION_TYPE_JWT_SPIFFE, svid) => look::subject(svid),
            Shown::X509(spiffe_id, _) => Some(spiffe_id.clone()),
            Shown::Attested(attested, _) => look::subject(&attested.attestation),
            Shown::Jwt(..) | Shown::Nothing => None,
        }
    }
}

impl Endpoint {
    fn url(self, metadata: &AuthorizationServerMetadata, has_certificate: bool) -> Result<Url, ClientError> {
        let aliases = metadata
            .mtls_endpoint_aliases
            .as_ref()
            .filter(|_| has_certificate);
        let (name, usual, alias) = match self {
            Endpoint::Token => (
                "token_endpoint",
                Some(&metadata.token_endpoint),
                aliases.map(|aliases| &aliases.token_endpoint),
            ),
            Endpoint::PushedRequests => (
                "pushed_authorization_request_endpoint",
                metadata.people.pushed_authorization_request_endpoint.as_ref(),
                aliases.and_then(|aliases| aliases.pushed_authorization_request_endpoint.as_ref()),
            ),
        };
        url_of(name, alias.or(usual).map(String::as_str))
    }
}

/// The URL of an endpoint in the metadata.
pub(crate) fn url_of(name: &str, text: Option<&str>) -> Result<Url, ClientError> {
    let text = text.ok_or_else(|| ClientError::Metadata(format!("it has no {name}")))?;
    Url::parse(text).map_err(|_| ClientError::Metadata(format!("{name} is not a URL")))
}

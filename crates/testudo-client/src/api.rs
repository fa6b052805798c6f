//! Calls of an API with the token.

use crate::{AccessToken, ClientError, PersonTokens, TokenClient};
use std::time::Duration;
use testudo_fetch::{FetchLimits, Fetched, Outgoing};
use url::Url;

/// Bounds of one call of an API.
const LIMITS: FetchLimits = FetchLimits {
    body_bytes_max: 64 * 1024 * 1024,
    deadline: Duration::from_secs(60),
};

/// The header fields of a request to an API. It has no `Debug`, because it contains the token.
pub struct TokenHeaders {
    /// `Authorization`.
    pub authorization: String,
    /// `DPoP`: the proof of the key to which the token is bound. It is valid for one request.
    pub dpop: Option<String>,
}

/// An answer of an API to a request with a token, as far as the token needs it.
#[derive(Debug, Clone, Copy)]
pub struct ApiAnswer<'a> {
    /// HTTP status.
    pub status: u16,
    /// `DPoP-Nonce`.
    pub dpop_nonce: Option<&'a str>,
    /// All values of `WWW-Authenticate`.
    pub challenges: &'a [&'a str],
}

impl AccessToken {
    /// The header fields for one request: call it for each request, because a proof can be used once. [RFC9449 §7.1]
    pub fn headers(&self, method: &str, url: &Url) -> Result<TokenHeaders, ClientError> {
        let Some(prover) = &self.prover else {
            return Ok(TokenHeaders {
                authorization: format!("Bearer {}", self.secret),
                dpop: None,
            });
        };
        Ok(TokenHeaders {
            authorization: format!("DPoP {}", self.secret),
            dpop: Some(prover.proof(method, url, Some(&self.secret))?),
        })
    }

    /// Keeps the nonce of the API for the next proof: call it with each answer. True if the API refused the request only
    /// because its proof had no valid nonce: then send the request again, once, with new headers. [RFC9449 §9]
    pub fn needs_new_proof(&self, url: &Url, answer: ApiAnswer<'_>) -> bool {
        let (Some(prover), Some(nonce)) = (&self.prover, answer.dpop_nonce) else {
            return false;
        };
        prover.nonces.keep(url, nonce);
        let asks = |challenge: &&str| challenge.contains("error=\"use_dpop_nonce\"");
        answer.status == 401 && answer.challenges.iter().any(asks)
    }
}

impl TokenClient {
    /// Sends a request to an API with the token, and with a proof if the token is bound to a key. Redirects are not
    /// followed, since the token is for this API alone.
    pub async fn call(&self, request: &Outgoing<'_>) -> Result<Fetched, ClientError> {
        let token = self.token().await?;
        self.call_with(&token, request).await
    }

    /// As [`TokenClient::call`], for the person of these tokens.
    pub async fn call_for(
        &self,
        person: &PersonTokens,
        request: &Outgoing<'_>,
    ) -> Result<Fetched, ClientError> {
        let token = self.token_of(person).await?;
        self.call_with(&token, request).await
    }

    /// As [`TokenClient::call`], with this token.
    pub async fn call_with(
        &self,
        token: &AccessToken,
        request: &Outgoing<'_>,
    ) -> Result<Fetched, ClientError> {
        let (mut answer, needs_new_proof) = self.call_once(token, request).await?;
        if needs_new_proof {
            (answer, _) = self.call_once(token, request).await?;
        }
        Ok(answer)
    }

    /// The answer, and whether the API demands another proof.
    async fn call_once(
        &self,
        token: &AccessToken,
        request: &Outgoing<'_>,
    ) -> Result<(Fetched, bool), ClientError> {
        let headers = token.headers(request.method, request.url)?;
        let mut request = request.clone();
        request.headers.push(("authorization", &headers.authorization));
        if let Some(proof) = &headers.dpop {
            request.headers.push(("dpop", proof));
        }
        let sent = self.fetcher.send(&request, LIMITS).await;
        let answer = sent.map_err(ClientError::Api)?;
        let challenges: Vec<&str> = answer.values("www-authenticate").collect();
        let of_token = ApiAnswer {
            status: answer.status,
            dpop_nonce: answer.values("dpop-nonce").next(),
            challenges: &challenges,
        };
        let needs_new_proof = token.needs_new_proof(request.url, of_token);
        Ok((answer, needs_new_proof))
    }
}

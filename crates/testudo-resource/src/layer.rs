//! A tower layer that passes requests with a valid token to the inner service and answers the others with an error.
//! [RFC6750 §3]

use crate::verifier::{Verifier, VerifyError};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use testudo_protocol::oauth::{self, ScopeSet};
use tower::{Layer, Service};

/// Requires a token. The verified token is put into the request's extensions as
/// [`VerifiedToken`](crate::VerifiedToken).
#[derive(Clone)]
pub struct RequireToken {
    verifier: Arc<Verifier>,
    scope: Arc<ScopeSet>,
}

impl RequireToken {
    /// Accepts every valid token, with any scope.
    pub fn new(verifier: Arc<Verifier>) -> RequireToken {
        RequireToken {
            verifier,
            scope: Arc::default(),
        }
    }

    /// The token must have all these scope values, separated by spaces.
    pub fn scope(mut self, scope: &str) -> Result<RequireToken, String> {
        self.scope = Arc::new(ScopeSet::parse(scope).map_err(|problem| format!("{scope:?} {problem}"))?);
        Ok(self)
    }
}

impl<S> Layer<S> for RequireToken {
    type Service = RequireTokenService<S>;
    fn layer(&self, inner: S) -> RequireTokenService<S> {
        RequireTokenService {
            inner,
            guard: self.clone(),
        }
    }
}

/// The client's leaf certificate, DER, of this connection. The code that terminates TLS puts it into the request's
/// extensions; without it, tokens that are bound to a certificate are refused.
#[derive(Clone, Debug)]
pub struct ClientCertificate(pub Arc<[u8]>);

/// The service behind [`RequireToken`].
#[derive(Clone)]
pub struct RequireTokenService<S> {
    inner: S,
    guard: RequireToken,
}

impl<S, B, R> Service<Request<B>> for RequireTokenService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default + Send,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let guard = self.guard.clone();
        // Only the service for which `poll_ready` succeeded may be called, so it is used here and replaced by its
        // clone.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let certificate = request.extensions().get::<ClientCertificate>().cloned();
            match check(&guard, request.headers(), request.uri().query(), certificate).await {
                Ok(token) => {
                    request.extensions_mut().insert(token);
                    inner.call(request).await
                }
                Err(refusal) => Ok(refusal.into_response()),
            }
        })
    }
}

enum Refusal {
    /// [RFC6750 §3.1] No token: a challenge without an error code.
    NoToken,
    /// More than one token, or more than one way of sending it.
    Ambiguous,
    Invalid,
    InsufficientScope(Arc<ScopeSet>),
    NoKeys,
}

async fn check(
    guard: &RequireToken,
    headers: &HeaderMap,
    query: Option<&str>,
    certificate: Option<ClientCertificate>,
) -> Result<crate::VerifiedToken, Refusal> {
    let token = bearer_token(headers, query)?;
    let verified = guard
        .verifier
        .verify_with_certificate(token, certificate.as_ref().map(|leaf| &*leaf.0))
        .await
        .map_err(|error| match error {
            VerifyError::Token(_) => Refusal::Invalid,
            VerifyError::NoKeys(_) => Refusal::NoKeys,
        })?;
    if guard.scope.is_subset_of(&verified.scope) {
        return Ok(verified);
    }
    Err(Refusal::InsufficientScope(guard.scope.clone()))
}

/// [OAUTH-2.1 §5.1] Only a token in the header is accepted. A token in the query is not used, and together with a token
/// in the header it makes the request ambiguous.
fn bearer_token<'h>(headers: &'h HeaderMap, query: Option<&str>) -> Result<&'h str, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::NoToken)?;
    if values.next().is_some() {
        return Err(Refusal::Ambiguous);
    }
    let text = value.to_str().map_err(|_| Refusal::Invalid)?;
    let token = oauth::bearer_token(text).ok_or(Refusal::NoToken)?;
    let has_query_token = query.is_some_and(|query| {
        query
            .split('&')
            .any(|pair| pair.split('=').next() == Some("access_token"))
    });
    if has_query_token {
        return Err(Refusal::Ambiguous);
    }
    Ok(token)
}

impl Refusal {
    fn into_response<R: Default>(self) -> Response<R> {
        let (status, challenge) = match &self {
            Refusal::NoToken => (StatusCode::UNAUTHORIZED, Some("Bearer".to_owned())),
            Refusal::Ambiguous => (
                StatusCode::BAD_REQUEST,
                Some("Bearer error=\"invalid_request\"".to_owned()),
            ),
            Refusal::Invalid => (
                StatusCode::UNAUTHORIZED,
                Some("Bearer error=\"invalid_token\"".to_owned()),
            ),
            Refusal::InsufficientScope(scope) => (
                StatusCode::FORBIDDEN,
                Some(format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"")),
            ),
            Refusal::NoKeys => (StatusCode::SERVICE_UNAVAILABLE, None),
        };
        let mut response = Response::new(R::default());
        *response.status_mut() = status;
        match challenge.and_then(|text| HeaderValue::from_str(&text).ok()) {
            Some(value) => response.headers_mut().insert(WWW_AUTHENTICATE, value),
            None => response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("5")),
        };
        response
    }
}

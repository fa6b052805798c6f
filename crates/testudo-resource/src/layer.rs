//! A tower layer that passes requests with a valid token to the inner service and answers the others with an error.
//! [RFC6750 §3]

use crate::challenge::{Refusal, Scheme, challenge, set_nonce};
use crate::dpop::{Dpop, DpopRequest};
use crate::verifier::{Proofs, Verifier};
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Request, Response};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use testudo_protocol::oauth::access_token::VerifiedToken;
use testudo_protocol::oauth::{self, ScopeSet};
use tower::{Layer, Service};

/// Requires a token. The verified token is put into the request's extensions as
/// [`VerifiedToken`](crate::VerifiedToken).
#[derive(Clone)]
pub struct RequireToken {
    verifier: Arc<Verifier>,
    scope: Arc<ScopeSet>,
    dpop: Option<Arc<Dpop>>,
}

impl RequireToken {
    /// Accepts every valid token, with any scope. A token that is bound to a key is refused without [`Self::dpop`].
    pub fn new(verifier: Arc<Verifier>) -> RequireToken {
        RequireToken {
            verifier,
            scope: Arc::default(),
            dpop: None,
        }
    }

    /// Accepts tokens that are bound to a key, with their proof. The layer must see the path that the client sent: put
    /// it outside of a router that removes a prefix, or give [`Dpop::at`] the prefix in the base URL.
    #[must_use]
    pub fn dpop(mut self, dpop: Arc<Dpop>) -> RequireToken {
        self.dpop = Some(dpop);
        self
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
            let presented = Presented {
                headers: request.headers(),
                method: request.method().as_str(),
                path: request.uri().path(),
                query: request.uri().query(),
                certificate: certificate.as_ref().map(|leaf| &*leaf.0),
            };
            let scheme = Scheme::of(request.headers());
            let mut response = match check(&guard, presented).await {
                Ok(token) => {
                    request.extensions_mut().insert(token);
                    inner.call(request).await?
                }
                Err(refusal) => challenge(&refusal, scheme, guard.dpop.is_some()),
            };
            // [RFC9449 §9] Each answer to a proof has the nonce for the next proof.
            let nonce = guard.dpop.as_ref().filter(|_| scheme == Scheme::Dpop);
            if let Some(nonce) = nonce.and_then(|dpop| dpop.nonce()) {
                set_nonce(&mut response, &nonce);
            }
            Ok(response)
        })
    }
}

/// The parts of a request that are checked.
struct Presented<'r> {
    headers: &'r HeaderMap,
    method: &'r str,
    path: &'r str,
    query: Option<&'r str>,
    certificate: Option<&'r [u8]>,
}

async fn check(guard: &RequireToken, request: Presented<'_>) -> Result<VerifiedToken, Refusal> {
    let verified = match authorization(guard, &request)? {
        Authorization::Bearer(token) => {
            let proofs = Proofs {
                certificate: request.certificate,
                dpop_key: None,
            };
            guard
                .verifier
                .verify_with_proofs(token, proofs)
                .await
                .map_err(Refusal::from)?
        }
        Authorization::Dpop(dpop, token) => {
            let request = DpopRequest {
                token,
                proof: only_proof(request.headers)?,
                method: request.method,
                path: request.path,
                certificate: request.certificate,
            };
            dpop.verify(&guard.verifier, request)
                .await
                .map_err(Refusal::from)?
        }
    };
    if guard.scope.is_subset_of(&verified.scope) {
        return Ok(verified);
    }
    Err(Refusal::InsufficientScope(guard.scope.clone()))
}

/// The token of a request, by its scheme.
enum Authorization<'r> {
    Bearer(&'r str),
    Dpop(&'r Dpop, &'r str),
}

/// [OAUTH-2.1 §5.1] Only a token in the header is accepted. A token in the query is not used, and together with a token
/// in the header it makes the request ambiguous.
fn authorization<'r>(guard: &'r RequireToken, request: &Presented<'r>) -> Result<Authorization<'r>, Refusal> {
    let mut values = request.headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::NoToken)?;
    if values.next().is_some() {
        return Err(Refusal::Ambiguous);
    }
    let text = value.to_str().map_err(|_| Refusal::InvalidToken)?;
    let bearer = oauth::bearer_token(text).map(Authorization::Bearer);
    let dpop = guard.dpop.as_deref();
    let found = bearer.or_else(|| Some(Authorization::Dpop(dpop?, oauth::dpop_token(text)?)));
    let has_query_token = request.query.is_some_and(|query| {
        query
            .split('&')
            .any(|pair| pair.split('=').next() == Some("access_token"))
    });
    match found {
        None => Err(Refusal::NoToken),
        Some(_) if has_query_token => Err(Refusal::Ambiguous),
        Some(found) => Ok(found),
    }
}

/// [RFC9449 §4.3 (1)] Exactly one proof.
fn only_proof(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all("dpop").iter();
    match (values.next(), values.next()) {
        (Some(proof), None) => proof
            .to_str()
            .map_err(|_| Refusal::InvalidProof("the DPoP header field is not ASCII".into())),
        (None, _) => Err(Refusal::InvalidProof(
            "a request with the scheme DPoP must have a DPoP header field".into(),
        )),
        (Some(_), Some(_)) => Err(Refusal::InvalidProof(
            "the request must have one DPoP header field, and has several".into(),
        )),
    }
}

//! The answers to refused requests: status and `WWW-Authenticate`. [RFC6750 §3] [RFC9449 §7.1]

use crate::dpop::DpopRefusal;
use crate::verifier::VerifyError;
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use std::sync::Arc;
use testudo_protocol::jose::Algorithm;
use testudo_protocol::oauth::{self, ScopeSet};

/// Why a request is refused.
pub(crate) enum Refusal {
    /// [RFC6750 §3.1] No token: a challenge without an error code.
    NoToken,
    /// More than one token, or more than one way of sending it.
    Ambiguous,
    InvalidToken,
    InvalidProof(String),
    NonceNeeded,
    InsufficientScope(Arc<ScopeSet>),
    TooManyProofs,
    /// The keys of the issuer or the record of used proofs cannot be read.
    Unavailable,
}

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Refusal {
        match error {
            VerifyError::Token(_) => Refusal::InvalidToken,
            VerifyError::NoKeys(_) => Refusal::Unavailable,
        }
    }
}

impl From<DpopRefusal> for Refusal {
    fn from(refusal: DpopRefusal) -> Refusal {
        match refusal {
            DpopRefusal::Proof(error) => Refusal::InvalidProof(error.to_string()),
            DpopRefusal::Replayed => {
                Refusal::InvalidProof("jti: a proof is accepted once, and this one was used before".into())
            }
            DpopRefusal::NonceNeeded => Refusal::NonceNeeded,
            DpopRefusal::Token(error) => error.into(),
            DpopRefusal::TooMany => Refusal::TooManyProofs,
            DpopRefusal::Unavailable => Refusal::Unavailable,
        }
    }
}

/// The authentication scheme of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Bearer,
    Dpop,
}

impl Scheme {
    pub(crate) fn of(headers: &HeaderMap) -> Scheme {
        let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        match value.and_then(oauth::dpop_token) {
            Some(_) => Scheme::Dpop,
            None => Scheme::Bearer,
        }
    }
}

/// How long a client waits before it tries again. Seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// The answer to a refused request. The error is in the challenge of the scheme that the request used; a second challenge
/// without an error lists the other scheme.
pub(crate) fn challenge<R: Default>(refusal: &Refusal, used: Scheme, takes_dpop: bool) -> Response<R> {
    let (status, error) = match refusal {
        Refusal::NoToken => (StatusCode::UNAUTHORIZED, None),
        Refusal::Ambiguous => (StatusCode::BAD_REQUEST, Some(error_code("invalid_request"))),
        Refusal::InvalidToken => (StatusCode::UNAUTHORIZED, Some(error_code("invalid_token"))),
        Refusal::InvalidProof(why) => {
            let code = error_code("invalid_dpop_proof");
            let described = format!("{code}, error_description=\"{}\"", described(why));
            (StatusCode::UNAUTHORIZED, Some(described))
        }
        Refusal::NonceNeeded => (StatusCode::UNAUTHORIZED, Some(error_code("use_dpop_nonce"))),
        Refusal::InsufficientScope(scope) => {
            let code = error_code("insufficient_scope");
            (StatusCode::FORBIDDEN, Some(format!("{code}, scope=\"{scope}\"")))
        }
        Refusal::TooManyProofs => return try_later(StatusCode::TOO_MANY_REQUESTS),
        Refusal::Unavailable => return try_later(StatusCode::SERVICE_UNAVAILABLE),
    };
    let mut response = Response::new(R::default());
    *response.status_mut() = status;
    let other = match used {
        Scheme::Bearer => Scheme::Dpop,
        Scheme::Dpop => Scheme::Bearer,
    };
    let mut add = |scheme, error| {
        if let Ok(value) = HeaderValue::from_str(&challenge_of(scheme, error)) {
            response.headers_mut().append(WWW_AUTHENTICATE, value);
        }
    };
    match (used, takes_dpop) {
        (_, false) => add(Scheme::Bearer, error.as_deref()),
        (_, true) => {
            add(used, error.as_deref());
            if status == StatusCode::UNAUTHORIZED {
                add(other, None);
            }
        }
    }
    response
}

fn try_later<R: Default>(status: StatusCode) -> Response<R> {
    let mut response = Response::new(R::default());
    *response.status_mut() = status;
    response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    response
}

/// `error` of a challenge, and `algs` in one of the scheme DPoP.
fn challenge_of(scheme: Scheme, error: Option<&str>) -> String {
    match (scheme, error) {
        (Scheme::Bearer, None) => "Bearer".to_owned(),
        (Scheme::Bearer, Some(error)) => format!("Bearer {error}"),
        (Scheme::Dpop, None) => format!("DPoP {}", algorithms()),
        (Scheme::Dpop, Some(error)) => format!("DPoP {error}, {}", algorithms()),
    }
}

fn error_code(code: &str) -> String {
    format!("error=\"{code}\"")
}

/// [RFC9449 §7.1] The algorithms of proofs.
fn algorithms() -> String {
    let names = Algorithm::ALL.map(|algorithm| algorithm.name());
    format!("algs=\"{}\"", names.join(" "))
}

/// [RFC6750 §3] A description has printable ASCII characters without `"` and `\`.
fn described(text: &str) -> String {
    let allowed = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    text.chars().map(|c| if allowed(c) { c } else { '\'' }).collect()
}

/// The nonce for the next proof. [RFC9449 §8.2] An answer with a nonce must not be cached, unless the API says otherwise.
pub(crate) fn set_nonce<R>(response: &mut Response<R>, nonce: &str) {
    let Ok(value) = HeaderValue::from_str(nonce) else {
        return;
    };
    let headers = response.headers_mut();
    headers.insert("dpop-nonce", value);
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

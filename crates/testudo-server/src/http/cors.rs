//! Cross-origin requests: which endpoints a script of another origin may call, and what it may read of the answers.
//!
//! Every origin is allowed: these endpoints use no cookie and nothing else that a browser adds by itself, so a script
//! gets nothing that its own server could not get. The authorization endpoint is never open to scripts: a script that
//! could read its answers could read authorization codes. [RFC9700 §2.6]

use super::respond::no_content;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Response, header};

const ANY_ORIGIN: HeaderValue = HeaderValue::from_static("*");

/// Answer fields that a script may read, besides those that every script may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "DPoP-Nonce, OAuth-Client-Attestation-Challenge, Retry-After, Request-Id, WWW-Authenticate",
);

/// Request fields that a script may send, besides those that every script may send. `*` would not include
/// `Authorization`.
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, DPoP, OAuth-Client-Attestation, OAuth-Client-Attestation-PoP",
);

/// How long a browser may cache the answer to `OPTIONS`, in seconds. Browsers cache it for at most two hours.
const REMEMBERED: HeaderValue = HeaderValue::from_static("7200");

/// Lets scripts of other origins read the answer. A workload sends no `Origin`, so its answers do not have these
/// fields.
pub(super) fn readable(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY_ORIGIN);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    response
}

/// The answer to `OPTIONS`, which a browser sends before the request of a script, to learn which methods and fields are
/// allowed.
pub(super) fn preflight(methods: &'static str) -> Response<Full<Bytes>> {
    let mut response = no_content();
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static(methods);
    headers.insert(header::ALLOW, methods.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    readable(response)
}

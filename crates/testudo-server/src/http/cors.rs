//! What scripts of other origins may call, and what they may read of the answers.
//!
//! Any origin: no cookie and no other authority of the browser is of use at these endpoints, so a script gets nothing
//! that its own server would not get. Never the authorization endpoint: a browser is sent there, and a script that could
//! read its answers would read codes. [RFC9700 §2.6]

use super::respond::no_content;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Response, header};

const ANY_ORIGIN: HeaderValue = HeaderValue::from_static("*");

/// Fields of answers, besides the few that every script may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "DPoP-Nonce, OAuth-Client-Attestation-Challenge, Retry-After, Request-Id, WWW-Authenticate",
);

/// Fields of requests, besides the few that every script may send. `*` would leave `Authorization` out.
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, DPoP, OAuth-Client-Attestation, OAuth-Client-Attestation-PoP",
);

/// How long a browser may remember this, in seconds; browsers remember it for two hours at most.
const REMEMBERED: HeaderValue = HeaderValue::from_static("7200");

/// Lets scripts of other origins read the answer. Workloads state no origin, and are not sent these fields.
pub(super) fn readable(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY_ORIGIN);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    response
}

/// The answer to `OPTIONS`: what a script may send here, which a browser asks before it sends it.
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

//! Pages for people. Today there is one, which says that no person can sign in here.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode, header};

const NO_SIGN_IN: &str = include_str!("no_sign_in.html");

/// What a page may load and do: nothing. It has no script, and no other site may frame it.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The authorization endpoint of a server at which people cannot sign in. The request is not looked at, and the browser
/// is never sent back: no client has proven here that a redirect URI is its own. [RFC6749 §4.1.2.1]
pub(crate) fn no_sign_in() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(NO_SIGN_IN.as_bytes())));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

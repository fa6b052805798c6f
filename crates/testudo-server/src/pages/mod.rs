//! HTML pages for people. There is one: it states that people cannot sign in at this server. The parts on which the pages
//! for sign-in are built: cookies, sealed state, and the checks of where a request comes from.

pub mod cookies;
pub mod same_origin;
pub mod sealed;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode, header};

const NO_SIGN_IN: &str = include_str!("no_sign_in.html");

/// The page may load nothing and run no script, and no site may show it in a frame.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The answer of the authorization endpoint, since people cannot sign in at this server. The browser is not redirected:
/// the redirect URI in the request may be an attacker's. [RFC6749 §4.1.2.1]
pub(crate) fn no_sign_in() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(NO_SIGN_IN.as_bytes())));
    // A page for people has no OAuth error code, so its status is stated here: the request cannot be served.
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

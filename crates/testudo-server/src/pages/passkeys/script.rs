//! Answers for the script of a page, as JSON.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use testudo_core::rejection::Answer;

/// What the script hands to the browser, and the name of the ceremony, which the form repeats.
pub fn asked(ceremony: &str, options: &Value) -> Response<Full<Bytes>> {
    let body = json!({ "ceremony": ceremony, "publicKey": options });
    answer(StatusCode::OK, &body)
}

/// Why there is nothing to hand to the browser.
pub fn refused(request_id: &str, why: &Answer) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(why.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = answer(
        status,
        &json!({ "error": why.sentence, "request_id": request_id }),
    );
    if let Some(seconds) = why.retry_after_seconds {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

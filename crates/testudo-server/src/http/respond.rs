//! Answers. Error bodies are JSON with `error` and `error_description`, and contain nothing that the request contained.

use crate::audit::note_fault;
use crate::fault::Fault;
use crate::state::app::App;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode, header};
use testudo_core::rejection::Answer;

/// A JSON answer that caches must not store, as tokens and errors need it. [RFC6749 §5.1]
pub fn json(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// A plain text answer, for probes.
pub fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// The HTTP response of a refusal or fault. All error responses are made here.
pub(super) fn error(answer: &Answer) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "error": answer.code.name(), "error_description": answer.sentence });
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = json(status, body.to_string().into_bytes());
    let headers = response.headers_mut();
    if let Some(challenge) = answer.challenge {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if let Some(seconds) = answer.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Success without a body. [RFC7592 §2.3]
pub(super) fn no_content() -> Response<Full<Bytes>> {
    let mut response = json(StatusCode::NO_CONTENT, Vec::new());
    response.headers_mut().remove(header::CONTENT_TYPE);
    response
}

/// Answers a request that failed because of a fault of this server.
pub(super) fn failed(app: &App, request_id: &str, what: &Fault) -> Response<Full<Bytes>> {
    note_fault(app, request_id, what);
    error(&what.answer())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_to_a_request_refused_for_overload_has_retry_after() {
        let answer = error(&Fault::ChainsWaiting.answer());
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    }

    #[tokio::test]
    async fn error_answer_has_its_status_challenge_pause_and_body() {
        use http_body_util::BodyExt as _;
        use testudo_core::rejection::{CredentialReason, Endpoint, Rejection};
        let reason = Rejection::from(CredentialReason::RegistrationTokenMissing);
        let answer = Answer {
            retry_after_seconds: Some(7),
            ..reason.answer(Endpoint::Management)
        };
        let written = error(&answer);
        assert_eq!(written.status(), StatusCode::UNAUTHORIZED);
        let headers = written.headers();
        assert_eq!(headers[header::WWW_AUTHENTICATE], "Bearer");
        assert_eq!(headers[header::RETRY_AFTER], "7");
        assert_eq!(headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        let body = written.into_body().collect().await.unwrap().to_bytes();
        let expected = r#"{"error":"invalid_token","error_description":"send the registration access token as a bearer token"}"#;
        assert_eq!(body, expected);
    }
}

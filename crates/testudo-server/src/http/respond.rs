//! Answers. Error bodies are JSON with `error` and `error_description`; nothing of the request is echoed.

use crate::settle::Fault;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode, header};
use testudo_core::rejection::Rejection;
use testudo_protocol::oauth::ErrorCode;

/// JSON with the headers that tokens and errors need. [RFC6749 §5.1]
pub fn json(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// Text for probes.
pub fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// The challenge for a caller that used `Authorization`: of the scheme it used, where we know that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Challenge {
    None,
    Basic,
    Bearer,
}

pub(super) fn refusal(rejection: &Rejection, challenge: Challenge) -> Response<Full<Bytes>> {
    let code = rejection.code();
    let status = match challenge {
        Challenge::None => rejection.status(),
        Challenge::Basic | Challenge::Bearer if code == ErrorCode::InvalidClient => {
            code.status_after_authorization()
        }
        Challenge::Basic | Challenge::Bearer => rejection.status(),
    };
    let mut response = error(
        status,
        code,
        rejection.public_sentence(),
        rejection.retry_after_seconds(),
    );
    // [RFC6749 §5.2] [RFC9110 §15.5.2] A 401 carries a challenge.
    if status == 401 {
        let value = match challenge {
            Challenge::Bearer => "Bearer",
            Challenge::Basic | Challenge::None => "Basic realm=\"token endpoint\"",
        };
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(value));
    }
    response
}

/// A refusal at the registration endpoint. [RFC7591 §3.2.2]
pub(super) fn registration_refusal(rejection: &Rejection) -> Response<Full<Bytes>> {
    let code = rejection.code_of_statement();
    // [RFC6750 §3.1] Nothing was shown: a challenge, and no reproach.
    if matches!(rejection, Rejection::EvidenceMissing) {
        let mut response = error(401, code, rejection.sentence_of_statement(), None);
        let challenge = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        return response;
    }
    let status = match rejection {
        Rejection::BodyTooLarge | Rejection::NotJson => rejection.status(),
        _ => code.status(),
    };
    error(
        status,
        code,
        rejection.sentence_of_statement(),
        rejection.retry_after_seconds(),
    )
}

/// Our fault: worth another try.
pub(super) fn fault(fault: &Fault) -> Response<Full<Bytes>> {
    match fault {
        Fault::Store(_) | Fault::Busy | Fault::Contended => {
            let code = ErrorCode::TemporarilyUnavailable;
            error(
                code.status(),
                code,
                "the server cannot do this now, try again",
                Some(1),
            )
        }
        Fault::Signing(_) | Fault::NoEntropy => {
            let code = ErrorCode::TemporarilyUnavailable;
            error(
                code.status(),
                code,
                "the server cannot issue tokens now",
                Some(30),
            )
        }
    }
}

fn error(status: u16, code: ErrorCode, description: &str, retry_after: Option<i64>) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "error": code.name(), "error_description": description });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = json(status, body.to_string().into_bytes());
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

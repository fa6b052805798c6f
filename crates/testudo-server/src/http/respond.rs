//! Answers. Error bodies are JSON with `error` and `error_description`; nothing of the request is echoed.

use crate::fault::Fault;
use crate::state::app::App;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode, header};
use testudo_core::rejection::{Rejection, Statement};
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
pub(super) fn registration_refusal(rejection: &Rejection, statement: Statement) -> Response<Full<Bytes>> {
    let code = rejection.code_at_registration(statement);
    let status = match rejection {
        Rejection::BodyTooLarge | Rejection::BodyLate | Rejection::BodyEncoded | Rejection::NotJson => {
            rejection.status()
        }
        Rejection::EvidenceMissing => 401,
        _ => code.status(),
    };
    let sentence = rejection.sentence_at_registration(statement);
    let mut response = error(status, code, sentence, rejection.retry_after_seconds());
    // [RFC6750 §3.1] Where nothing was shown: a challenge, and no reproach.
    let challenge = match (rejection, code) {
        (Rejection::EvidenceMissing | Rejection::RegistrationTokenMissing, _) => "Bearer",
        (_, ErrorCode::InvalidToken) => "Bearer error=\"invalid_token\"",
        (_, ErrorCode::InsufficientScope) => "Bearer error=\"insufficient_scope\", scope=\"client.register\"",
        _ => return response,
    };
    let challenge = HeaderValue::from_static(challenge);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// A refusal to manage a registration. [RFC7592 §2]
pub(super) fn management_refusal(rejection: &Rejection) -> Response<Full<Bytes>> {
    let is_closed = match rejection {
        // [RFC7592 §2.1] Known, and not permitted.
        Rejection::ClientFrozen
        | Rejection::AuthorityDisabled { .. }
        | Rejection::NoRule
        | Rejection::RuleDisabled { .. }
        | Rejection::CredentialNotAccepted { .. } => true,
        // As if there were no such client.
        Rejection::IdentityBlocked { .. } => {
            return registration_refusal(
                &Rejection::RegistrationTokenRefused { is_superseded: false },
                Statement::Absent,
            );
        }
        _ => false,
    };
    if is_closed {
        let code = ErrorCode::AccessDenied;
        return error(
            code.status(),
            code,
            "this registration cannot be managed now",
            None,
        );
    }
    registration_refusal(rejection, Statement::Absent)
}

/// Done, and nothing to say. [RFC7592 §2.3]
pub(super) fn no_content() -> Response<Full<Bytes>> {
    let mut response = json(StatusCode::NO_CONTENT, Vec::new());
    response.headers_mut().remove(header::CONTENT_TYPE);
    response
}

/// Our fault: worth another try.
pub(super) fn fault(fault: &Fault) -> Response<Full<Bytes>> {
    match fault {
        Fault::Store(_)
        | Fault::Unsure
        | Fault::Busy
        | Fault::Full
        | Fault::ChainsWaiting
        | Fault::Contended => {
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

/// [RFC9110 §15.5.6] A 405 says what would be allowed.
pub(super) fn method_not_allowed(allowed: &str) -> Response<Full<Bytes>> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    if let Ok(value) = allowed.parse() {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

/// Our fault, counted, logged and answered.
pub(super) fn failed(app: &App, request_id: &str, what: &Fault) -> Response<Full<Bytes>> {
    match what {
        // A flood has its own counter; a line for each request of it would be a second one.
        Fault::ChainsWaiting | Fault::Full => {
            tracing::debug!(request.id = request_id, fault = %what, "turned away");
        }
        Fault::Store(_)
        | Fault::Unsure
        | Fault::Busy
        | Fault::Contended
        | Fault::Signing(_)
        | Fault::NoEntropy => {
            app.metrics.faults.inc();
            tracing::error!(request.id = request_id, fault = %what, "a request failed by our fault");
        }
    }
    fault(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_turned_away_is_told_when_to_come_back() {
        let answer = fault(&Fault::ChainsWaiting);
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    }
}

//! New nonces of this server in answers.

use crate::state::app::App;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Response};
use testudo_core::rejection::Fresh;
use testudo_protocol::oauth::server_nonce::NoncePurpose;

/// Adds a new value to the answer. [RFC9449 §8.2]
pub(super) fn add(app: &App, response: &mut Response<Full<Bytes>>, fresh: Fresh) {
    let (name, purpose) = match fresh {
        Fresh::DpopNonce => ("dpop-nonce", NoncePurpose::Dpop),
        Fresh::AttestationChallenge => (
            "oauth-client-attestation-challenge",
            NoncePurpose::AttestationChallenge,
        ),
    };
    let value = app.nonces.issue(purpose, app.now());
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The values of a header field. A value that is no text is changed into one that is refused.
pub(super) fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.get_all(name).iter().map(text).collect()
}

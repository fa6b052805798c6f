//! New nonces of this server in answers.

use crate::state::app::App;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
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

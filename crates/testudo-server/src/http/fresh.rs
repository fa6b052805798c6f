//! New nonces of this server in answers.

use crate::audit::RequestTrail;
use crate::state::app::App;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use testudo_core::policy::{NonceUse, Policy};
use testudo_core::rejection::Fresh;
use testudo_protocol::oauth::server_nonce::NoncePurpose;

/// Adds the nonce of the client's next DPoP proof to an answer, if proofs need one and the request had a proof. [RFC9449
/// §8.2] The client gets it before the present one expires.
pub(super) fn add_next_nonce(
    app: &App,
    policy: &Policy,
    trail: &RequestTrail<'_>,
    response: &mut Response<Full<Bytes>>,
) {
    let requires_nonce = policy.tokens.dpop_nonce == NonceUse::Required;
    if requires_nonce && trail.details.dpop_key.is_some() {
        add(app, response, Fresh::DpopNonce);
    }
}

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

//! The challenge endpoint: new values that a client repeats in its next proof. [ABCA §6.3]
//!
//! Whatever the request contains, it costs one MAC for each value, reads no body and writes nothing: a flood of requests
//! leaves no state. The values are good on every node.

use super::fresh;
use super::respond::json;
use crate::state::app::App;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use testudo_core::rejection::Fresh;
use testudo_protocol::oauth::server_nonce::NoncePurpose;

pub(super) fn challenge(app: &App) -> Response<Full<Bytes>> {
    let issue = |purpose| app.nonces.issue(purpose, app.now());
    let body = serde_json::json!({
        "attestation_challenge": issue(NoncePurpose::AttestationChallenge),
        "registration_nonce": issue(NoncePurpose::Registration),
    });
    let mut response = json(StatusCode::OK, body.to_string().into_bytes());
    // [ABCA §6.3] A client that uses DPoP gets the nonce of its next proof as well.
    fresh::add(app, &mut response, Fresh::DpopNonce);
    response
}

//! The challenge endpoint: new values that a client repeats in its next proof. [ABCA §6.3]
//!
//! Whatever the request contains, it costs one MAC for each value, reads no body and writes nothing: a flood of requests
//! leaves no state. The values are good on every node.

use super::fresh;
use super::respond::{failed, json};
use crate::fault::Fault;
use crate::state::app::App;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use testudo_core::rejection::Fresh;
use testudo_protocol::oauth::server_nonce::NoncePurpose;

pub(super) fn challenge(app: &App, request_id: &str) -> Response<Full<Bytes>> {
    let entropy = app.clock.entropy();
    let Some(random) = entropy.and_then(|entropy| entropy.random.first_chunk().copied()) else {
        return failed(app, request_id, &Fault::NoEntropy);
    };
    let (nonces, now) = (&app.nonces, app.now());
    let body = serde_json::json!({
        "attestation_challenge": nonces.issue(NoncePurpose::AttestationChallenge, now),
        "registration_nonce": nonces.issue_for_registration(random, now),
    });
    let mut response = json(StatusCode::OK, body.to_string().into_bytes());
    // [ABCA §6.3] A client that uses DPoP gets the nonce of its next proof as well.
    fresh::add(app, &mut response, Fresh::DpopNonce);
    response
}

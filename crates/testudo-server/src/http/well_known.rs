//! Metadata and keys. Public, cacheable, readable from any origin. [RFC8414 §3]

use crate::state::app::App;
use crate::state::in_force::InForce;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode, header};
use testudo_core::discovery;

pub(super) fn metadata(app: &App, in_force: &InForce) -> Response<Full<Bytes>> {
    let usable = in_force.usable_credentials(app.moment());
    let mtls_url = in_force.arrival.mtls_url.as_deref();
    let document = discovery::metadata(&in_force.policy, &usable, mtls_url);
    public(serde_json::to_vec(&document).unwrap_or_default())
}

pub(super) fn jwks(app: &App) -> Response<Full<Bytes>> {
    public(app.keys.load().jwks.clone().into_bytes())
}

fn public(body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = super::json(StatusCode::OK, body);
    let headers = response.headers_mut();
    headers.remove(header::PRAGMA);
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    // [RFC9700 §2.6] Allowed here and at the token endpoint; never at an authorization endpoint.
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

//! Metadata and keys. Public, cacheable, readable from any origin. [RFC8414 §3]

use crate::state::app::App;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode, header};
use testudo_core::discovery;
use testudo_core::policy::Policy;

pub(super) fn metadata(app: &App, policy: &Policy) -> Response<Full<Bytes>> {
    let document = discovery::metadata(policy, &app.usable_credentials(), app.mtls_url.as_deref());
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

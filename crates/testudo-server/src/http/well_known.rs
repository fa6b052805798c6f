//! The metadata documents and the JWK set: public, and caches may store them. [RFC8414 §3]

use crate::state::app::App;
use crate::state::in_force::InForce;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode, header};
use testudo_core::discovery;
use testudo_protocol::oauth::metadata::AuthorizationServerMetadata;

pub(super) fn metadata_document(app: &App, in_force: &InForce) -> Response<Full<Bytes>> {
    public(serde_json::to_vec(&offered(app, in_force)).unwrap_or_default())
}

/// The metadata document with the members that OpenID Connect requires in addition. [OIDCD §4.2]
pub(super) fn openid_configuration(app: &App, in_force: &InForce) -> Response<Full<Bytes>> {
    let keys = app.keys.load();
    let published = keys.listed.iter().map(|key| key.algorithm.as_str());
    let document = discovery::openid_configuration(offered(app, in_force), published);
    public(serde_json::to_vec(&document).unwrap_or_default())
}

fn offered(app: &App, in_force: &InForce) -> AuthorizationServerMetadata {
    let usable = in_force.usable_credentials(app.moment());
    let mtls_url = in_force.arrival.mtls_url.as_deref();
    discovery::server_metadata(&in_force.policy, &usable, mtls_url)
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
    response
}

//! Who may use the admin API over HTTP: holders of an access token of ours, for ourselves, whose client is an
//! administrator. No password, no key, no default.

use crate::app::App;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use testudo_protocol::Seconds;
use testudo_protocol::jose::KeySet;
use testudo_protocol::oauth::access_token::{self, Expectation};
use testudo_protocol::spiffe::SpiffeId;

pub(super) async fn require_administrator(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.to_owned());
    let Some(token) = token else {
        return refuse(StatusCode::UNAUTHORIZED, "Bearer");
    };
    match administrator(&app, &token) {
        Some(true) => next.run(request).await,
        Some(false) => refuse(StatusCode::FORBIDDEN, "Bearer error=\"insufficient_scope\""),
        None => refuse(StatusCode::UNAUTHORIZED, "Bearer error=\"invalid_token\""),
    }
}

/// `None`: no token of ours. `Some(false)`: not an administrator's.
fn administrator(app: &App, token: &str) -> Option<bool> {
    let keys = KeySet::from_jwks(app.keys.load().jwks.as_bytes()).ok()?;
    let policy = app.policy.load();
    let issuer = policy.issuer.as_str();
    let expected = Expectation {
        issuer,
        audience: issuer,
        leeway: Seconds(0),
        certificate_thumbprint: None,
    };
    let verified = access_token::verify(token, &keys, expected, app.now()).ok()?;
    let identity = verified.spiffe_id.as_deref().unwrap_or(&verified.client_id);
    let Ok(id) = SpiffeId::parse(identity) else {
        return Some(false);
    };
    Some(app.administrators.iter().any(|pattern| pattern.matches_id(&id)))
}

fn refuse(status: StatusCode, challenge: &'static str) -> Response {
    (status, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
}

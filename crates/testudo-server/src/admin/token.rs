//! Who may use the admin API over HTTP: holders of an access token of ours, for ourselves, whose client is an
//! administrator. No password, no key, no default.

use crate::app::App;
use crate::own_tokens::verify_own;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
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
    let policy = app.policy.load();
    let verified = verify_own(app, &policy, token, policy.issuer.as_str(), None).ok()?;
    let identity = verified.spiffe_id.as_deref().unwrap_or(&verified.client_id);
    let Ok(id) = SpiffeId::parse(identity) else {
        return Some(false);
    };
    Some(app.administrators.iter().any(|pattern| pattern.matches_id(&id)))
}

fn refuse(status: StatusCode, challenge: &'static str) -> Response {
    (status, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
}

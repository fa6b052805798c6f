//! Which path leads where, and what every answer carries.

use super::body::RequestBody;
use super::respond::{self, failed, method_not_allowed, plain};
use super::{register, token, well_known};
use crate::fault::Stop;
use crate::peer::Peer;
use crate::state::app::App;
use crate::state::metrics::RejectionLabel;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, Response, StatusCode, header};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Answers one request. Never fails: what goes wrong is an answer too.
pub async fn dispatch<B: RequestBody>(
    app: Arc<App>,
    peer: &Peer,
    request: Request<B>,
) -> Response<Full<Bytes>> {
    let request_id = app.clock.request_id();
    let response = route(&app, peer, request, &request_id).await;
    named(response, &request_id)
}

/// Answers a request that no handler is to see.
pub(crate) fn turn_away(app: &App, stop: &Stop) -> Response<Full<Bytes>> {
    let request_id = app.clock.request_id();
    let response = match stop {
        Stop::Refused(rejection) => {
            let label = RejectionLabel {
                rejection: rejection.name(),
            };
            app.metrics.refused.get_or_create(&label).inc();
            respond::refusal(rejection, respond::Challenge::None)
        }
        Stop::Failed(what) => failed(app, &request_id, what),
    };
    named(response, &request_id)
}

/// What every answer carries.
fn named(mut response: Response<Full<Bytes>>, request_id: &str) -> Response<Full<Bytes>> {
    if let Ok(value) = request_id.parse() {
        response.headers_mut().insert("request-id", value);
    }
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        header::HeaderValue::from_static("nosniff"),
    );
    response
}

/// Paths are those of the metadata document: the issuer's own path comes first, the well-known part is put
/// between host and path. [RFC8414 §3]
async fn route<B: RequestBody>(
    app: &App,
    peer: &Peer,
    request: Request<B>,
    request_id: &str,
) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    match path {
        "/livez" => return only(Method::GET, &request, || plain(StatusCode::OK, "ok\n")),
        "/readyz" => return only(Method::GET, &request, || readyz(app)),
        _ => {}
    }
    let policy = app.policy.load_full();
    if path == policy.issuer.metadata_path() {
        return only(Method::GET, &request, || well_known::metadata(app, &policy));
    }
    match path.strip_prefix(policy.issuer.path()) {
        Some("/token") if request.method() == Method::POST => {
            token::token(app, &policy, peer, request, request_id).await
        }
        Some("/token") => method_not_allowed("POST"),
        Some(path) if path.starts_with("/register") && !policy.registration.is_open() => {
            plain(StatusCode::NOT_FOUND, "not found\n")
        }
        Some("/register") if request.method() == Method::POST => {
            register::register(app, &policy, peer, request, request_id).await
        }
        Some("/register") => method_not_allowed("POST"),
        Some("/jwks") => only(Method::GET, &request, || well_known::jwks(app)),
        Some(path) => match path.strip_prefix("/register/").map(str::to_owned) {
            Some(client_id) => register::manage(app, &policy, &client_id, (peer, request), request_id).await,
            None => plain(StatusCode::NOT_FOUND, "not found\n"),
        },
        None => plain(StatusCode::NOT_FOUND, "not found\n"),
    }
}

fn only<B>(
    method: Method,
    request: &Request<B>,
    answer: impl FnOnce() -> Response<Full<Bytes>>,
) -> Response<Full<Bytes>> {
    if *request.method() == method || *request.method() == Method::HEAD {
        return answer();
    }
    method_not_allowed(method.as_str())
}

/// Ready means that a known client would be served: everything is loaded, what other nodes did is known, and we are
/// not on the way out.
pub fn readyz(app: &App) -> Response<Full<Bytes>> {
    if app.is_ready.load(Ordering::Acquire) && app.accord.may_serve() {
        return plain(StatusCode::OK, "ready\n");
    }
    plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
}

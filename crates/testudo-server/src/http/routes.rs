//! Which path leads where, and what every answer carries.

use super::body::RequestBody;
use super::incoming::Incoming;
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
use testudo_core::policy::Policy;
use testudo_core::rejection;

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
            respond::error(&rejection.answer(rejection::Endpoint::None))
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
    let in_force = app.in_force.load_full();
    let policy = &in_force.policy;
    if path == policy.issuer.metadata_path() {
        return only(Method::GET, &request, || well_known::metadata(app, &in_force));
    }
    let incoming = |request| Incoming {
        peer,
        request,
        id: request_id,
    };
    let below_issuer = path.strip_prefix(policy.issuer.path());
    match below_issuer.and_then(|path| Endpoint::at(path, policy)) {
        None => plain(StatusCode::NOT_FOUND, "not found\n"),
        Some(Endpoint::Token) if request.method() == Method::POST => {
            token::token(app, &in_force, incoming(request)).await
        }
        Some(Endpoint::Registration) if request.method() == Method::POST => {
            register::register_client(app, &in_force, incoming(request)).await
        }
        Some(Endpoint::Token | Endpoint::Registration) => method_not_allowed("POST"),
        Some(Endpoint::Client { id }) => {
            register::manage_registration(app, &in_force, &id, incoming(request)).await
        }
        Some(Endpoint::Keys) => only(Method::GET, &request, || well_known::jwks(app)),
    }
}

/// The endpoints below the path of the issuer.
#[derive(Debug, PartialEq, Eq)]
enum Endpoint {
    Token,
    Registration,
    /// One client's registration. [RFC7592 §2]
    Client {
        id: String,
    },
    Keys,
}

impl Endpoint {
    /// The endpoint of a path, where the policy opens it.
    fn at(path: &str, policy: &Policy) -> Option<Endpoint> {
        let endpoint = match path {
            "/token" => Endpoint::Token,
            "/jwks" => Endpoint::Keys,
            "/register" => Endpoint::Registration,
            path => Endpoint::Client {
                id: path.strip_prefix("/register/")?.to_owned(),
            },
        };
        let is_open = match endpoint {
            Endpoint::Token | Endpoint::Keys => true,
            Endpoint::Registration | Endpoint::Client { .. } => policy.registration.is_open(),
        };
        is_open.then_some(endpoint)
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

/// Ready means that a known client would be served: everything is loaded, what other nodes did is known, and the
/// server is not stopping.
pub fn readyz(app: &App) -> Response<Full<Bytes>> {
    if app.condition.is_ready.load(Ordering::Acquire) && app.accord.may_serve() {
        return plain(StatusCode::OK, "ready\n");
    }
    plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
}

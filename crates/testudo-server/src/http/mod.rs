//! The public endpoints: which path leads where, and what every answer carries.

mod body;
mod framing;
mod proxy;
mod register;
mod respond;
mod token;
mod well_known;

use crate::app::App;
use crate::chains::ChainMemory;
use crate::settle::Fault;
use http_body_util::Full;
use hyper::body::{Body, Bytes};
use hyper::{Method, Request, Response, StatusCode, header};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use testudo_core::doors::PeerCertificates;
use testudo_core::rejection::Rejection;

pub(crate) use framing::judge as judge_framing;
pub use proxy::Proxy;
pub use respond::{json, plain};

/// A request's body, as the listeners and the tests bring it.
pub trait RequestBody:
    Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin
{
}

impl<B> RequestBody for B where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin
{
}

/// Why a request goes no further.
pub(crate) enum Stop {
    /// By the caller's fault.
    Refused(Rejection),
    /// By ours.
    Failed(Fault),
}

impl From<Rejection> for Stop {
    fn from(rejection: Rejection) -> Stop {
        Stop::Refused(rejection)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Failed(fault)
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// Address of the connection.
    pub address: Option<IpAddr>,
    /// Certificates of its handshake.
    pub certificates: Option<Arc<PeerCertificates>>,
    /// Chains that came over it and were refused.
    pub chains: Arc<ChainMemory>,
}

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
            let label = crate::metrics::RejectionLabel {
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

/// [RFC9110 §15.5.6] A 405 says what would be allowed.
fn method_not_allowed(allowed: &str) -> Response<Full<Bytes>> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    if let Ok(value) = allowed.parse() {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

/// Our fault, counted, logged and answered.
fn failed(app: &App, request_id: &str, what: &Fault) -> Response<Full<Bytes>> {
    match what {
        // A flood has its own counter; a line for each request of it would be a second one.
        Fault::ChainsWaiting | Fault::Full => {
            tracing::debug!(request.id = request_id, fault = %what, "turned away");
        }
        Fault::Store(_)
        | Fault::Unsure
        | Fault::Busy
        | Fault::Contended
        | Fault::Signing(_)
        | Fault::NoEntropy => {
            app.metrics.faults.inc();
            tracing::error!(request.id = request_id, fault = %what, "a request failed by our fault");
        }
    }
    respond::fault(what)
}

/// Ready means that a known client would be served: everything is loaded, what other nodes did is known, and we are
/// not on the way out.
pub fn readyz(app: &App) -> Response<Full<Bytes>> {
    if app.is_ready.load(Ordering::Acquire) && app.accord.may_serve() {
        return plain(StatusCode::OK, "ready\n");
    }
    plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
}

//! Which endpoint a path belongs to, and the header fields of every answer.

use super::body::RequestBody;
use super::incoming::Incoming;
use super::respond::{self, failed, plain};
use super::{challenge, cors, introspect, par, readyz, register, revoke, token, visit, well_known};
use crate::fault::Stop;
use crate::pages::Page;
use crate::peer::Peer;
use crate::state::app::App;
use crate::state::in_force::InForce;
use crate::state::metrics::{RejectionLabel, Route};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Method, Request, Response, StatusCode, header};
use std::sync::Arc;
use std::time::Instant;
use testudo_core::rejection::{self, Rejection, RequestReason};

/// Answers one request. A refusal or fault is an answer as well.
pub async fn dispatch<B: RequestBody>(
    app: Arc<App>,
    peer: &Peer,
    request: Request<B>,
) -> Response<Full<Bytes>> {
    let started = Instant::now();
    let request_id = app.clock.request_id();
    let in_force = app.in_force.load_full();
    let endpoint = Endpoint::at(request.uri().path(), &in_force);
    let route = endpoint.as_ref().map_or(Route::None, Endpoint::route);
    let response = match endpoint {
        Some(endpoint) => {
            let incoming = Incoming {
                peer,
                request,
                id: &request_id,
            };
            answer(&app, &in_force, endpoint, incoming).await
        }
        None => refused(&app, &RequestReason::NoSuchEndpoint.into()),
    };
    app.metrics
        .note_answer(route, response.status().as_u16(), Some(started.elapsed()));
    named(response, &request_id)
}

/// Answers a request that the listener refused before it reached an endpoint.
pub(crate) fn turn_away(app: &App, stop: &Stop) -> Response<Full<Bytes>> {
    let request_id = app.clock.request_id();
    let response = match stop {
        Stop::Refused(rejection) => refused(app, rejection),
        Stop::Failed(what) => failed(app, &request_id, what),
    };
    app.metrics
        .note_answer(Route::None, response.status().as_u16(), None);
    named(response, &request_id)
}

/// The answer to a request that was refused before an endpoint handled it. It is counted and has no event.
fn refused(app: &App, rejection: &Rejection) -> Response<Full<Bytes>> {
    let label = RejectionLabel {
        rejection: rejection.name(),
    };
    app.metrics.refused.get_or_create(&label).inc();
    respond::error(&rejection.answer(rejection::Endpoint::None))
}

/// Adds the header fields that every answer has.
fn named(mut response: Response<Full<Bytes>>, request_id: &str) -> Response<Full<Bytes>> {
    if let Ok(value) = request_id.parse() {
        response.headers_mut().insert("request-id", value);
    }
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

async fn answer<B: RequestBody>(
    app: &App,
    in_force: &Arc<InForce>,
    endpoint: Endpoint,
    incoming: Incoming<'_, B>,
) -> Response<Full<Bytes>> {
    let request = &incoming.request;
    let allowed = endpoint.methods();
    let is_for_scripts = endpoint.is_for_scripts();
    if is_for_scripts && request.method() == Method::OPTIONS {
        return cors::preflight(allowed);
    }
    // A browser sends `Origin` with the request of a script. An answer that a cache may store always has the fields for
    // scripts, since the cache may give it to one.
    let is_cacheable = request.method() == Method::GET;
    let is_read_by_script =
        is_for_scripts && (is_cacheable || request.headers().contains_key(header::ORIGIN));
    let response = if allowed
        .split(", ")
        .any(|method| method == request.method().as_str())
    {
        serve_endpoint(app, in_force, endpoint, incoming).await
    } else {
        // [RFC9110 §15.5.6] The answer 405 lists the allowed methods.
        let mut response = refused(app, &RequestReason::MethodNotAllowed.into());
        let allowed = HeaderValue::from_static(allowed);
        response.headers_mut().insert(header::ALLOW, allowed);
        response
    };
    match is_read_by_script {
        true => cors::readable(response),
        false => response,
    }
}

async fn serve_endpoint<B: RequestBody>(
    app: &App,
    in_force: &Arc<InForce>,
    endpoint: Endpoint,
    incoming: Incoming<'_, B>,
) -> Response<Full<Bytes>> {
    match endpoint {
        Endpoint::Token => token::token(app, in_force, incoming).await,
        Endpoint::Challenge => challenge::challenge(app, incoming.id),
        Endpoint::PushedAuthorization => par::push(app, in_force, incoming).await,
        Endpoint::Introspection => introspect::introspect(app, in_force, incoming).await,
        Endpoint::Revocation => revoke::revoke(app, in_force, incoming).await,
        Endpoint::Registration => register::register_client(app, in_force, incoming).await,
        Endpoint::Client { id } => register::manage_registration(app, in_force, &id, incoming).await,
        Endpoint::Metadata => well_known::metadata_document(app, in_force),
        Endpoint::OpenIdConfiguration => well_known::openid_configuration(app, in_force),
        Endpoint::Keys => well_known::jwks(app),
        Endpoint::Page(page) => visit::answer(app, in_force, page, incoming).await,
        Endpoint::Live => plain(StatusCode::OK, "ok\n"),
        Endpoint::Ready => readyz(app, incoming.request.uri().query(), incoming.request.headers()),
    }
}

/// The public endpoints.
#[derive(Debug, PartialEq, Eq)]
enum Endpoint {
    Token,
    /// [ABCA §6.3]
    Challenge,
    /// [RFC9126 §2]
    PushedAuthorization,
    /// [RFC7662 §2]
    Introspection,
    /// [RFC7009 §2]
    Revocation,
    Registration,
    /// The registration of one client. [RFC7592 §2]
    Client {
        id: String,
    },
    /// [RFC8414 §3]
    Metadata,
    /// [OIDCD §4]
    OpenIdConfiguration,
    Keys,
    /// A page for people, such as the authorization endpoint, or a file that pages load.
    Page(Page),
    Live,
    Ready,
}

impl Endpoint {
    /// The endpoint of a path. `None` where there is none, or the configuration does not enable it.
    fn at(path: &str, in_force: &InForce) -> Option<Endpoint> {
        let policy = &in_force.policy;
        match path {
            "/livez" => return Some(Endpoint::Live),
            "/readyz" => return Some(Endpoint::Ready),
            _ => {}
        }
        let issuer = &policy.issuer;
        if let Some(name) = path.strip_prefix("/.well-known/") {
            // `/.well-known/NAME` stands between the host and the path of the issuer. [RFC8414 §3]
            let name = name.strip_suffix(issuer.path())?;
            return Endpoint::well_known(name);
        }
        let endpoint = match path.strip_prefix(issuer.path())? {
            "/token" => Endpoint::Token,
            "/challenge" => Endpoint::Challenge,
            "/introspect" => Endpoint::Introspection,
            "/revoke" => Endpoint::Revocation,
            "/jwks" => Endpoint::Keys,
            "/par" => Endpoint::PushedAuthorization,
            "/register" => Endpoint::Registration,
            // OpenID Connect appends it to the path of the issuer. [OIDCD §4]
            "/.well-known/openid-configuration" => Endpoint::OpenIdConfiguration,
            below => match below.strip_prefix("/register/") {
                Some(id) => Endpoint::Client { id: id.to_owned() },
                None => Endpoint::Page(Page::at(below, path, in_force)?),
            },
        };
        let is_open = match endpoint {
            Endpoint::Registration | Endpoint::Client { .. } => policy.registration.is_open(),
            Endpoint::PushedAuthorization => policy.login.is_some(),
            Endpoint::Token
            | Endpoint::Challenge
            | Endpoint::Introspection
            | Endpoint::Revocation
            | Endpoint::Keys
            | Endpoint::Page(_)
            | Endpoint::Metadata
            | Endpoint::OpenIdConfiguration
            | Endpoint::Live
            | Endpoint::Ready => true,
        };
        is_open.then_some(endpoint)
    }

    fn well_known(name: &str) -> Option<Endpoint> {
        match name {
            "oauth-authorization-server" => Some(Endpoint::Metadata),
            "openid-configuration" => Some(Endpoint::OpenIdConfiguration),
            _ => None,
        }
    }

    /// Under which its answers are counted.
    fn route(&self) -> Route {
        match self {
            Endpoint::Token => Route::Token,
            Endpoint::Challenge => Route::Challenge,
            Endpoint::PushedAuthorization => Route::PushedAuthorization,
            Endpoint::Introspection => Route::Introspection,
            Endpoint::Revocation => Route::Revocation,
            Endpoint::Registration => Route::Registration,
            Endpoint::Client { .. } => Route::Client,
            Endpoint::Metadata | Endpoint::OpenIdConfiguration => Route::Metadata,
            Endpoint::Keys => Route::Keys,
            Endpoint::Page(page) => page.route(),
            Endpoint::Live | Endpoint::Ready => Route::Probe,
        }
    }

    /// The methods that the endpoint accepts, in the form of `Allow`. Where scripts may call it, `OPTIONS` is answered
    /// as well.
    fn methods(&self) -> &'static str {
        match self {
            Endpoint::Token
            | Endpoint::Challenge
            | Endpoint::PushedAuthorization
            | Endpoint::Registration
            | Endpoint::Introspection
            | Endpoint::Revocation => "POST",
            // [RFC7592 §2] A registration can be read, replaced and deleted.
            Endpoint::Client { .. } => "GET, PUT, DELETE",
            Endpoint::Metadata | Endpoint::OpenIdConfiguration | Endpoint::Keys => "GET, HEAD",
            Endpoint::Page(page) => page.methods(),
            Endpoint::Live | Endpoint::Ready => "GET, HEAD",
        }
    }

    /// True where scripts of other origins may call the endpoint.
    fn is_for_scripts(&self) -> bool {
        match self {
            Endpoint::Token
            | Endpoint::Challenge
            | Endpoint::PushedAuthorization
            | Endpoint::Registration
            | Endpoint::Client { .. }
            | Endpoint::Metadata
            | Endpoint::OpenIdConfiguration
            | Endpoint::Revocation
            | Endpoint::Keys => true,
            // Resource servers ask about tokens, and no script does.
            Endpoint::Introspection | Endpoint::Page(_) | Endpoint::Live | Endpoint::Ready => false,
        }
    }
}

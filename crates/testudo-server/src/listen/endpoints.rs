//! Which endpoints a listener serves: the public ones, or the admin API.

use super::connections::ListenerKind;
use super::request_in_flight::{HandlerBody, RequestBody};
use crate::fault::{Fault, Stop};
use crate::http::{dispatch, judge_framing, turn_away};
use crate::peer::Peer;
use crate::state::app::App;
use axum::Router;
use hyper::body::Body as _;
use hyper::{Request, Response, header};
use std::sync::Arc;
use testudo_core::rejection::{Rejection, RequestReason};
use tower::ServiceExt as _;

/// The endpoints that a listener serves.
#[derive(Clone)]
pub enum Endpoints {
    /// The endpoints for clients.
    Public(Arc<App>),
    /// The admin API, metrics and probes.
    Admin(Arc<App>, Router),
}

impl Endpoints {
    pub(super) fn kind(&self) -> ListenerKind {
        match self {
            Endpoints::Public(_) => ListenerKind::Public,
            Endpoints::Admin(..) => ListenerKind::Admin,
        }
    }

    pub(super) fn app(&self) -> &Arc<App> {
        match self {
            Endpoints::Public(app) | Endpoints::Admin(app, _) => app,
        }
    }

    /// The answer to one request. `fits` is false where there is not enough memory for the request.
    pub(super) async fn answer(
        &self,
        peer: &Arc<Peer>,
        mut request: Request<RequestBody>,
        fits: bool,
    ) -> Response<HandlerBody> {
        let has_body = !request.body().is_end_stream();
        let checked = match fits {
            true => judge_framing(&request, has_body).map_err(Stop::from),
            false => Err(Fault::Full.into()),
        };
        if let Err(stop) = checked {
            let mut response = turn_away(self.app(), &stop).map(HandlerBody::Whole);
            // If a proxy sends two hosts, or an invalid one, the proxy and this server may also differ in where the next
            // request on the connection begins (request smuggling): the connection is closed. In HTTP/2, frames
            // separate the requests.
            let may_be_smuggled = matches!(
                stop,
                Stop::Refused(Rejection::Request(
                    RequestReason::HostNotOne | RequestReason::HostInvalid
                ))
            );
            if may_be_smuggled && request.version() < hyper::Version::HTTP_2 {
                let close = header::HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            return response;
        }
        match self {
            Endpoints::Public(app) => dispatch(app.clone(), peer, request).await.map(HandlerBody::Whole),
            Endpoints::Admin(_, router) => {
                request.extensions_mut().insert(peer.clone());
                let request = request.map(axum::body::Body::new);
                match router.clone().oneshot(request).await {
                    Ok(response) => response.map(HandlerBody::Admin),
                    Err(never) => match never {},
                }
            }
        }
    }
}

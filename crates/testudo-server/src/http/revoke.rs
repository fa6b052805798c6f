//! The revocation endpoint. [RFC7009 §2] The steps are those of a token request.

use super::body::RequestBody;
use super::client::{about_token, authorization, refused};
use super::fresh;
use super::incoming::Incoming;
use super::respond::{failed, json};
use crate::audit::RequestTrail;
use crate::fault::Stop;
use crate::settle::settle;
use crate::state::app::App;
use crate::state::in_force::InForce;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode, header};
use std::sync::Arc;
use testudo_core::OccasionKind;
use testudo_core::occasions::NamedToken;
use testudo_core::occasions::revoke_token::TokenRevocation;

pub(super) async fn revoke<B: RequestBody>(
    app: &App,
    in_force: &Arc<InForce>,
    incoming: Incoming<'_, B>,
) -> Response<Full<Bytes>> {
    let authorization = authorization(&incoming.request);
    let request_id = incoming.id;
    let mut trail = RequestTrail::of(OccasionKind::Revocation, request_id);
    // Boxed: a future within this many others would be too deep for the compiler.
    match Box::pin(serve(app, in_force, incoming, &mut trail)).await {
        Ok(()) => {
            // [RFC7009 §2.2] The status says everything.
            let mut response = json(StatusCode::OK, Vec::new());
            response.headers_mut().remove(header::CONTENT_TYPE);
            fresh::add_next_nonce(app, &in_force.policy, &trail, &mut response);
            response
        }
        Err(Stop::Refused(rejection)) => refused(app, &trail, &rejection, authorization, None).await,
        Err(Stop::Failed(what)) => failed(app, request_id, &what),
    }
}

async fn serve<B: RequestBody>(
    app: &App,
    in_force: &Arc<InForce>,
    incoming: Incoming<'_, B>,
    trail: &mut RequestTrail<'_>,
) -> Result<(), Stop> {
    let policy = &in_force.policy;
    let uris = &in_force.arrival.revocation_uris;
    let asked = about_token(app, in_force, incoming, trail, uris);
    let (presented, proven) = asked.await?; // parse, gather, verify
    let governed = proven.admit(app, in_force, trail.occasion).await?; // verify
    let keys = app.keys.load_full();
    let token = NamedToken::read(&presented.token, &keys.published, policy, app.now()); // verify
    let revocation = TokenRevocation {
        caller: proven.caller(&governed, trail),
        token: &token,
        request: trail.request(),
    };
    settle(app, policy, &revocation, |(), _| Ok(())).await?; // load … commit
    proven.remember(app, policy);
    Ok(())
}

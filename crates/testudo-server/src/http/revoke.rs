//! The revocation endpoint. [RFC7009 §2] The steps are those of a token request.

use super::body::RequestBody;
use super::client::{Client, authorization, receive, refused};
use super::fresh;
use super::incoming::Incoming;
use super::proxy;
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
use testudo_core::occasions::revoke_token::TokenRevocation;
use testudo_core::occasions::{Caller, NamedToken};
use testudo_core::rejection::RequestReason;
use testudo_protocol::oauth::PresentedToken;

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
    let Incoming { peer, request, .. } = incoming;
    let policy = &in_force.policy;
    proxy::note_ids(&mut trail.details, &in_force.arrival, peer, request.headers());
    let parsed = receive(&in_force.arrival, peer, request, |form| {
        Ok(PresentedToken::parse(form).map_err(|_| RequestReason::TokenMissing)?)
    });
    let (presented, arrived) = parsed.await?; // parse
    let client = Client {
        app,
        in_force,
        peer,
        uris: &in_force.arrival.revocation_uris,
    };
    let proven = client.authenticate(arrived, trail).await?; // gather, verify
    let governed = proven.admit(app, in_force, trail.occasion).await?; // verify
    let keys = app.keys.load_full();
    let token = NamedToken::read(&presented.token, &keys.published, policy, app.now()); // verify
    let revocation = TokenRevocation {
        caller: Caller {
            governed: &governed,
            client_id: trail.details.client_id.as_deref(),
            attestation: proven.attestation(),
            possession: &proven.possession,
        },
        token: &token,
        request: trail.request(),
    };
    settle(app, policy, &revocation, |(), _| Ok(())).await?; // load … commit
    proven.remember(app, policy);
    Ok(())
}

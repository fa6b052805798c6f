//! The endpoint for pushed authorization requests. [RFC9126 §2] The steps are those of a token request.

use super::body::RequestBody;
use super::client::{Client, authorization, receive, refused};
use super::fresh;
use super::incoming::Incoming;
use super::proxy;
use super::respond::{failed, json};
use crate::audit::RequestTrail;
use crate::fault::Stop;
use crate::gather::keys_of_signed;
use crate::settle::settle;
use crate::state::app::App;
use crate::state::in_force::InForce;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use serde::Serialize;
use std::sync::Arc;
use testudo_core::OccasionKind;
use testudo_core::occasions::authorize::SignedRequest;
use testudo_core::occasions::push::{PushOutcome, PushRequest, Pushed};
use testudo_core::records::AuthorizationDetails;
use testudo_core::rejection::{AuthorizationReason, Rejection};
use testudo_protocol::oauth::Form;
use testudo_protocol::oauth::authorization::{
    AuthorizationParameters, AuthorizationRequest, AuthorizationRequestError, SentRequest,
};

/// [RFC9126 §2.2]
#[derive(Serialize)]
struct PushReply<'a> {
    request_uri: &'a str,
    /// Lifetime of `request_uri` in seconds.
    expires_in: i64,
}

pub(super) async fn push<B: RequestBody>(
    app: &App,
    in_force: &Arc<InForce>,
    incoming: Incoming<'_, B>,
) -> Response<Full<Bytes>> {
    let authorization = authorization(&incoming.request);
    let request_id = incoming.id;
    let mut trail = RequestTrail::of(OccasionKind::PushedAuthorization, request_id);
    // Boxed: a future within this many others would be too deep for the compiler.
    match Box::pin(serve(app, in_force, incoming, &mut trail)).await {
        Ok(PushOutcome::Pushed(pushed)) => {
            if pushed.is_new {
                app.metrics.first_uses.inc();
            }
            let mut response = json(StatusCode::CREATED, render(&pushed));
            fresh::add_next_nonce(app, &in_force.policy, &trail, &mut response);
            response
        }
        Ok(PushOutcome::Refused(rejection, would)) => {
            refused(app, &trail, &rejection, authorization, would).await
        }
        Err(Stop::Refused(rejection)) => refused(app, &trail, &rejection, authorization, None).await,
        Err(Stop::Failed(what)) => failed(app, request_id, &what),
    }
}

fn render(pushed: &Pushed) -> Vec<u8> {
    let reply = PushReply {
        request_uri: pushed.request_uri.as_str(),
        expires_in: pushed.lifetime.0,
    };
    serde_json::to_vec(&reply).unwrap_or_default()
}

async fn serve<B: RequestBody>(
    app: &App,
    in_force: &Arc<InForce>,
    incoming: Incoming<'_, B>,
    trail: &mut RequestTrail<'_>,
) -> Result<PushOutcome, Stop> {
    let Incoming { peer, request, .. } = incoming;
    let policy = &in_force.policy;
    proxy::note_ids(&mut trail.details, &in_force.arrival, peer, request.headers());
    let parsed = receive(&in_force.arrival, peer, request, |form| parse(form));
    let (sent, arrived) = parsed.await?; // parse
    if let Pushing::Plain(asked) = &sent {
        // Also where the client is refused before the request is decided.
        trail.note_authorization(asked, AuthorizationDetails::of(asked, false));
    }
    let client = Client {
        app,
        in_force,
        peer,
        uris: &in_force.arrival.push_uris,
    };
    let proven = client.authenticate(arrived, trail).await?; // gather, verify
    let governed = proven.admit(app, in_force, trail.occasion).await?; // verify
    app.push_shares
        .take(proven.taker(&governed), app.clock.steady_millis())?;
    let (asked, is_signed) = match sent {
        Pushing::Plain(asked) => (asked, false),
        Pushing::Signed(object) => {
            // [RFC9126 §3] The client that authenticated must have signed it.
            let signed = SignedRequest::parse(&governed.name.client_id, &object)?;
            let facts = Box::pin(keys_of_signed(app, in_force, &signed)).await?;
            let parameters = signed.verify(&facts, policy, app.now())?;
            let asked = Box::new(parsed_request(&parameters)?);
            trail.note_authorization(&asked, AuthorizationDetails::of(&asked, true));
            (asked, true)
        }
    };
    let push = PushRequest {
        caller: proven.caller(&governed, trail),
        asked: &asked,
        is_signed,
        request: trail.request(),
    };
    let outcome = settle(app, policy, &push, |outcome, _| Ok(outcome)).await?; // load … commit
    if let PushOutcome::Pushed(_) = &outcome {
        proven.remember(app, policy);
    }
    Ok(outcome)
}

/// What a client pushes.
enum Pushing {
    /// Parameters that are right by themselves.
    Plain(Box<AuthorizationRequest>),
    /// A signed object; the parameters beside it are ignored. [RFC9126 §3]
    Signed(String),
}

/// The form of the request. [RFC9126 §2.1]
fn parse(form: &Form) -> Result<Pushing, Rejection> {
    let sent = SentRequest::at_pushed_endpoint(form).map_err(AuthorizationReason::ParametersWrong)?;
    match sent {
        SentRequest::Plain(parameters) => Ok(Pushing::Plain(Box::new(parsed_request(&parameters)?))),
        SentRequest::Object { object, .. } => Ok(Pushing::Signed(object)),
        SentRequest::Pushed { .. } => {
            let reason = AuthorizationRequestError::UriInPushedRequest;
            Err(AuthorizationReason::ParametersWrong(reason).into())
        }
    }
}

/// The parameters, which must be right by themselves.
fn parsed_request(parameters: &AuthorizationParameters) -> Result<AuthorizationRequest, Rejection> {
    let request = AuthorizationRequest::parse(parameters);
    Ok(request.map_err(AuthorizationReason::ParametersWrong)?)
}

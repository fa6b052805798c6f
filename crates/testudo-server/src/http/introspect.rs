//! The introspection endpoint. [RFC7662 §2] [RFC9701 §4]
//!
//! The steps are those of a token request. The answer is signed before anything is written, if the caller asks for that.

use super::body::RequestBody;
use super::client::{about_token, authorization, refused};
use super::fresh;
use super::incoming::Incoming;
use super::respond::{failed, json};
use crate::audit::RequestTrail;
use crate::fault::{Fault, Stop};
use crate::own_tokens::holder_of;
use crate::settle::settle;
use crate::state::app::App;
use crate::state::in_force::InForce;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode, header};
use std::sync::Arc;
use testudo_core::occasions::NamedToken;
use testudo_core::occasions::introspect::{Introspected, Introspection};
use testudo_core::rejection::Authorization;
use testudo_core::{Moment, OccasionKind};
use testudo_protocol::oauth::introspection::{MEDIA_TYPE, accepts_signed};

pub(super) async fn introspect<B: RequestBody>(
    app: &App,
    in_force: &Arc<InForce>,
    incoming: Incoming<'_, B>,
) -> Response<Full<Bytes>> {
    // [RFC7662 §2.3] A caller that does not authenticate gets 401, also without `Authorization`.
    let authorization = match authorization(&incoming.request) {
        Authorization::Absent => Authorization::Other,
        sent @ (Authorization::Bearer | Authorization::Dpop | Authorization::Other) => sent,
    };
    let request_id = incoming.id;
    let mut accepted = incoming.request.headers().get_all(header::ACCEPT).iter();
    let is_signed = accepted.any(|accept| accept.to_str().is_ok_and(accepts_signed));
    let mut trail = RequestTrail::of(OccasionKind::Introspection, request_id);
    // Boxed: a future within this many others would be too deep for the compiler.
    match Box::pin(serve(app, in_force, incoming, &mut trail, is_signed)).await {
        Ok(body) => {
            let mut response = json(StatusCode::OK, body);
            if is_signed {
                let media_type = HeaderValue::from_static(MEDIA_TYPE);
                response.headers_mut().insert(header::CONTENT_TYPE, media_type);
            }
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
    is_signed: bool,
) -> Result<Vec<u8>, Stop> {
    let policy = &in_force.policy;
    let uris = &in_force.arrival.introspection_uris;
    let asked = about_token(app, in_force, incoming, trail, uris);
    let (presented, proven) = asked.await?; // parse, gather, verify
    let governed = proven.admit(app, in_force, trail.occasion).await?; // verify
    let keys = app.keys.load_full();
    let token = NamedToken::read(&presented.token, &keys.published, policy, app.now()); // verify
    let holder = match &token {
        NamedToken::Access(token) => holder_of(app, policy, &token.claims)
            .await
            .map_err(Fault::Store)?,
        NamedToken::Refresh(_) | NamedToken::Unknown => None,
    };
    let question = Introspection {
        caller: proven.caller(&governed, trail),
        token: &token,
        holder: holder.as_ref().map(|holder| &holder.stored.record),
    };
    let answer = settle(app, policy, &question, |introspected, at| {
        render(app, &introspected, is_signed, at)
    })
    .await?; // load … commit
    proven.remember(app, policy);
    Ok(answer)
}

/// sign and render: the answer as JSON, or as a JWT for the caller.
fn render(
    app: &App,
    introspected: &Introspected,
    is_signed: bool,
    at: &Moment<'_>,
) -> Result<Vec<u8>, Fault> {
    if !is_signed {
        return Ok(serde_json::to_vec(&introspected.answer).unwrap_or_default());
    }
    let key = &app.keys.load().active;
    let issuer = at.policy.issuer.as_str();
    let signed = introspected
        .answer
        .sign(issuer, &introspected.caller, key, at.now);
    Ok(signed.map_err(Fault::Signing)?.into_bytes())
}

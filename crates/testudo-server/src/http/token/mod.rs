//! The token endpoint. [RFC6749 §3.2]
//!
//! The steps, in this order: parse → gather → verify → load → decide → sign → commit → render.

mod issued;
mod observe;
mod parse;
mod reply;

use super::body::RequestBody;
use super::client::{self, Client, authorization, receive};
use super::fresh;
use super::incoming::Incoming;
use super::proxy;
use super::respond::{failed, json};
use crate::audit::RequestTrail;
use crate::fault::{Fault, Stop};
use crate::gather::look_up_turn;
use crate::settle::settle;
use crate::state::app::App;
use crate::state::in_force::InForce;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use observe::observe;
use std::sync::Arc;
use testudo_core::admission::governed::GovernedIdentity;
use testudo_core::occasions::burn_code::BurnCode;
use testudo_core::occasions::token::{TokenGrant, TokenOutcome, TokenRequest};
use testudo_core::people::PresentedSecret;
use testudo_core::records::Event;
use testudo_core::rejection::{Authorization, Rejection};
use testudo_core::tokens::access_token::{self, IssuedToken};
use testudo_core::{Moment, OccasionKind};
use testudo_protocol::oauth::{Resource, ScopeSet};

/// The outcome of a token request that was decided.
enum Settled {
    /// The token that was issued, and whether its client is new.
    Token(IssuedToken, bool),
    /// Refused, and the batch is committed; with the event of what would have happened where `first_use = "observe"`
    /// applies to the identity.
    Refused(Rejection, Option<Box<Event>>),
}

pub(super) async fn token<B: RequestBody>(
    app: &App,
    in_force: &Arc<InForce>,
    incoming: Incoming<'_, B>,
) -> Response<Full<Bytes>> {
    let authorization = authorization(&incoming.request);
    let request_id = incoming.id;
    let mut trail = RequestTrail::of(OccasionKind::Token, request_id);
    let mut code = None;
    let settled = serve_token(app, in_force, incoming, &mut trail, &mut code).await;
    let settled = match settled {
        Err(Stop::Refused(rejection)) => burn(app, in_force, code, rejection).await,
        settled => settled,
    };
    match settled {
        Ok(Settled::Token(token, is_new)) => {
            app.metrics.tokens_issued.inc();
            if in_force.serving.logs_tokens {
                issued::log(&token, &trail);
            }
            if is_new {
                app.metrics.first_uses.inc();
            }
            observe(app, &trail, || {
                let seen = if is_new { "first use: registered" } else { "known" };
                format!(
                    "{seen}, token for scope `{}`",
                    token.scope.as_deref().unwrap_or_default()
                )
            });
            let mut response = json(StatusCode::OK, reply::render(&token));
            fresh::add_next_nonce(app, &in_force.policy, &trail, &mut response);
            response
        }
        Ok(Settled::Refused(rejection, would)) => {
            refused(app, &trail, &rejection, authorization, would).await
        }
        Err(Stop::Refused(rejection)) => refused(app, &trail, &rejection, authorization, None).await,
        Err(Stop::Failed(what)) => failed(app, request_id, &what),
    }
}

async fn refused(
    app: &App,
    trail: &RequestTrail<'_>,
    rejection: &Rejection,
    authorization: Authorization,
    would: Option<Box<Event>>,
) -> Response<Full<Bytes>> {
    let response = client::refused(app, trail, rejection, authorization, would).await;
    observe(app, trail, || format!("refused: {rejection}"));
    response
}

async fn serve_token<B: RequestBody>(
    app: &App,
    in_force: &Arc<InForce>,
    incoming: Incoming<'_, B>,
    trail: &mut RequestTrail<'_>,
    code: &mut Option<PresentedSecret>,
) -> Result<Settled, Stop> {
    let Incoming { peer, request, .. } = incoming;
    let policy = &in_force.policy;
    proxy::note_ids(&mut trail.details, &in_force.arrival, peer, request.headers());
    let parsed = receive(&in_force.arrival, peer, request, |form| {
        let grant = parse::parse(form, policy.login.is_some())?;
        *code = grant.code();
        Ok(grant)
    });
    let (grant, arrived) = parsed.await?; // parse
    trail.details.grant_type = Some(grant.name().into());
    trail.scope = grant.asked().scope.as_ref().map(ScopeSet::to_string);
    trail.resource = grant.asked().resource.as_ref().map(Resource::to_string);
    let client = Client {
        app,
        in_force,
        peer,
        uris: &in_force.arrival.token_uris,
    };
    let proven = client.authenticate(arrived, trail).await?; // gather, verify
    let governed = proven.admit(app, in_force, trail.occasion).await?; // verify
    let request = TokenRequest {
        caller: proven.caller(&governed, trail),
        grant: &grant,
        request: trail.request(),
    };
    let settled = settle(app, policy, &request, |outcome, at| {
        sign(app, &governed, outcome, at)
    })
    .await?; // load … commit
    if let Settled::Token(..) = &settled {
        proven.remember(app, policy);
    }
    Ok(settled)
}

/// Ends the code of a request that was refused before it was decided, unless the client is asked to send it again. Nothing
/// of such a request may be verified, so the reads for them are limited: an attacker can send any number of codes.
async fn burn(
    app: &App,
    in_force: &InForce,
    code: Option<PresentedSecret>,
    rejection: Rejection,
) -> Result<Settled, Stop> {
    if let Some(code) = code.filter(|_| !rejection.may_be_repeated()) {
        let turn = look_up_turn(app).await?;
        // Boxed: only these requests need the memory of this future.
        let found = |(), _: &Moment<'_>| {
            turn.end();
            Ok(())
        };
        Box::pin(settle(app, &in_force.policy, &BurnCode { code }, found)).await?;
    }
    Err(rejection.into())
}

/// sign: done before anything is written, so that no client is registered whose token cannot be signed.
fn sign(
    app: &App,
    governed: &GovernedIdentity<'_>,
    outcome: TokenOutcome,
    at: &Moment<'_>,
) -> Result<Settled, Fault> {
    let grant = match outcome {
        TokenOutcome::Granted(grant) => grant,
        TokenOutcome::Refused(rejection, would) => return Ok(Settled::Refused(rejection, would)),
    };
    let TokenGrant {
        granted,
        is_new,
        earlier_client_id,
    } = grant;
    let client_id = earlier_client_id.as_deref().unwrap_or(&governed.name.client_id);
    let token = access_token::issue(governed, client_id, granted, &app.keys.load().active, at)
        .map_err(Fault::Signing)?;
    Ok(Settled::Token(token, is_new))
}

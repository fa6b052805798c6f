//! Requests of clients about a token: to introspect it, and to revoke it.

use super::authenticate::{Authenticated, Client};
use super::receive::receive;
use crate::audit::RequestTrail;
use crate::fault::Stop;
use crate::http::body::RequestBody;
use crate::http::incoming::Incoming;
use crate::http::proxy;
use crate::state::app::App;
use crate::state::in_force::InForce;
use std::sync::Arc;
use testudo_core::rejection::RequestReason;
use testudo_protocol::oauth::{PresentedToken, RequestUri};

/// parse, gather and verify: the token, of which nothing is verified yet, and the client that sent it. `uris` are those of
/// the endpoint.
pub(in crate::http) async fn about_token<B: RequestBody>(
    app: &App,
    in_force: &Arc<InForce>,
    incoming: Incoming<'_, B>,
    trail: &mut RequestTrail<'_>,
    uris: &[RequestUri],
) -> Result<(PresentedToken, Authenticated), Stop> {
    let Incoming { peer, request, .. } = incoming;
    proxy::note_ids(&mut trail.details, &in_force.arrival, peer, request.headers());
    let parsed = receive(&in_force.arrival, peer, request, |form| {
        Ok(PresentedToken::parse(form).map_err(|_| RequestReason::TokenMissing)?)
    });
    let (presented, arrived) = parsed.await?;
    let client = Client {
        app,
        in_force,
        peer,
        uris,
    };
    let proven = client.authenticate(arrived, trail).await?;
    Ok((presented, proven))
}

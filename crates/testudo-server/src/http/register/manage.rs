//! `/register/{client_id}`: a client that registered without evidence reads, replaces or ends its registration.
//! [RFC7592 §2]

use super::answer::{Extra, client_uri, render};
use crate::audit::{Refusal, RequestTrail, note_refusal};
use crate::fault::{Fault, Stop};
use crate::http::bearer::{RegistrationToken, bearer};
use crate::http::body::{RequestBody, json_body};
use crate::http::incoming::Incoming;
use crate::http::proxy::{address_of, request_id_of};
use crate::http::respond::{error, failed, json, no_content};
use crate::settle::settle;
use crate::state::app::App;
use crate::state::in_force::InForce;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Response, StatusCode};
use testudo_core::metadata::requested::Requested;
use testudo_core::occasions::manage::{Change, ManagementRequest};
use testudo_core::occasions::unattested::RegistrationRequest;
use testudo_core::records::{Client, RequestRef, client_key};
use testudo_core::rejection::{CredentialReason, Endpoint, Rejection};
use testudo_core::{AttestedIdentity, Authority, OccasionKind};
use testudo_protocol::jose::sha256;

pub(in crate::http) async fn manage_registration<B: RequestBody>(
    app: &App,
    in_force: &InForce,
    client_id: &str,
    incoming: Incoming<'_, B>,
) -> Response<Full<Bytes>> {
    let request_id = incoming.id;
    let mut trail = RequestTrail::of(OccasionKind::Registration, request_id);
    trail.details.client_id = Some(client_id.to_owned());
    trail.details.proxy_request_id =
        request_id_of(&in_force.arrival, incoming.peer, incoming.request.headers());
    match serve_management(app, in_force, client_id, incoming, trail.request()).await {
        Ok(Some(body)) => json(StatusCode::OK, body),
        Ok(None) => no_content(),
        Err(Stop::Refused(rejection)) => {
            let answer = rejection.answer(Endpoint::Management);
            let refusal = Refusal {
                rejection: &rejection,
                answer: &answer,
                would: None,
            };
            note_refusal(app, &trail, refusal).await;
            error(&answer)
        }
        Err(Stop::Failed(what)) => failed(app, request_id, &what),
    }
}

async fn serve_management<B: RequestBody>(
    app: &App,
    in_force: &InForce,
    client_id: &str,
    incoming: Incoming<'_, B>,
    request_ref: RequestRef<'_>,
) -> Result<Option<Vec<u8>>, Stop> {
    let policy = &in_force.policy;
    let Incoming { peer, request, .. } = incoming;
    let method = request.method().clone();
    // [RFC7592 §2] In the header and nowhere else: a form or a URL is kept in too many places.
    let shown = bearer(request.headers()).ok_or(CredentialReason::RegistrationTokenMissing)?;
    let digest = sha256(shown.as_bytes());
    let address = address_of(&in_force.arrival, peer, request.headers());
    let client = opened(app, client_id, &digest).await?;
    let replacement = match method {
        Method::PUT => Some(Requested::parse_replacement(
            &json_body(request).await?,
            client_id,
        )?),
        _ => None,
    };
    let identity = AttestedIdentity::named_here(client_id, client.first_credential, client.sponsor.clone());
    let governed = app.govern(&identity, OccasionKind::Registration, policy)?;
    let next = RegistrationToken::new().ok_or(Fault::NoEntropy)?;
    let change = match (&method, &replacement) {
        (&Method::DELETE, _) => Change::Delete,
        (_, Some(requested)) => Change::Replace(RegistrationRequest {
            requested,
            request: request_ref,
            management_digest: next.digest(),
            address,
        }),
        (_, None) => Change::Read,
    };
    let management = ManagementRequest {
        governed: &governed,
        change,
        token: &digest,
    };
    let registered = settle(app, policy, &management, |registered, _| Ok(registered)).await?; // load … commit
    let token = match change {
        Change::Delete => return Ok(None),
        Change::Read => shown.as_str(),
        Change::Replace(..) => next.as_str(),
    };
    let uri = client_uri(policy, client_id);
    Ok(Some(render(&registered, Extra::Management { uri, token })))
}

/// The client, if the token opens it. Unknown and foreign clients look alike. [RFC7592 §2.1]
async fn opened(app: &App, client_id: &str, digest: &[u8; 32]) -> Result<Client, Stop> {
    let refused = Rejection::Credential(CredentialReason::RegistrationTokenRefused { is_superseded: false });
    if !app.keys.load().opaque_key.has_named(client_id) {
        return Err(refused.into());
    }
    let key = client_key(Authority::registration().key(), client_id);
    let client = app.store.read::<Client>(&key).await.map_err(Fault::Store)?;
    let client = client.ok_or(refused.clone())?.record;
    let management = client.management.as_ref().ok_or(refused)?;
    management.shown(digest, app.now())?;
    Ok(client)
}

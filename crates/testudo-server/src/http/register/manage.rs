//! `/register/{client_id}`: a client that registered without evidence reads, replaces or deletes its registration.
//! [RFC7592 §2]

use super::answer::{Extra, client_uri, render};
use crate::audit::{RequestTrail, refuse};
use crate::fault::{Fault, Stop};
use crate::gather::look_up_turn;
use crate::http::bearer::{RegistrationToken, bearer};
use crate::http::body::{RequestBody, json_body};
use crate::http::client::must_be_good;
use crate::http::incoming::Incoming;
use crate::http::proxy::{address_of, note_ids};
use crate::http::respond::{error, failed, json, no_content};
use crate::settle::{load, settle_on};
use crate::state::app::App;
use crate::state::in_force::InForce;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Response, StatusCode};
use testudo_core::doors::KnownCredential;
use testudo_core::metadata::requested::RequestedMetadata;
use testudo_core::occasions::manage::{Change, ManagementRequest};
use testudo_core::occasions::unattested::RegistrationRequest;
use testudo_core::records::{Client, Loaded, RequestRef, client_key};
use testudo_core::rejection::{CredentialReason, Endpoint, Rejection};
use testudo_core::{AttestedIdentity, Authority, OccasionKind};
use testudo_protocol::Timestamp;
use testudo_protocol::jose::sha256;

pub(in crate::http) async fn manage_registration<B: RequestBody>(
    app: &App,
    in_force: &InForce,
    client_id: &str,
    incoming: Incoming<'_, B>,
) -> Response<Full<Bytes>> {
    let request_id = incoming.id;
    let mut trail = RequestTrail::of(OccasionKind::Registration, request_id);
    // Only client ids that this server assigned are noted: any other id is text that the caller invented, of any
    // length.
    let is_ours = app.keys.load().opaque_key.has_named(client_id);
    trail.details.client_id = is_ours.then(|| client_id.to_owned());
    trail.details.is_management = true;
    let headers = incoming.request.headers();
    note_ids(&mut trail.details, &in_force.arrival, incoming.peer, headers);
    match serve_management(app, in_force, client_id, incoming, trail.request()).await {
        Ok(Some(body)) => json(StatusCode::OK, body),
        Ok(None) => no_content(),
        Err(Stop::Refused(rejection)) => {
            error(&refuse(app, &trail, &rejection, Endpoint::Management, None).await)
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
    // [RFC7592 §2] The token is accepted in `Authorization` only: URLs and forms are written to logs and caches.
    let shown = bearer(request.headers()).ok_or(CredentialReason::RegistrationTokenMissing)?;
    let digest = sha256(shown.as_bytes());
    let address = address_of(&in_force.arrival, peer, request.headers());
    // [RFC7592 §2.1] For a client id that this server never assigned, the store is not read.
    if !app.keys.load().opaque_key.has_named(client_id) {
        return Err(CredentialReason::RegistrationTokenRefused { is_superseded: false }.into());
    }
    // The record is read once: the token is checked against it before the body is read, and the decision uses the same
    // record.
    let key = client_key(Authority::registration().key(), client_id);
    let loaded = {
        let _turn = look_up_turn(app).await?;
        let loaded = load(app, &ManagementRequest::needed(&key), None).await;
        loaded.map_err(Fault::Store)?
    };
    let client = opened(&loaded, &key, &digest, app.now())?;
    let identity = AttestedIdentity::named_here(client_id, client.first_credential, client.sponsor.clone());
    let replacement = match method {
        Method::PUT => Some(RequestedMetadata::parse_replacement(
            &json_body(request).await?,
            client_id,
        )?),
        _ => None,
    };
    let governed = app.govern(&identity, OccasionKind::Registration, policy)?;
    // The credential of the sponsor may be revoked after the client registered. Otherwise a client that gets no tokens for
    // this reason could still put other keys in its registration.
    let of_sponsor = client
        .sponsor
        .as_deref()
        .zip(client.sponsor_credential.as_deref());
    if let Some(known) = KnownCredential::of(None, of_sponsor) {
        must_be_good(app, in_force, &governed, known).await?;
    }
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
        token_digest: &digest,
    };
    let registered = settle_on(app, policy, &management, Some(loaded), |registered, _| {
        Ok(registered)
    })
    .await?; // decide, commit
    let token = match change {
        Change::Delete => return Ok(None),
        Change::Read => shown.as_str(),
        Change::Replace(..) => next.as_str(),
    };
    let uri = client_uri(policy, client_id);
    Ok(Some(render(&registered, Extra::Management { uri, token })))
}

/// The client record, if the registration access token belongs to it. The refusal is the same for an unknown client and
/// for the token of another client, so that a caller cannot find out which client ids exist. [RFC7592 §2.1]
fn opened<'l>(
    loaded: &'l Loaded<'_>,
    key: &[u8],
    digest: &[u8; 32],
    now: Timestamp,
) -> Result<&'l Client, Rejection> {
    let refused = CredentialReason::RegistrationTokenRefused { is_superseded: false };
    let client = loaded.find::<Client>(key).map(|stored| &stored.record);
    let management = client.and_then(|client| Some((client, client.management.as_ref()?)));
    let (client, management) = management.ok_or(refused)?;
    management.shown(digest, now)?;
    Ok(client)
}

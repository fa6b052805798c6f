//! The token endpoint. [RFC6749 §3.2]
//!
//! parse → gather → verify → load → decide → sign → commit → render, in this order and nowhere else.

use super::body;
use super::proxy;
use super::respond::{Challenge, json, refusal};
use super::{Peer, RequestBody, Stop, failed};
use crate::app::{App, Observation};
use crate::chains;
use crate::events::{REFUSAL_RETENTION, kind_of};
use crate::gather::gather;
use crate::settle::{Settled, settle};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode, header};
use std::sync::Arc;
use std::time::Instant;
use testudo_core::admission::create::describe_identity;
use testudo_core::doors::{self, Credential, Facts, Presented, Purpose, RequestHeaders};
use testudo_core::grants::GrantRequest;
use testudo_core::occasions::token::Asking;
use testudo_core::policy::Policy;
use testudo_core::records::{Batch, Event};
use testudo_core::rejection::Rejection;
use testudo_core::{AttestedIdentity, Authority, Occasion, Trace};
use testudo_protocol::limits::IDENTIFIER_BYTES_MAX;
use testudo_protocol::oauth::{Form, is_vschar};

/// A token request, parsed; nothing in it is proven.
pub(crate) struct TokenRequest {
    /// The evidence.
    pub(crate) presented: Presented,
    /// What is wanted.
    pub(crate) grant: GrantRequest,
    /// `client_id`, as sent.
    pub(crate) client_id: Option<String>,
}

pub(super) async fn token<B: RequestBody>(
    app: &App,
    policy: &Arc<Policy>,
    peer: &Peer,
    request: Request<B>,
    request_id: &str,
) -> Response<Full<Bytes>> {
    let started = Instant::now();
    let challenge = challenge(&request);
    let mut witness = Witness::default();
    let settled = serve(app, policy, (peer, request), request_id, &mut witness).await;
    app.metrics.token_seconds.observe(started.elapsed().as_secs_f64());
    match settled {
        Ok(Settled::Token(reply, is_new)) => {
            app.metrics.tokens_issued.inc();
            if is_new {
                let identity = witness
                    .identity
                    .as_deref()
                    .map_or("", |identity| &identity.subject);
                tracing::info!(request.id = request_id, identity, "client.registered");
            }
            observe(app, request_id, &witness, || {
                let seen = if is_new { "first use: registered" } else { "known" };
                format!(
                    "{seen}, token for scope `{}`",
                    reply.scope.as_deref().unwrap_or_default()
                )
            });
            json(StatusCode::OK, serde_json::to_vec(&reply).unwrap_or_default())
        }
        Ok(Settled::Refused(rejection, event)) => {
            refuse(app, request_id, &witness, (rejection, event), challenge).await
        }
        Err(Stop::Refused(rejection)) => {
            refuse(app, request_id, &witness, (rejection, None), challenge).await
        }
        Err(Stop::Failed(what)) => failed(app, request_id, &what),
    }
}

async fn refuse(
    app: &App,
    request_id: &str,
    witness: &Witness,
    (rejection, event): (Rejection, Option<Box<Event>>),
    challenge: Challenge,
) -> Response<Full<Bytes>> {
    note_refusal(app, (Occasion::Token, request_id), witness, &rejection, event).await;
    observe(app, request_id, witness, || format!("refused: {rejection}"));
    refusal(&rejection, challenge)
}

/// What was learned on the way, for events.
#[derive(Default)]
pub(super) struct Witness {
    pub(super) identity: Option<Arc<AttestedIdentity>>,
    pub(super) scope: Option<String>,
    pub(super) resource: Option<String>,
    pub(super) has_statement: bool,
}

async fn serve<B: RequestBody>(
    app: &App,
    policy: &Arc<Policy>,
    (peer, request): (&Peer, Request<B>),
    request_id: &str,
    witness: &mut Witness,
) -> Result<Settled, Stop> {
    let now = app.now();
    let TokenRequest {
        presented,
        grant,
        client_id,
    } = receive(app, peer, request).await?; // parse
    witness.scope = grant.scope_asked();
    witness.resource = grant.resource_asked();
    let (identity, facts) = match recall(app, policy, &presented) {
        Some(identity) => {
            app.metrics.assertions_remembered.inc();
            (identity, None)
        }
        None => {
            let credential = doors::recognise(&presented)?;
            let facts = gather(app, policy, credential.lookups()).await?; // gather
            let purpose = Purpose::Authentication;
            let identity = match credential {
                Credential::X509Svid(door) => {
                    chains::verify(app, peer, (door, presented.digest), &facts, policy).await?
                }
                other => other.verify(&facts, policy, purpose, now, &mut Trace::off())?, // verify
            };
            (Arc::new(identity), Some(facts))
        }
    };
    witness.identity = Some(identity.clone());
    let occasion = Occasion::Token;
    let placed = app.place(&identity, occasion, policy)?;
    let asking = Asking {
        occasion,
        client_id: client_id.as_deref(),
        grant: &grant,
        request_id,
    };
    let settled = settle(app, &placed, asking, policy).await?; // load … commit
    // Only of those that got a token: a flood that is refused must not push the verdicts of others out.
    if let (Settled::Token(..), Some(Facts::Bundle(bundle))) = (&settled, &facts) {
        app.verdicts.remember(&identity, bundle, policy.generation);
    }
    Ok(settled)
}

/// parse: the body within its bounds, the form, the mechanism, the grant.
async fn receive<B: RequestBody>(app: &App, peer: &Peer, request: Request<B>) -> Result<TokenRequest, Stop> {
    // [OAUTH-2.1 §2.4.1] Credentials never travel in the URL, where logs would keep them.
    if request.uri().query().is_some() {
        return Err(Rejection::CredentialsInUrl.into());
    }
    let headers = RequestHeaders {
        has_authorization: request.headers().contains_key(header::AUTHORIZATION),
        has_client_attestation: request.headers().contains_key("oauth-client-attestation"),
        certificates: proxy::certificates_of(app, peer, request.headers())?,
    };
    if !is_form(&request) {
        return Err(Rejection::NotAForm.into());
    }
    let body = body::read(request.into_body(), Rejection::NotAForm).await?;
    Ok(parse(&body, headers)?)
}

/// The part of parsing that needs no HTTP.
pub(crate) fn parse(body: &[u8], headers: RequestHeaders) -> Result<TokenRequest, Rejection> {
    let mut form = Form::parse(body).map_err(Rejection::MalformedForm)?;
    let client_id = form.get("client_id").map(str::to_owned);
    if client_id
        .as_ref()
        .is_some_and(|id| id.len() > IDENTIFIER_BYTES_MAX || !is_vschar(id))
    {
        return Err(Rejection::MalformedClientId);
    }
    let grant = GrantRequest::parse(&form)?;
    let presented = Presented::find(&mut form, headers)?;
    Ok(TokenRequest {
        presented,
        grant,
        client_id,
    })
}

/// A charset other than UTF-8 would be another form. [RFC6749 B]
fn is_form<B>(request: &Request<B>) -> bool {
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else {
        return false;
    };
    let Ok(text) = value.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let is_type = parts
        .next()
        .is_some_and(|media| media.eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    is_type
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
                value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

/// The verdict on these very bytes, if it still stands.
fn recall(app: &App, policy: &Policy, presented: &Presented) -> Option<Arc<AttestedIdentity>> {
    let now = app.now();
    let bundle_of = |identity: &AttestedIdentity| match &identity.authority {
        Authority::TrustDomain(name) => app.anchor(name.as_str())?.current(app.moment()),
        Authority::Configuration | Authority::Registration => None,
    };
    app.verdicts.recall(
        &presented.digest,
        presented.kind,
        bundle_of,
        policy.generation,
        now,
    )
}

fn challenge<B>(request: &Request<B>) -> Challenge {
    match request
        .headers()
        .get(header::AUTHORIZATION)
        .map(|value| value.as_bytes())
    {
        None => Challenge::None,
        Some(value)
            if value
                .get(..7)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer ")) =>
        {
            Challenge::Bearer
        }
        Some(_) => Challenge::Basic,
    }
}

/// A refusal is counted; a sample of them becomes events and log lines.
pub(super) async fn note_refusal(
    app: &App,
    (occasion, request_id): (Occasion, &str),
    witness: &Witness,
    rejection: &Rejection,
    would: Option<Box<Event>>,
) {
    let reason = rejection.name();
    app.metrics
        .refused
        .get_or_create(&crate::metrics::RejectionLabel { rejection: reason })
        .inc();
    let identity = witness.identity.as_deref();
    let authority = identity.map_or_else(|| "unproven".to_owned(), |identity| identity.authority.key());
    let prefix: String = identity
        .and_then(|identity| identity.spiffe_id.as_ref())
        .map(|id| {
            id.segments()
                .take(2)
                .map(|segment| format!("/{segment}"))
                .collect()
        })
        .unwrap_or_default();
    let now = app.now();
    if !app.refusals.note(reason, &authority, &prefix, now) {
        return;
    }
    tracing::info!(
        request.id = request_id,
        rejection = reason,
        trust_domain = authority,
        identity = identity.map_or("", |identity| &identity.subject),
        detail = %rejection,
        "client.refused"
    );
    let Some(entropy) = app.clock.entropy() else {
        return;
    };
    let kind = kind_of(rejection);
    let mut event = Event::new(entropy.event_id(kind as u8), now, kind, now + REFUSAL_RETENTION);
    if let Some(identity) = identity {
        describe_identity(&mut event, identity);
    }
    event.request_id = Some(request_id.to_owned());
    event.occasion = Some(occasion.name().to_owned());
    event.scope = witness.scope.clone();
    event.resource = witness.resource.clone();
    event.reason = Some(reason.to_owned());
    event.detail = Some(rejection.to_string());
    event.hint = rejection.hint();
    let mut batch = Batch::default();
    batch.insert(&event);
    if let Some(would) = would {
        batch.insert(&*would);
    }
    // An event about a refusal is worth an attempt, not a failed answer.
    if let Err(error) = app.store.commit(batch).await {
        tracing::warn!(?error, "an event could not be written");
    }
}

fn observe(app: &App, request_id: &str, witness: &Witness, outcome: impl FnOnce() -> String) {
    if let Some(observer) = &app.observer {
        observer(&Observation {
            request_id: request_id.to_owned(),
            identity: witness
                .identity
                .as_deref()
                .map(|identity| identity.subject.to_string()),
            outcome: outcome(),
        });
    }
}
